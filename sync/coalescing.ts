/**
 * @module
 * Owns the choice between the records a peer misses and the documents they changed: a long history of few documents costs less
 * as documents. Estimated from a sample, so that the answer does not cost what it saves.
 */
import { decodeBatch } from './batch.ts';
import type { Database } from './database.ts';
import type { OriginId } from './engine.ts';
import { isWithin } from './forgotten.ts';
import { logRange, viewKey } from './key.ts';
import { wholeOf } from './lineage.ts';
import { sequenceOf } from './version-vector.ts';

/** Batches looked at, over all origins. */
const BATCHES_SAMPLED = 32;
/** Documents whose size is looked at. */
const DOCUMENTS_SAMPLED = 32;
/** Documents must cost at most this share of the records, because the estimate may be wrong and the log streams. */
const SHARE_MAX = 0.5;
const ROW_OVERHEAD_BYTES = 40;

interface Sample {
  records: number;
  bytes: number;
  /** Name of a document → how often it was met. */
  readonly documents: Map<string, number>;
  readonly keys: Uint8Array[];
  /** `origin:firstSeq` of the batches in it. */
  readonly batches: Set<string>;
}

/** See `Engine.prefersDocuments`. */
export async function prefersDocuments(database: Database, since: (origin: OriginId) => number): Promise<boolean> {
  const { log, store, forgotten } = database.parts;
  // Who has not seen what was forgotten needs more than what changed: see snapshot-source.ts.
  if (!isWithin(forgotten.vector, { get: since })) return false;
  const sample: Sample = { records: 0, bytes: 0, documents: new Map(), keys: [], batches: new Set() };
  let missing = 0;
  for (const [origin, { seq }] of wholeOf(log.durableVector)) {
    const from = Math.max(since(origin), log.floorOf(origin).seq);
    if (seq > from) missing += seq - from;
  }
  if (missing === 0) return false;
  for (const [origin, { seq }] of wholeOf(log.durableVector)) {
    const from = Math.max(since(origin), log.floorOf(origin).seq);
    const probes = Math.ceil(((seq - from) / missing) * BATCHES_SAMPLED);
    for (let i = 0; i < probes; i++) await probe(database, origin, from + ((seq - from) * i) / probes, sample);
  }
  if (sample.keys.length === 0) return false;
  const values = await store.getMany(sample.keys.slice(0, DOCUMENTS_SAMPLED));
  const documentBytes =
    values.reduce((sum, value) => sum + (value?.length ?? 0) + ROW_OVERHEAD_BYTES, 0) / values.length;
  const recordsBytes = (sample.bytes / sample.records) * missing;
  return estimateDocuments(sample, missing) * documentBytes <= recordsBytes * SHARE_MAX;
}

/** The share of documents met once is about the probability that the next record is of a document not met yet (Good–Turing). */
function estimateDocuments({ records, documents }: Sample, missing: number): number {
  const once = [...documents.values()].filter((times) => times === 1).length;
  return documents.size + (once / records) * Math.max(0, missing - records);
}

/** Takes the first batch after a position into the sample. */
async function probe(
  { parts: { store, db, log } }: Database,
  origin: OriginId,
  position: number,
  into: Sample,
): Promise<void> {
  const end = sequenceOf(log.durableVector, origin) + 1;
  for await (const entries of store.range({ ...logRange(db, origin, Math.floor(position) + 1, end), limit: 1 })) {
    for (const [, value] of entries) {
      const batch = decodeBatch(value);
      // Two positions may lead to one large batch, whose documents are not met twice by that.
      const name = `${origin}:${batch.firstSeq}`;
      if (into.batches.has(name)) continue;
      into.batches.add(name);
      into.records += batch.count;
      into.bytes += value.length;
      for (const record of batch.records) {
        if (record.kind !== 'update') continue;
        const { collection, id } = record;
        const times = into.documents.get(`${collection}\0${id}`) ?? 0;
        into.documents.set(`${collection}\0${id}`, times + 1);
        if (times === 0) into.keys.push(viewKey(db, collection, id));
      }
    }
  }
}

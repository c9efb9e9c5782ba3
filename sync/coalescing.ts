/**
 * @module
 * Owns the choice between the records a peer misses and the documents they changed: a long history of few documents costs less
 * as documents. Estimated from a sample, so that the answer does not cost what it saves.
 */
import { decodeBatch } from './batch.ts';
import type { Batch } from './batch.ts';
import type { Database } from './database.ts';
import type { OriginId } from './engine.ts';
import { isWithin } from './forgotten.ts';
import { logRange, viewKey } from './key.ts';
import { wholeOf } from './lineage.ts';
import { sequenceOf } from './version-vector.ts';

/** Places in the log that are looked at, over all origins. */
const PROBES = 32;
/** Records read at each: of few nothing would come twice, however few documents they are of. */
const PROBE_RECORDS = 48;
/** Documents whose size is looked at. */
const DOCUMENTS_SAMPLED = 32;
/** Documents must cost at most this share of the records, because the estimate may be wrong and the log streams. */
const SHARE_MAX = 0.5;
/** To send and merge a record costs as much as so many bytes do on a link of 100 Mbit/s, and a document, which is opened, twice that. */
const RECORD_WORK_BYTES = 1000;
const DOCUMENT_WORK_BYTES = 2 * RECORD_WORK_BYTES;

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
    const probes = Math.ceil(((seq - from) / missing) * PROBES);
    for (let i = 0; i < probes; i++) await probe(database, origin, from + ((seq - from) * i) / probes, sample);
  }
  if (sample.keys.length === 0) return false;
  const values = await store.getMany(sample.keys.slice(0, DOCUMENTS_SAMPLED));
  const documentBytes =
    values.reduce((sum, value) => sum + (value?.length ?? 0) + DOCUMENT_WORK_BYTES, 0) / values.length;
  const recordsBytes = (sample.bytes / sample.records + RECORD_WORK_BYTES) * missing;
  return estimateDocuments(sample, missing) * documentBytes <= recordsBytes * SHARE_MAX;
}

/**
 * Documents in as many records, by those that were met once and those that were met twice: how many there are that were not met (Chao),
 * and how many of these will be (Shen).
 */
function estimateDocuments({ records, documents }: Sample, missing: number): number {
  let [once, twice] = [0, 0];
  for (const times of documents.values()) {
    if (times === 1) once++;
    else if (times === 2) twice++;
  }
  const unmet = (once * (once - 1)) / (2 * (twice + 1));
  if (unmet === 0) return documents.size;
  const chance = once / (records * unmet + once);
  return documents.size + unmet * (1 - (1 - chance) ** Math.max(0, missing - records));
}

/** Takes batches after a position into the sample, the first one at least. */
async function probe(
  { parts: { store, db, log } }: Database,
  origin: OriginId,
  position: number,
  into: Sample,
): Promise<void> {
  const end = sequenceOf(log.durableVector, origin) + 1;
  let next = Math.floor(position) + 1;
  // Most batches of a bulk write are larger than what is wanted, and those of clients much smaller.
  for (let left = PROBE_RECORDS, limit = 1; left > 0 && next < end; limit = PROBE_RECORDS) {
    const start = next;
    for await (const entries of store.range({ ...logRange(db, origin, next, end), limit })) {
      for (const [, value] of entries) {
        if (left <= 0) break;
        const batch = decodeBatch(value);
        next = batch.firstSeq + batch.count;
        left -= batch.count;
        take(batch, value.length, db, into);
      }
    }
    if (next === start) return;
  }
}

function take(batch: Batch, bytes: number, db: number, into: Sample): void {
  // Two positions may lead to one large batch, whose documents are not met twice by that.
  const name = `${batch.origin}:${batch.firstSeq}`;
  if (into.batches.has(name)) return;
  into.batches.add(name);
  into.records += batch.count;
  into.bytes += bytes;
  for (const record of batch.records) {
    if (record.kind !== 'update') continue;
    const { collection, id } = record;
    const times = into.documents.get(`${collection}\0${id}`) ?? 0;
    into.documents.set(`${collection}\0${id}`, times + 1);
    if (times === 0) into.keys.push(viewKey(db, collection, id));
  }
}

/**
 * @module
 * Owns reading what changed after a position, a page at a time and with nothing kept open in between: from the log, and for what was
 * cut from it from the change index. Which documents changed, that is; how they are now is read afterwards.
 */
import { recordNames } from '../batch.ts';
import { isCorrupt, scanThroughDamage } from '../damage-scan.ts';
import type { Database } from '../database.ts';
import { readView } from '../database-digest.ts';
import { decodeView, etagOf } from '../document-record.ts';
import type { DocumentVector, ViewRecord } from '../document-record.ts';
import type { DurableVersion } from '../document-slot.ts';
import type { DocumentName } from '../equality.ts';
import type { OriginId } from '../engine.ts';
import type { Holding } from '../horizon.ts';
import {
  changeKey,
  changeOf,
  documentOf,
  documentOfName,
  logKey,
  logRange,
  rangeOf,
  successorOf,
  successorOfPrefix,
  viewKey,
  publicViews,
} from '../key.ts';
import type { StoreEntry } from '../port.ts';
import { LEFT_OUT } from './feed-change.ts';
import type { DocumentVersion } from './feed-change.ts';
import type { PageSize } from './page-size.ts';

const INDEX_ENTRIES = 256;
/** Batches have up to 128 records and about 64 KiB. */
const LOG_BATCHES = 2;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A change by one origin. */
export interface Reference {
  readonly seq: number;
  /** `collection NUL id` */
  readonly name: string;
}

export interface ReferencePage {
  /** In the order of positions. */
  readonly references: readonly Reference[];
  /** Everything up to here is in the page. */
  readonly end: number;
  /** The first of the sequences that the log does not hold; null when it holds all of them. */
  readonly missing: number | null;
}

/** Changes by an origin in (after, last], about a page of them. A document may occur more than once. */
export async function readReferences(
  { parts: { store, db } }: Database,
  origin: OriginId,
  after: number,
  last: number,
): Promise<ReferencePage> {
  let end = last;
  const references: Reference[] = [];
  const batches: StoreEntry[] = [];
  const start = await batchAt(store, db, origin, after + 1);
  for await (const entries of store.range({ ...logRange(db, origin, start, last + 1), limit: LOG_BATCHES })) {
    batches.push(...entries);
  }
  // After the log: what is cut from it meanwhile is in the index by then.
  const indexed = { gte: changeKey(db, origin, after + 1), lt: changeKey(db, origin, last + 1) };
  for await (const entries of store.range({ ...indexed, limit: INDEX_ENTRIES })) {
    for (const [key, name] of entries) references.push({ seq: changeOf(key).seq, name: decoder.decode(name) });
  }
  if (references.length >= INDEX_ENTRIES) end = references.at(-1)!.seq;
  let logged = after;
  let missing: number | null = null;
  for (const [key, bytes] of batches) {
    // Keys of the log and of the change index are alike.
    const firstSeq = changeOf(key).seq;
    const names = recordNames(bytes);
    if (firstSeq > logged + 1) missing ??= logged + 1;
    names.forEach((name, i) => {
      if (name !== null && firstSeq + i > after) references.push({ seq: firstSeq + i, name });
    });
    logged = firstSeq + names.length - 1;
  }
  if (batches.length >= LOG_BATCHES) end = Math.min(end, logged);
  if (logged < end) missing ??= logged + 1;
  return {
    references: references.filter(({ seq }) => seq <= end).sort((a, b) => a.seq - b.seq),
    end,
    missing: missing !== null && missing <= end ? missing : null,
  };
}

/** Where the batch begins that holds a sequence, if one does. */
async function batchAt(store: Database['parts']['store'], db: number, origin: OriginId, seq: number): Promise<number> {
  const range = { gte: logKey(db, origin, 0), lt: logKey(db, origin, seq + 1), reverse: true, limit: 1, values: false };
  for await (const entries of store.range(range)) for (const [key] of entries) return changeOf(key).seq;
  return seq;
}

/**
 * Documents as they are now, in the order of the names. One of which nothing is left counts as deleted.
 *
 * @param isWhole - With their JSON; without, that of a large one may be left out.
 * @throws StorageError `STORAGE_CORRUPT`, retryable: one of them is damaged, and on its way from a peer.
 */
export async function readVersions(
  database: Database,
  names: readonly string[],
  size: PageSize,
  isWhole: boolean,
): Promise<readonly DocumentVersion[]> {
  const documents = names.map((name) => documentOfName(encoder.encode(name)));
  if (!isWhole) return readAll(database, documents, size);
  const collections = new Set(documents.map(({ collection }) => collection));
  return database.parts.table.late.during([...collections], () => readAll(database, documents, size));
}

async function readAll(
  { parts: { store, db, table } }: Database,
  documents: readonly DocumentName[],
  size: PageSize,
): Promise<readonly DocumentVersion[]> {
  // What is in memory and being written is not to be read from the store, which may show it too early.
  const held = documents.map(({ collection, id }) => table.durableOf(collection, id));
  const missing = documents.filter((_, i) => held[i] === undefined);
  const keys = missing.map(({ collection, id }) => viewKey(db, collection, id));
  const views =
    keys.length === 0
      ? []
      : await store.getMany(keys).catch(async (error: unknown) => {
          if (!isCorrupt(error)) throw error;
          for (const [i, key] of keys.entries()) {
            await store.get(key).catch((cause: unknown) => {
              throw table.describeDamage(missing[i]!, cause);
            });
          }
          throw error;
        });
  let next = 0;
  let bytes = 0;
  const versions = documents.map(({ collection, id }, i): DocumentVersion => {
    const version = held[i];
    if (version !== undefined) return { collection, id, ...versionOf(version) };
    const view = views[next++];
    bytes += view?.length ?? 0;
    return view === undefined
      ? { collection, id, etag: null, json: null, conflicts: 0 }
      : { collection, id, ...shown(decodeView(view)) };
  });
  size.note(documents.length, bytes + held.reduce((sum, version) => sum + (version?.document?.json.length ?? 0), 0));
  return versions;
}

export interface ScanPage {
  readonly versions: readonly DocumentVersion[];
  /** `collection NUL id` of the last document looked at; null at the end. */
  readonly next: string | null;
}

/**
 * The documents after a name, in the order of names, about a page of them.
 *
 * @param since - Only documents with a change that it does not cover, deleted ones included; null = those that exist.
 * @param isWhole - As in `readVersions`.
 */
export async function scanVersions(
  database: Database,
  collection: string | null,
  after: string,
  since: Holding | null,
  size: PageSize,
  isWhole: boolean,
): Promise<ScanPage> {
  const { store, db, table } = database.parts;
  const whole = rangeOfViews(db, collection);
  const limit = size.documents;
  const gte = after === '' ? whole.gte : successorOf(keyOf(db, after));
  const versions: DocumentVersion[] = [];
  let seen = 0;
  let bytes = 0;
  let next = after;
  const read = (): AsyncIterable<readonly StoreEntry[]> => store.range({ gte, lt: whole.lt, limit });
  try {
    for await (const entries of isWhole ? table.late.reading(collection, read) : read()) {
      for (const [key, value] of entries) {
        seen++;
        bytes += value.length;
        next = decoder.decode(key.subarray(5));
        const record = decodeView(value);
        if (since === null ? record.exists : !isCovered(record.vector, since)) {
          versions.push({ ...documentOf(key), ...shown(record) });
        }
      }
    }
  } catch (error) {
    throw isCorrupt(error) ? await locateDamage(database, { gte, lt: whole.lt }, error) : error;
  }
  size.note(seen, bytes);
  return { versions, next: seen < limit ? null : next };
}

function rangeOfViews(db: number, collection: string | null): { gte: Uint8Array; lt: Uint8Array } {
  if (collection === null) return { ...rangeOf('j', db), gte: publicViews(db) };
  const gte = viewKey(db, collection, '');
  return { gte, lt: successorOfPrefix(gte) };
}

function keyOf(db: number, name: string): Uint8Array {
  const { collection, id } = documentOfName(encoder.encode(name));
  return viewKey(db, collection, id);
}

function shown({ element, exists, json, conflicts }: ViewRecord): Shown {
  return { etag: etagOf(element), json: exists ? (json ?? LEFT_OUT) : null, conflicts };
}

function isCovered(vector: DocumentVector, since: Holding): boolean {
  for (const [origin, seq] of vector) if ((since.get(origin) ?? 0) < seq) return false;
  return true;
}

type Shown = Pick<DocumentVersion, 'etag' | 'json' | 'conflicts'>;

export function versionOf({ element, exists, document, conflicts }: DurableVersion): Shown {
  // Of what was forgotten there is no version.
  const etag = element.length === 0 ? null : etagOf(element);
  return { etag, json: exists ? (document?.json ?? LEFT_OUT) : null, conflicts };
}

/** Damage that a scan meets is that of a document. */
async function locateDamage(
  { parts: { store, table } }: Database,
  bounds: { gte: Uint8Array; lt: Uint8Array },
  error: unknown,
): Promise<unknown> {
  for await (const entries of scanThroughDamage(store, bounds)) {
    const damaged = entries.find(([, value]) => value === null || readView(value) === null);
    if (damaged) return table.describeDamage(documentOf(damaged[0]), error);
  }
  return error;
}

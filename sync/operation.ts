/**
 * @module
 * Owns what is remembered of writes that clients may repeat: under the key that the client gave, which request it was and what it was
 * answered. That is a document of a collection of its own, written in the group of the write, so it is durable and travels with it. Two
 * nodes that were asked the same without knowing of each other leave two entries in one document: whoever holds both takes one of the
 * writes back. SPEC.md SE7.
 *
 * | collection | id | document |
 * |---|---|---|
 * | `_operations` | 22 characters of the hash of the key | `{origin.stamp: [fingerprint, wall clock, …results]}` |
 *
 * A result is `status, collection, id, etag, p, p × (number and id of a generation, first clock, clock after the last), n, n × (path, amount)`: all of it
 * scalars in one array, since such a document is the cheapest to write there is.
 */
import * as buffer from 'lib0/buffer';
import { placesOf, stampMs } from '../crdt/index.ts';
import type {
  Change,
  DuplicateWrite,
  GenerationalDocument,
  Increment,
  JsonObject,
  JsonValue,
  WritePlace,
} from '../crdt/index.ts';
import type { Database } from './database.ts';
import type { DocumentChange } from './document-record.ts';
import { ready } from './document-slot.ts';
import type { DocumentSlot } from './document-slot.ts';
import { SyncError } from './errors.ts';
import type { OriginId } from './engine.ts';
import type { Sha256 } from './port.ts';

export const OPERATIONS = '_operations';
/** How long a repetition is recognised. */
export const OPERATION_MS: number = 24 * 3600 * 1000;

const ID_BYTES = 16;
/** Above every client id; see `DuplicateWrite.operation`. */
const OPERATION_MIN = 2 ** 43;
const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** A write that is to be done once, however often and wherever it is asked for. */
export interface Operation {
  /** Drawn by the client, one for each write. */
  readonly key: string;
  /** Equal for equal requests only. */
  readonly fingerprint: string;
}

export interface OperationResult {
  readonly status: 'created' | 'updated' | 'unchanged' | 'deleted';
  readonly collection: string;
  readonly id: string;
  readonly etag: string;
  /** Where the change is in its document; none when there was none, or nothing of it that could be taken back. */
  readonly places: readonly WritePlace[];
  readonly increments: readonly Increment[];
}

export interface OperationEntry {
  readonly origin: OriginId;
  readonly name: string;
  readonly fingerprint: string;
  /** Wall clock of the node that did it. */
  readonly atMs: number;
  readonly results: readonly OperationResult[];
}

export function operationId(key: string, sha256: Sha256): string {
  const hash = sha256(new TextEncoder().encode(`atoll operation ${key}`));
  return buffer.toBase64UrlEncoded(hash.slice(0, ID_BYTES));
}

/** What is remembered under a key, the oldest first. */
export function entriesOf(json: string): readonly OperationEntry[] {
  if (json === '') return [];
  const entries = Object.entries(JSON.parse(json) as JsonObject).flatMap(
    ([name, value]) => readEntry(name, value) ?? [],
  );
  return entries.sort((a, b) => a.atMs - b.atMs || (a.name < b.name ? -1 : 1));
}

/** What another version wrote and this one cannot read is as none. */
function readEntry(name: string, value: JsonValue): OperationEntry | null {
  const origin = Number.parseInt(name.slice(0, name.indexOf('.')), 36);
  if (!Array.isArray(value) || !Number.isSafeInteger(origin)) return null;
  const [fingerprint, atMs] = value as readonly JsonValue[];
  if (typeof fingerprint !== 'string' || typeof atMs !== 'number') return null;
  const results: OperationResult[] = [];
  for (let at = 2; at < value.length;) {
    const [status, collection, id, etag] = value.slice(at, at + 4) as unknown as ResultFields;
    const places = readTuples<WritePlace>(value, at + 4, 4);
    const increments = places && readTuples<Increment>(value, places.end, 2);
    if (!increments) return null;
    results.push({ status, collection, id, etag, places: places.tuples, increments: increments.tuples });
    at = increments.end;
  }
  return { origin, name, fingerprint, atMs, results };
}

type ResultFields = readonly [status: OperationResult['status'], collection: string, id: string, etag: string];

/** A count, and as many tuples of a length; null when they are not there. */
function readTuples<T>(
  values: readonly JsonValue[],
  at: number,
  length: number,
): { readonly tuples: readonly T[]; readonly end: number } | null {
  const start = at + 1;
  const end = start + length * (values[at] as number);
  // Also where there is no number at all.
  if (!(end <= values.length)) return null;
  const tuples: T[] = [];
  for (let from = start; from < end; from += length) tuples.push(values.slice(from, from + length) as T);
  return { tuples, end };
}

/** The change that remembers an operation. The first of a document is cheaper as a whole; entries of others merge with it either way. */
export function entryOf(
  known: DocumentSlot,
  origin: OriginId,
  stamp: number,
  fingerprint: string,
  results: readonly OperationResult[],
): Change {
  const entry: JsonValue[] = [fingerprint, stampMs(stamp)];
  for (const { status, collection, id, etag, places, increments } of results) {
    entry.push(status, collection, id, etag, places.length);
    for (const place of places) entry.push(...place);
    entry.push(increments.length);
    for (const [path, amount] of increments) entry.push(path, amount);
  }
  const value = { [`${origin.toString(36)}.${stamp.toString(36)}`]: entry };
  return known.vector.size === 0 ? { kind: 'replace', value } : { kind: 'merge-patch', patch: value };
}

/**
 * Where an update is.
 *
 * @param document - As the update left it. Of a first write there is nothing to take back: all it begins is a value of its own.
 */
export function placesOfUpdate(
  update: DocumentChange | null,
  document: GenerationalDocument,
  origin: OriginId,
): readonly WritePlace[] {
  return update instanceof Uint8Array && document.first === null ? placesOf(update, origin) : [];
}

/**
 * What was answered to this request when it was done; `null` when it is not known to have been.
 *
 * @throws SyncError `SYNC_KEY_REUSED` when the key was used for another request.
 */
export function findOperation(slot: DocumentSlot, fingerprint: string): OperationEntry | null {
  const entries = entriesOf(slot.document.view().json);
  const same = entries.find((entry) => entry.fingerprint === fingerprint);
  if (same !== undefined) return same;
  if (entries.length === 0) return null;
  const message = 'The idempotency key was used for another request: a key belongs to one request.';
  throw new SyncError('SYNC_KEY_REUSED', message, { details: { field: 'Idempotency-Key' } });
}

interface Repetition extends OperationEntry {
  /** What was done before of the same request. */
  readonly earlier: readonly OperationEntry[];
}

/** What was done more than once: all but the first of each request. */
function repetitionsOf(slot: DocumentSlot): readonly Repetition[] {
  // One write, and each adds an entry.
  if (slot.document.first !== null) return [];
  const entries = entriesOf(slot.document.view().json);
  return entries
    .map((entry, i) => {
      const earlier = entries.slice(0, i).filter(({ fingerprint }) => fingerprint === entry.fingerprint);
      return { ...entry, earlier };
    })
    .filter(({ earlier }) => earlier.length > 0);
}

/** The same was written there by those who were asked before. */
function twinsOf(
  earlier: readonly OperationEntry[],
  { collection, id }: OperationResult,
  index: number,
): DuplicateWrite['twins'] {
  return earlier.flatMap(({ origin: client, results }) => {
    const result = results[index];
    return result?.collection === collection && result.id === id ? [{ client, places: result.places }] : [];
  });
}

/** Names of the documents in which there may be something to take back; none in most cases. */
export function repeatedIn(slot: DocumentSlot): readonly { readonly collection: string; readonly id: string }[] {
  return repetitionsOf(slot).flatMap(({ results }) => results.filter(({ places }) => places.length > 0));
}

/**
 * Takes back what repetitions have added. Synchronous, of slots that are loaded: it leaves with the group in which the repetition became
 * known, so that nobody sees it count twice here.
 */
export function takeBack(
  database: Database,
  operation: DocumentSlot,
  slotOf: (name: { readonly collection: string; readonly id: string }) => DocumentSlot | undefined,
): void {
  const { log, table, clock, epoch } = database.parts;
  if (epoch.end !== null) return;
  for (const { origin: client, results, earlier } of repetitionsOf(operation)) {
    for (const [i, result] of results.entries()) {
      const { collection, id, places, increments } = result;
      if (places.length === 0) continue;
      const slot = slotOf({ collection, id });
      if (slot === undefined) continue;
      const twins = twinsOf(earlier, result, i);
      const duplicate = { client, places, twins, increments, operation: numberOf(operation.id, client) };
      const author = { client: log.followEpoch(clock.last), stamp: clock.tick() };
      const update = slot.document.change({ kind: 'retract', duplicate }, author);
      if (update === null) continue;
      slot.touch(author.client, log.append({ kind: 'update', collection, id, update }, slot.vector));
      table.touch(slot, update);
    }
  }
}

/** The same for what a snapshot brought, once its vector holds. */
export async function takeBackAll(database: Database, ids: readonly string[]): Promise<void> {
  const { table, commit } = database.parts;
  for (const id of ids) {
    const slots = [table.acquire(OPERATIONS, id)];
    const [known] = slots as [DocumentSlot];
    try {
      await ready(slots);
      for (const { collection, id: document } of repeatedIn(known)) slots.push(table.acquire(collection, document));
      await ready(slots);
      database.assertOpen();
      takeBack(database, known, (name) =>
        slots.find((slot) => slot.collection === name.collection && slot.id === name.id),
      );
      if (slots.some((slot) => slot.hasOpenChanges)) await commit.join(database);
    } finally {
      for (const slot of slots) table.release(slot);
    }
  }
}

/** Names one repetition, the same on every node: 48 bits, above every client. An operation may have been made three times. */
function numberOf(id: string, client: OriginId): number {
  let number = 0;
  for (const digit of id.slice(0, 8)) number = number * 64 + DIGITS.indexOf(digit);
  return OPERATION_MIN + ((number + client) % 2 ** 48);
}

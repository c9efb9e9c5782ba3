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
 * A result is `status, collection, id, etag, first clock, clock after the last, n, n × (path, amount)`: all of it scalars in one array,
 * since such a document is the cheapest to write there is.
 */
import { inspectUpdate, stampMs } from '../crdt/index.ts';
import type { Change, CrdtDocument, DuplicateWrite, Increment, JsonObject, JsonValue } from '../crdt/index.ts';
import { toBase64Url } from './base64url.ts';
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
  /** Of the change in its document; both 0 when there was none, or nothing of it that could be taken back. */
  readonly from: number;
  readonly to: number;
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
  return toBase64Url(hash.slice(0, ID_BYTES));
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
    const [status, collection, id, etag, from, to, count] = value.slice(
      at,
      at + RESULT_FIELDS,
    ) as unknown as ResultFields;
    const end = at + RESULT_FIELDS + 2 * count;
    // Also where there is no number at all.
    if (!(end <= value.length)) return null;
    const increments: Increment[] = [];
    for (at += RESULT_FIELDS; at < end; at += 2) increments.push([value[at] as string, value[at + 1] as number]);
    results.push({ status, collection, id, etag, from, to, increments });
  }
  return { origin, name, fingerprint, atMs, results };
}

type ResultFields = readonly [
  status: OperationResult['status'],
  collection: string,
  id: string,
  etag: string,
  from: number,
  to: number,
  increments: number,
];
const RESULT_FIELDS = 7;

/** The change that remembers an operation. The first of a document is cheaper as a whole; entries of others merge with it either way. */
export function entryOf(
  known: DocumentSlot,
  origin: OriginId,
  stamp: number,
  fingerprint: string,
  results: readonly OperationResult[],
): Change {
  const entry: JsonValue[] = [fingerprint, stampMs(stamp)];
  for (const { status, collection, id, etag, from, to, increments } of results) {
    entry.push(status, collection, id, etag, from, to, increments.length);
    for (const [path, amount] of increments) entry.push(path, amount);
  }
  const value = { [`${origin.toString(36)}.${stamp.toString(36)}`]: entry };
  return known.vector.size === 0 ? { kind: 'replace', value } : { kind: 'merge-patch', patch: value };
}

const NO_CLOCKS = { from: 0, to: 0 };

/**
 * The clocks that an update takes.
 *
 * @param document - As the update left it. Of a first write there is nothing to take back: all it begins is a value of its own.
 */
export function clocksOfUpdate(
  update: DocumentChange | null,
  document: CrdtDocument,
  origin: OriginId,
): { from: number; to: number } {
  if (!(update instanceof Uint8Array) || document.first !== null) return NO_CLOCKS;
  return inspectUpdate(update).clients.get(origin) ?? NO_CLOCKS;
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

/** What was done more than once: all but the first of each request. */
function repetitionsOf(slot: DocumentSlot): readonly OperationEntry[] {
  // One write, and each adds an entry.
  if (slot.document.first !== null) return [];
  const entries = entriesOf(slot.document.view().json);
  return entries.filter((entry, i) => entries.slice(0, i).some((other) => other.fingerprint === entry.fingerprint));
}

/** Names of the documents in which there may be something to take back; none in most cases. */
export function repeatedIn(slot: DocumentSlot): readonly { readonly collection: string; readonly id: string }[] {
  return repetitionsOf(slot).flatMap(({ results }) => results.filter(({ from, to }) => from < to));
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
  for (const { origin: client, results } of repetitionsOf(operation)) {
    for (const { collection, id, from, to, increments } of results) {
      if (from === to) continue;
      const slot = slotOf({ collection, id });
      if (slot === undefined) continue;
      const duplicate: DuplicateWrite = { client, from, to, increments, operation: numberOf(operation.id, client) };
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

/**
 * @module
 * Owns what users see of conflicts: values that lost, who wrote them and when, which documents of a collection have some, and which
 * value a user chose. What a conflict is, and what becomes of it, is decided in `crdt/`.
 */
import type { JsonValue, Resolution, WrittenBy } from '../crdt/index.ts';
import { canonicalJson, CrdtError, stampMs } from '../crdt/index.ts';
import type { Database } from './database.ts';
import { etagOf } from './document-record.ts';
import { ready } from './document-slot.ts';
import type { DocumentSlot } from './document-slot.ts';
import { conflictKey, documentOf, successorOf, successorOfPrefix } from './key.ts';

/** Who wrote a value: the name of the node that accepted it, and when (ISO 8601). */
export interface ConflictAuthor {
  readonly at: string;
  readonly replica: string;
}

export interface LosingValue extends ConflictAuthor {
  readonly value: JsonValue;
}

/** Losing values at one path. */
export interface ConflictReport {
  readonly path: string;
  readonly shown: JsonValue | undefined;
  /** Who wrote what is shown, if something is. */
  readonly shownBy?: ConflictAuthor;
  readonly others: readonly LosingValue[];
}

/** What is to stand at the path of a conflict: the value shown, one that lost, or another one. */
export type ConflictChoice =
  | { readonly path: string; readonly keep: 'shown' }
  | { readonly path: string; readonly restore: ConflictAuthor & { readonly value?: JsonValue } }
  | { readonly path: string; readonly value: JsonValue };

export interface ConflictedDocument {
  readonly id: string;
  readonly etag: string;
  readonly deleted: boolean;
  readonly conflicts: readonly ConflictReport[];
}

export interface ConflictPage {
  readonly items: readonly ConflictedDocument[];
  /** Pass as `after` for the next page; `null` = there is none. */
  readonly next: string | null;
}

/** Losing values of a document, also of one that a delete took; `null` when there is nothing of it to read. */
export function readConflicts(
  database: Database,
  collection: string,
  id: string,
): Promise<readonly ConflictReport[] | null> {
  return withSlot(database, collection, id, (slot) => {
    const view = slot.document.view();
    return !view.exists && view.conflicts === 0 ? null : reportsOf(database, slot);
  });
}

/**
 * Finds what a user means: values are known by who wrote them and when.
 *
 * @throws CrdtError `CRDT_CONFLICT_MISSING`
 */
export function resolutionsOf(
  database: Database,
  collection: string,
  id: string,
  choices: readonly ConflictChoice[],
): Promise<readonly Resolution[]> {
  return withSlot(database, collection, id, (slot) => {
    const conflicts = slot.document.conflicts();
    return choices.map((choice): Resolution => {
      if (!('restore' in choice)) return choice;
      const others = conflicts.filter(({ path }) => path === choice.path).flatMap((conflict) => conflict.others);
      const found = others.find((other) => isMeant(database, other, choice.restore));
      if (found !== undefined) return { path: choice.path, restore: { stamp: found.stamp, client: found.client } };
      const path = choice.path.slice(0, 200);
      const message = `no value that ${choice.restore.replica.slice(0, 80)} wrote at ${choice.restore.at.slice(0, 40)} is in conflict at ${JSON.stringify(path)}`;
      throw new CrdtError('CRDT_CONFLICT_MISSING', message, { details: { path } });
    });
  });
}

function isMeant(
  database: Database,
  other: WrittenBy & { readonly value: JsonValue },
  { at, replica, value }: ConflictAuthor & { readonly value?: JsonValue },
): boolean {
  const author = authorOf(database, other);
  if (author.at !== at || author.replica !== replica) return false;
  return value === undefined || canonicalJson(value) === canonicalJson(other.value);
}

/** The documents of a collection that have losing values, in the order of ids. Costs what there are of them. */
export async function listConflicted(
  database: Database,
  collection: string,
  { after, limit }: { readonly after?: string; readonly limit: number },
): Promise<ConflictPage> {
  const { db, store } = database.parts;
  const start = conflictKey(db, collection, '');
  const gte = after === undefined ? start : successorOf(conflictKey(db, collection, after));
  const ids: string[] = [];
  for await (const entries of store.range({ gte, lt: successorOfPrefix(start), limit: limit + 1, values: false })) {
    ids.push(...entries.map(([key]) => documentOf(key).id));
  }
  const items: ConflictedDocument[] = [];
  for (const id of ids.slice(0, limit)) {
    const item = await withSlot(database, collection, id, (slot) => {
      const { exists, conflicts } = slot.document.view();
      if (conflicts === 0) return null;
      const etag = etagOf(database.parts.table.elementOf(slot));
      return { id, etag, deleted: !exists, conflicts: reportsOf(database, slot) };
    });
    if (item !== null) items.push(item);
  }
  return { items, next: ids.length > limit ? ids[limit - 1]! : null };
}

/** What is read may be of changes on their way to the disk: it is told when they are durable. */
async function withSlot<T>(
  database: Database,
  collection: string,
  id: string,
  read: (slot: DocumentSlot) => T,
): Promise<T> {
  const { table, commit } = database.parts;
  const slot = table.acquire(collection, id);
  try {
    await ready([slot]);
    const result = read(slot);
    if (slot.hasOpenChanges) await commit.join(database);
    return result;
  } finally {
    table.release(slot);
  }
}

function reportsOf(database: Database, slot: DocumentSlot): readonly ConflictReport[] {
  return slot.document.conflicts().map(({ path, shown, shownBy, others }) => ({
    path,
    shown,
    ...(shownBy && { shownBy: authorOf(database, shownBy) }),
    others: others.map((other) => ({ value: other.value, ...authorOf(database, other) })),
  }));
}

function authorOf(database: Database, { stamp, client }: WrittenBy): ConflictAuthor {
  return { at: new Date(stampMs(stamp)).toISOString(), replica: database.parts.nameOf(client) };
}

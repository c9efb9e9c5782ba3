/**
 * @module
 * Owns the write path of clients, from a change to its record in the log: of one document, or of several as one. Synchronous from the
 * precondition to the record, which is what makes a write atomic on this replica; a group is one batch, which makes it atomic on others.
 */
import { assert, AtollError, DEFAULT_LIMITS } from '../crdt/index.ts';
import type { Author, Change, Increment, Limits } from '../crdt/index.ts';
import type { Database } from './database.ts';
import { etagOf, toFirstContent } from './document-record.ts';
import type { DocumentChange } from './document-record.ts';
import type { DocumentSlot } from './document-slot.ts';
import type { OriginId } from './engine.ts';
import { SyncError } from './errors.ts';
import { recordOf } from './forgetting.ts';
import { validateCollectionName, validateDocumentId } from './names.ts';
import { entryOf, findOperation, placesOfUpdate } from './operation.ts';
import type { Operation, OperationResult } from './operation.ts';
import { requireValid } from './schema.ts';
import type { Positions } from './token.ts';

/** Writes in a group: with what the log adds, a group must fit a batch. */
export const GROUP_WRITES_MAX = 100;

/** What is remembered of a request is bounded by the request: refusing it would come too late. */
const UNLIMITED: Limits = { ...DEFAULT_LIMITS, documentBytesMax: Number.MAX_SAFE_INTEGER };

const utf8 = new TextEncoder();

/** Entity tags as sent in `If-Match` and `If-None-Match`. Checked on this replica, at this moment, only. */
export interface Preconditions {
  readonly ifMatch?: readonly string[] | '*';
  readonly ifNoneMatch?: readonly string[] | '*';
}

export interface WriteOptions extends Preconditions {
  /** Ask for the document as this write left it. Default false. */
  readonly returnDocument?: boolean;
  /** Ask for the version that this write left: what other members must hold to have a copy of it. Default false. */
  readonly returnVersion?: boolean;
  /** To be done once: a repetition, also on another node, gets the first answer. */
  readonly operation?: Operation;
}

export interface WriteOutcome {
  readonly status: 'created' | 'updated' | 'unchanged' | 'deleted';
  readonly etag: string;
  /** Canonical JSON, when asked for and not deleted. */
  readonly json?: Uint8Array;
  /** Origin → sequence, when asked for. */
  readonly version?: Positions;
  /** It was done before, and this is what was answered then. */
  readonly isReplay?: true;
}

/** One of several writes that are applied as one. */
export interface GroupWrite extends Preconditions {
  readonly collection: string;
  readonly id: string;
  readonly change: Change;
}

/** One write of a group was refused, and so was the group. Code, message and details are those of the cause. */
export class RefusedWrite extends AtollError {
  readonly index: number;

  constructor(index: number, cause: AtollError) {
    super(cause.code, cause.message, { cause, details: cause.details, retryable: cause.retryable });
    this.index = index;
  }
}

/** A change that is in the document, and not in the log yet. */
interface Applied {
  readonly slot: DocumentSlot;
  readonly update: DocumentChange | null;
  readonly status: WriteOutcome['status'];
  /** Canonical JSON as this change left it; empty when deleted. */
  readonly json: string;
  /** What was added to numbers; kept only for operations. */
  readonly increments: readonly Increment[];
}

/** Of a slot that is loaded. */
export function writeDocument(
  database: Database,
  slot: DocumentSlot,
  change: Change,
  options: WriteOptions,
): WriteOutcome {
  const { log, clock } = database.parts;
  const origin = log.followEpoch(clock.last);
  return record(database, origin, apply(database, origin, slot, change, options), options);
}

/**
 * As `writeGroup`, once for each operation.
 *
 * @param known - The slot of what is remembered under the key.
 * @throws SyncError `SYNC_KEY_REUSED`
 */
export function writeOnce(
  database: Database,
  writes: readonly GroupWrite[],
  slots: readonly DocumentSlot[],
  known: DocumentSlot,
  options: WriteOptions & { readonly operation: Operation },
): readonly WriteOutcome[] {
  const { log, table, clock } = database.parts;
  const { fingerprint } = options.operation;
  const done = findOperation(known, fingerprint);
  if (done !== null) return done.results.map((result, i) => replay(database, slots[i]!, result, options));
  const origin = log.followEpoch(clock.last);
  const applied = applyAll(database, origin, writes, slots, true);
  return log.group(() => {
    const outcomes = applied.map((each) => record(database, origin, each, options));
    const results = applied.map(({ slot: { collection, id, document }, update, increments }, i): OperationResult => {
      const { status, etag } = outcomes[i]!;
      return { status, collection, id, etag, places: placesOfUpdate(update, document, origin), increments };
    });
    const stamp = clock.tick();
    const update = write(known, entryOf(known, origin, stamp, fingerprint, results), {
      client: origin,
      stamp,
      limits: UNLIMITED,
    });
    assert(update, 'an entry has a name of its own');
    known.touch(origin, log.append(recordOf(known, update, origin), known.vector));
    table.touch(known, update);
    return outcomes;
  });
}

/** The document itself only where it is still what was answered. */
function replay(
  database: Database,
  slot: DocumentSlot,
  { status, etag }: OperationResult,
  { returnDocument, returnVersion }: WriteOptions,
): WriteOutcome {
  const isSame = returnDocument && etagOfSlot(database, slot) === etag;
  const { exists, json } = slot.document.view();
  return {
    status,
    etag,
    ...(isSame && exists && { json: utf8.encode(json) }),
    ...(returnVersion && { version: new Map(slot.vector) }),
    isReplay: true,
  };
}

/** Of slots that are loaded, one for each write. */
export function writeGroup(
  database: Database,
  writes: readonly GroupWrite[],
  slots: readonly DocumentSlot[],
  options: WriteOptions,
): readonly WriteOutcome[] {
  const { log, clock } = database.parts;
  const origin = log.followEpoch(clock.last);
  const applied = applyAll(database, origin, writes, slots, false);
  return log.group(() => applied.map((each) => record(database, origin, each, options)));
}

/** All or none: what was applied before one is refused is taken back. */
function applyAll(
  database: Database,
  origin: OriginId,
  writes: readonly GroupWrite[],
  slots: readonly DocumentSlot[],
  isKept: boolean,
): readonly Applied[] {
  const applied: Applied[] = [];
  try {
    for (const [i, write] of writes.entries()) {
      validateCollectionName(write.collection);
      validateDocumentId(write.id);
      applied.push(apply(database, origin, slots[i]!, write.change, write, isKept ? [] : null));
    }
    return applied;
  } catch (error) {
    for (const { slot, update } of applied) if (update !== null) slot.restore();
    throw error instanceof AtollError ? new RefusedWrite(applied.length, error) : error;
  }
}

/** Changes the document, or throws and leaves it as it was. */
function apply(
  database: Database,
  origin: OriginId,
  slot: DocumentSlot,
  change: Change,
  preconditions: Preconditions,
  increments: Increment[] | null = null,
): Applied {
  const { clock, limits, catalog, schemas } = database.parts;
  const existed = slot.document.view().exists;
  checkPreconditions(existed ? etagOfSlot(database, slot) : null, preconditions);
  if (change.kind === 'delete' && !existed) {
    throw new SyncError('SYNC_DOCUMENT_NOT_FOUND', 'There is no such document to delete.');
  }
  const config = catalog.configOf(database.key, slot.collection);
  const { deletePolicy = 'update-wins', types } = config;
  const author: Author = {
    client: origin,
    stamp: clock.tick(),
    deletePolicy,
    ...(types && { types }),
    ...(limits && { limits }),
    ...(increments && { onIncrement: (increment) => void increments.push(increment) }),
  };
  const update = write(slot, change, author);
  const check = schemas.checkOf(config);
  if (update && check !== null) requireValid(slot, check);
  const { exists, json } = slot.document.view();
  const status = !update ? 'unchanged' : !exists ? 'deleted' : existed ? 'updated' : 'created';
  return { slot, update, status, json, increments: increments ?? [] };
}

function write({ document }: DocumentSlot, change: Change, author: Author): DocumentChange | null {
  const written = document.write(change, author);
  return written === null || written instanceof Uint8Array ? written : toFirstContent(written);
}

/** Gives the change its place in the log. */
function record(
  database: Database,
  origin: OriginId,
  { slot, update, status, json }: Applied,
  { returnDocument, returnVersion }: WriteOptions,
): WriteOutcome {
  const { log, table } = database.parts;
  if (update) {
    slot.touch(origin, log.append(recordOf(slot, update, origin), slot.vector));
    table.touch(slot, update);
  }
  return {
    status,
    etag: etagOfSlot(database, slot),
    ...(returnDocument && json !== '' && { json: utf8.encode(json) }),
    ...(returnVersion && { version: new Map(slot.vector) }),
  };
}

function etagOfSlot({ parts }: Database, slot: DocumentSlot): string {
  return etagOf(parts.table.elementOf(slot));
}

function checkPreconditions(etag: string | null, { ifMatch, ifNoneMatch }: Preconditions): void {
  if (ifMatch !== undefined && (etag === null || (ifMatch !== '*' && !ifMatch.includes(etag)))) {
    throw new SyncError('SYNC_PRECONDITION_FAILED', 'If-Match does not hold: the document has another version here.', {
      details: { field: 'If-Match', etag },
    });
  }
  if (ifNoneMatch !== undefined && etag !== null && (ifNoneMatch === '*' || ifNoneMatch.includes(etag))) {
    throw new SyncError(
      'SYNC_PRECONDITION_FAILED',
      'If-None-Match does not hold: the document has this version here.',
      {
        details: { field: 'If-None-Match', etag },
      },
    );
  }
}

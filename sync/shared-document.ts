/**
 * @module
 * Owns one document as the clients of shared types see it: merged updates in, durable updates out. The document is in memory only
 * between `open` and `rest`; what becomes of it is told all the time. Updates are checked like any write of a client and become records of
 * this node.
 */
import { recordOf } from './forgetting.ts';
import { assert, mergeClients, type ClientEdit, type ClientMerge } from '../crdt/index.ts';
import type { Database } from './database.ts';
import { ready } from './document-slot.ts';
import type { DocumentSlot } from './document-slot.ts';
import type { DocumentWatcher } from './document-table.ts';
import { validateCollectionName, validateDocumentId } from './names.ts';

/** What a client that has not been here yet lacks of a document that does not exist. */
const NOTHING: Uint8Array = Uint8Array.of(0, 0);

export class SharedDocument {
  readonly #database: Database;
  readonly #collection: string;
  readonly #id: string;
  readonly #name: string;
  #slot: DocumentSlot | null = null;

  /**
   * @param watcher - Told of every durable change, before anybody who waits for it.
   * @throws SyncError `SYNC_COLLECTION_NAME_INVALID`, `SYNC_DOCUMENT_ID_INVALID`
   */
  constructor(database: Database, collection: string, id: string, watcher: DocumentWatcher) {
    validateCollectionName(collection);
    validateDocumentId(id);
    this.#database = database;
    this.#collection = collection;
    this.#id = id;
    this.#name = `${collection}\0${id}`;
    assert(!this.#table.watchers.has(this.#name), 'one shared document per document');
    this.#table.watchers.set(this.#name, watcher);
  }

  get #table(): Database['parts']['table'] {
    return this.#database.parts.table;
  }

  get #open(): DocumentSlot {
    assert(this.#slot, 'the document is open');
    return this.#slot;
  }

  get isOpen(): boolean {
    return this.#slot !== null;
  }

  /** Loads the document. @throws StorageError when it cannot be read. */
  async open(): Promise<void> {
    this.#database.assertOpen();
    const slot = this.#table.acquire(this.#collection, this.#id);
    // Its model is kept from the first change on.
    slot.uses++;
    try {
      await ready([slot]);
    } catch (error) {
      this.#table.release(slot);
      throw error;
    }
    if (this.#slot === null) this.#slot = slot;
    else this.#table.release(slot);
  }

  /** Lets go of the memory until it is opened again. */
  rest(): void {
    const slot = this.#slot;
    if (slot === null) return;
    this.#slot = null;
    if (!slot.hasOpenChanges) slot.document.compact();
    this.#table.release(slot);
  }

  /** Rests, and tells nobody any more. */
  close(): void {
    this.rest();
    this.#table.watchers.delete(this.#name);
  }

  /** It may be read, but there is nothing to see. */
  get exists(): boolean {
    const { document } = this.#open;
    return (document.outline ?? document.view()).exists;
  }

  /**
   * Merges updates of clients, in order; synchronous, and durable with the next group.
   *
   * @returns Why some were not taken; nothing of these was merged.
   * @throws SyncError Nothing was merged.
   */
  merge(edits: readonly ClientEdit[]): ClientMerge['refused'] {
    const { log, clock, epoch, table } = this.#database.parts;
    if (edits.some(({ admission }) => !admission.isReadOnly)) {
      epoch.assertWritable();
      this.#database.assertTaking();
    }
    this.#database.assertOpen();
    const slot = this.#open;
    const origin = log.followEpoch(clock.last);
    const { updates, refused } = mergeClients(slot.document, edits, { client: origin, stamp: clock.tick() });
    for (const update of updates) {
      slot.touch(origin, log.append(recordOf(slot, update, origin), slot.vector));
      table.touch(slot, update);
    }
    return refused;
  }

  /** Resolves when all that was merged is durable. @throws StorageError */
  async settled(): Promise<void> {
    if (this.#slot?.hasOpenChanges === true) await this.#awaitCommit();
  }

  #awaitCommit(): Promise<void> {
    const { turns, commit } = this.#database.parts;
    return turns.serve(() => commit.join(this.#database));
  }

  /** What a client with these clocks lacks. It may be told when `settled`. @throws CrdtError `CRDT_UPDATE_MALFORMED` */
  diff(stateVector: Uint8Array): Uint8Array {
    return this.exists ? this.#open.document.encodeDiff(stateVector) : NOTHING;
  }

  stateVector(): Uint8Array {
    return this.#open.document.encodeStateVector();
  }
}

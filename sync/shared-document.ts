/**
 * @module
 * Owns one document as the clients of shared types see it: merged updates in, durable updates out. The document is in memory only
 * between `open` and `rest`; what becomes of it is told all the time. Updates are checked like any write of a client and become records of
 * this node.
 */
import { recordOf } from './forgetting.ts';
import { assert, CrdtError, type ClientEdit, type ClientMerge } from '../crdt/index.ts';
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
  /** The generation of the document that clients have been told of; null = nobody was told anything. */
  #told: number | null = null;
  /** Whoever was told anything has to begin anew, and knows. */
  #isReplaced = false;

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
    this.#table.watchers.set(this.#name, (updates, exists) => {
      if (updates === null) this.#isReplaced = true;
      watcher(updates, exists);
    });
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
    this.#checkGeneration(slot);
    const origin = log.followEpoch(clock.last);
    const { updates, refused } = slot.document.mergeClients(edits, { client: origin, stamp: clock.tick() });
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
    const { document } = this.#open;
    if (!this.exists) return NOTHING;
    const missing = document.encodeDiff(stateVector);
    if (this.#told === null || this.#isReplaced) this.#told = document.generationClient;
    this.#isReplaced = false;
    return missing;
  }

  /** Names of clocks mean something else in another generation, so what was made in one has no place in any other. */
  #checkGeneration({ document }: DocumentSlot): void {
    if (this.#told === null || this.#told === document.generationClient) return;
    throw new CrdtError('CRDT_UPDATE_FENCED', 'the document is being compacted', { retryable: true });
  }

  stateVector(): Uint8Array {
    return this.#open.document.encodeStateVector();
  }
}

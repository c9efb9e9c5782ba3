/**
 * @module
 * Owns the changes that were made on a leaf and that no node has acknowledged, in the order in which they were made. They are marked as sent
 * before they are, and not sent before that is durable.
 */
import type { Store, StoreOperation } from '../port.ts';
import { PUSH_BYTES_MAX, PUSH_EDITS_MAX } from './limit.ts';
import { EDIT_KEYS, decodeEdit, editKey, editNumberOf, encodeEdit } from './record.ts';
import type { EditRecord } from './record.ts';
import type { LeafDocument, LeafTable } from './leaf-table.ts';

export interface Edit extends Omit<EditRecord, 'database' | 'collection' | 'id' | 'isSent'> {
  readonly number: number;
  readonly document: LeafDocument;
  isSent: boolean;
}

export class Outbox {
  readonly #edits = new Map<number, Edit>();
  /** Of each document that ever had one. */
  readonly #last = new WeakMap<LeafDocument, Edit>();
  #next = 1;
  #changed = new Set<Edit>();
  #removed: number[] = [];

  /** Gives documents what is unsent of them. @throws StorageError */
  static async open(store: Store, table: LeafTable): Promise<Outbox> {
    const outbox = new Outbox();
    for await (const entries of store.range(EDIT_KEYS)) {
      for (const [key, value] of entries) {
        const { database, collection, id, ...record } = decodeEdit(value);
        const document = table.obtain(table.collection(database, collection), id);
        const number = editNumberOf(key);
        document.unsent++;
        const edit = { ...record, number, document };
        outbox.#edits.set(number, edit);
        outbox.#last.set(document, edit);
        outbox.#next = number + 1;
      }
    }
    return outbox;
  }

  get size(): number {
    return this.#edits.size;
  }

  add(edit: Omit<Edit, 'number' | 'isSent'>): void {
    const added: Edit = { ...edit, number: this.#next++, isSent: false };
    edit.document.unsent++;
    this.#edits.set(added.number, added);
    this.#last.set(edit.document, added);
    this.#changed.add(added);
  }

  /** What may be sent together, the oldest first: of documents that `mayGo`. */
  select(mayGo: (document: LeafDocument) => boolean): readonly Edit[] {
    const selected: Edit[] = [];
    let bytes = 0;
    for (const edit of this.#edits.values()) {
      if (!mayGo(edit.document)) continue;
      bytes += edit.update.length;
      if (selected.length > 0 && bytes > PUSH_BYTES_MAX) break;
      selected.push(edit);
      if (selected.length === PUSH_EDITS_MAX) break;
    }
    return selected;
  }

  mark(edit: Edit, isSent: boolean): void {
    if (edit.isSent === isSent) return;
    edit.isSent = isSent;
    this.#changed.add(edit);
  }

  of(document: LeafDocument): readonly Edit[] {
    return [...this.#edits.values()].filter((edit) => edit.document === document);
  }

  /** Must what comes next know what the document showed? What was sent may be taken without it. */
  needsBase(document: LeafDocument): boolean {
    return document.unsent === 0 || this.#last.get(document)?.isSent === true;
  }

  remove(edit: Edit): void {
    if (!this.#edits.delete(edit.number)) return;
    edit.document.unsent--;
    this.#changed.delete(edit);
    this.#removed.push(edit.number);
  }

  /** Turns what changed since the last call into operations. */
  seal(operations: StoreOperation[]): void {
    for (const edit of this.#changed) {
      const { document, ...record } = edit;
      const { database, collection } = document.collection;
      const value = encodeEdit({ ...record, database, collection, id: document.id });
      operations.push({ type: 'put', key: editKey(edit.number), value });
    }
    for (const number of this.#removed) operations.push({ type: 'del', key: editKey(number) });
    this.#changed.clear();
    this.#removed = [];
  }
}

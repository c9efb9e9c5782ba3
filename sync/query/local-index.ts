/**
 * @module
 * Owns one index on this node: what it is, how far it has come, and the store operations that a change of a document means for it.
 */
import type { JsonObject } from '../../crdt/index.ts';
import { compareBytes, indexPrefix } from '../key.ts';
import type { StoreOperation } from '../port.ts';
import type { CompiledDefinition } from './index-definition.ts';
import { entriesOf, keysOf } from './index-key.ts';
import type { EntryList } from './index-key.ts';
import { IndexEntries } from './index-entries.ts';
import type { EntryCache } from './index-entries.ts';
import type { IndexRecord } from './index-record.ts';
import type { PlannedIndex } from './plan.ts';

const NO_VALUE = new Uint8Array(0);
const NO_KEYS: readonly Uint8Array[] = [];

export class LocalIndex implements PlannedIndex {
  readonly db: number;
  readonly number: number;
  /** What its entries begin with. */
  readonly prefix: Uint8Array;
  readonly collection: string;
  readonly name: string;
  readonly definition: CompiledDefinition;
  readonly entries: IndexEntries;
  state: 'building' | 'ready';
  until: string | null;
  documents: number;
  multiple: number;
  hasOverflow: boolean;
  /** Its record on disk is not what is here. */
  isDirty = false;
  isDropped = false;
  /** Grows with every durable change of its entries. */
  version = 0;
  /** A change of its entries is on its way to the disk. */
  isChanging = false;
  /** Why it is not being built; null = it is, or is ready. */
  failure: string | null = null;

  constructor(db: number, number: number, record: IndexRecord, definition: CompiledDefinition, cache: EntryCache) {
    this.db = db;
    this.number = number;
    this.prefix = indexPrefix(db, number);
    this.collection = record.collection;
    this.name = record.name;
    this.definition = definition;
    this.entries = new IndexEntries(this, cache);
    this.state = record.state === 'ready' ? 'ready' : 'building';
    this.until = record.until;
    this.documents = record.documents;
    this.multiple = record.multiple;
    this.hasOverflow = record.hasOverflow;
  }

  record(): IndexRecord {
    const { collection, name, definition, state, until, documents, multiple, hasOverflow } = this;
    return { collection, name, definition: definition.text, state, until, documents, multiple, hasOverflow };
  }

  /** The keys of a document, whose id may be given in UTF-8. Takes note of what kind they are. */
  keysOf(document: JsonObject, id: string | Uint8Array): readonly Uint8Array[] {
    const entries = entriesOf(this.definition, document);
    this.#note(entries);
    return keysOf(this.prefix, entries, id);
  }

  #note({ multiple, isOverflow }: EntryList): void {
    if ((this.multiple | multiple) === this.multiple && (!isOverflow || this.hasOverflow)) return;
    this.multiple |= multiple;
    this.hasOverflow ||= isOverflow;
    this.isDirty = true;
  }

  /**
   * @param before - The document as its entries were made from; null = none.
   * @param isKnown - False when that cannot be relied on: then everything is written again.
   */
  change(
    id: string,
    before: JsonObject | null,
    after: JsonObject | null,
    isKnown: boolean,
    operations: StoreOperation[],
  ): void {
    const old = before === null ? NO_KEYS : this.keysOf(before, id);
    const fresh = after === null ? NO_KEYS : this.keysOf(after, id);
    const [isOld, isFresh] = [membership(old), membership(fresh)];
    for (const key of old) if (!isFresh(key)) operations.push({ type: 'del', key });
    // While it is built, nobody knows whether the entries of a document are there yet.
    const isAll = !isKnown || this.state === 'building';
    for (const key of fresh) if (isAll || !isOld(key)) operations.push({ type: 'put', key, value: NO_VALUE });
  }
}

/** Documents have few keys, or very many. */
function membership(keys: readonly Uint8Array[]): (key: Uint8Array) => boolean {
  if (keys.length <= 8) return (key) => keys.some((each) => compareBytes(each, key) === 0);
  const sorted = [...keys].sort(compareBytes);
  return (key) => {
    let [low, high] = [0, sorted.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareBytes(sorted[middle]!, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low < sorted.length && compareBytes(sorted[low]!, key) === 0;
  };
}

/**
 * @module
 * Owns a document as a page has it: typed JSON over a Y.Doc that a provider keeps in step with a node. It reads and writes what nodes read
 * and write, with the same code, in the name of the Y.Doc's own client; so it works without a connection, and what the Y.Doc is
 * saved with is all there is to save. SPEC.md section "JSON in pages".
 */
import { callAll } from 'lib0/function';
import * as Y from 'yjs';
import type { Author, Change, Conflict, JsonPatchOperation, Resolution, TypeDeclarations } from './change.ts';
import { checkSize } from './document-check.ts';
import { conflictsOf, viewOf } from './document-view.ts';
import { edit } from './edit.ts';
import { CrdtError } from './errors.ts';
import { shownAt } from './candidate.ts';
import { follow, type JsonChange } from './json-change.ts';
import { parsePointer } from './json-pointer.ts';
import type { JsonObject, JsonValue } from './json-value.ts';
import type { Limits } from './limits.ts';
import { locateValue } from './locate.ts';
import type { Model } from './model.ts';
import { platformNow } from './platform.ts';
import { sharedPlace } from './shared-value.ts';
import { encodeStamp } from './stamp.ts';
import { exists } from './tombstone.ts';
import { Transaction } from './transaction.ts';
import type { At, Item, Path } from './typed-path.ts';
import { misdeclared } from './type-declaration.ts';
import { textName } from './view.ts';
import { applyOwn, applyRootEdits, misfit, orderOf, readDoc } from './yjs-state.ts';
import { writeUpdate } from './write-update.ts';

/** What a page may write. A whole document is deleted over REST. */
export type LiveWrite = Exclude<Change, { readonly kind: 'delete' | 'retract' | 'late' }>;

export interface LiveOptions {
  /** Unix milliseconds. Default: the clock of the platform. */
  readonly now?: () => number;
  /** What the collection declares; a page that declares something else writes other types. */
  readonly types?: TypeDeclarations;
  /** Default: those of a node. */
  readonly limits?: Limits;
}

/** What one transaction of the Y.Doc changed. */
export interface LiveEvent {
  /** As a JSON Patch, with what stood there before. */
  readonly changes: readonly JsonChange[];
  /** Written here, by whatever way. */
  readonly isLocal: boolean;
  /** Of the transaction: the provider, for what it brought. */
  readonly origin: unknown;
}

export type LiveObserver = (event: LiveEvent) => void;

/** Not further ahead of its own clock than this does a page follow the stamps of others. */
const ADVANCE_MS_MAX = 60_000;

/**
 * Opens the JSON of a Y.Doc. Any number may be open on one Y.Doc.
 *
 * @throws CrdtError `CRDT_VALUE_INVALID`: it is of another copy of Yjs, or `types` are not those of a collection.
 */
export function openDocument<T extends object = JsonObject>(doc: Y.Doc, options: LiveOptions = {}): LiveDocument<T> {
  return new LiveDocument(doc, options);
}

/** @public */
export class LiveDocument<T extends object> {
  readonly #doc: Y.Doc;
  readonly #now: () => number;
  readonly #settings: Pick<Author, 'types' | 'limits'>;
  /** Valid while no transaction is open. */
  #model: Model | null = null;
  /** Transactions of which it is not known yet what they change. */
  #open = 0;
  #stamp = 0;
  #text = '';
  /** What `#text` says. */
  #json: JsonValue | undefined = undefined;
  /** From what observers were told to `#json`. */
  #changes: JsonChange[] = [];
  readonly #observers = new Set<LiveObserver>();

  /** @internal */
  constructor(doc: Y.Doc, { now = platformNow, types, limits }: LiveOptions) {
    if (!(doc instanceof Y.Doc)) {
      const message =
        'this is no Y.Doc, or one of another copy of Yjs: install the version that atolldb depends on, once';
      throw new CrdtError('CRDT_VALUE_INVALID', message, { details: { field: 'doc' } });
    }
    const fault = types === undefined ? null : misdeclared(types);
    if (fault !== null) throw new CrdtError('CRDT_VALUE_INVALID', fault.message, { details: { field: fault.path } });
    this.#doc = doc;
    this.#now = now;
    this.#settings = { ...(types && { types }), ...(limits && { limits }) };
    doc.on('beforeTransaction', this.#begin);
    doc.on('afterTransaction', this.#end);
  }

  /** Stops listening to the Y.Doc, which stays as it is; what is asked for from now on is read anew each time. */
  close(): void {
    this.#observers.clear();
    this.#model = null;
    this.#open = Number.POSITIVE_INFINITY;
    this.#doc.off('beforeTransaction', this.#begin);
    this.#doc.off('afterTransaction', this.#end);
  }

  /** The document; undefined when there is none. Frozen, and what does not change stays the same object. */
  get json(): Readonly<T> | undefined {
    return this.#follow() as Readonly<T> | undefined;
  }

  /** What stands at a path; undefined when nothing does. */
  get<P extends Path<T>>(path: P): At<T, P> | undefined {
    return valueAt(this.#follow(), path) as At<T, P> | undefined;
  }

  /** Losing values of concurrent writes: what `…/conflicts` lists. */
  get conflicts(): readonly Conflict[] {
    return conflictsOf(this.#read());
  }

  /** The shared text at a path, for an editor; undefined when no text stands there, or a plain string. */
  text(path: Path<T>): Y.Text | undefined {
    const model = this.#read();
    const segments = parsePointer(path);
    // Types within a root type have no names.
    if (valueAt(this.#follow(), path) === undefined || sharedPlace(model, segments) !== null) return undefined;
    const shown = shownAt(locateValue(model, segments));
    return shown?.kind === 'text' ? this.#doc.getText(textName(shown.entry)) : undefined;
  }

  /** Puts a value at a path, whatever stands there. Objects on the way are made. */
  set<P extends Path<T>>(path: P, value: At<T, P>): void {
    const json = this.#follow();
    const isThere = valueAt(json, path) !== undefined || path === '';
    const operations: JsonPatchOperation[] = [];
    for (let end = path.indexOf('/', 1); end > 0; end = path.indexOf('/', end + 1)) {
      const above = path.slice(0, end);
      if (valueAt(json, above) === undefined) operations.push({ op: 'add', path: above, value: {} });
    }
    operations.push({ op: isThere ? 'replace' : 'add', path, value: value as JsonValue });
    this.write({ kind: 'json-patch', operations });
  }

  /** Takes away what stands at a path; nothing happens when nothing does. */
  delete(path: Exclude<Path<T>, ''>): void {
    if (valueAt(this.#follow(), path) === undefined) return;
    this.write({ kind: 'json-patch', operations: [{ op: 'remove', path }] });
  }

  /** Adds to a number, which may be missing. Whoever does so at the same time adds, too. */
  increment(path: Path<T>, by = 1): void {
    this.write({ kind: 'operations', operations: [{ op: 'increment', path, value: by }] });
  }

  append<P extends Path<T>>(path: P, value: Item<At<T, P>>): void {
    this.write({ kind: 'operations', operations: [{ op: 'append', path, value: value as JsonValue }] });
  }

  insert<P extends Path<T>>(path: P, index: number, value: Item<At<T, P>>): void {
    this.write({ kind: 'operations', operations: [{ op: 'insert', path, index, value: value as JsonValue }] });
  }

  remove(path: Path<T>, index: number): void {
    this.write({ kind: 'operations', operations: [{ op: 'remove', path, index }] });
  }

  /** Moves an element of an array so that it ends up at `to`. */
  move(path: Path<T>, from: number, to: number): void {
    this.write({ kind: 'operations', operations: [{ op: 'move', path, from, to }] });
  }

  /** Adds a member to a set, which may be missing. */
  setAdd<P extends Path<T>>(path: P, value: Item<At<T, P>>): void {
    this.write({ kind: 'operations', operations: [{ op: 'set-add', path, value: value as JsonValue }] });
  }

  setRemove<P extends Path<T>>(path: P, value: Item<At<T, P>>): void {
    this.write({ kind: 'operations', operations: [{ op: 'set-remove', path, value: value as JsonValue }] });
  }

  /** Inserts into a text, which may be missing or a plain string. */
  textInsert(path: Path<T>, index: number, value: string): void {
    this.write({ kind: 'operations', operations: [{ op: 'text-insert', path, index, value }] });
  }

  textDelete(path: Path<T>, index: number, length: number): void {
    this.write({ kind: 'operations', operations: [{ op: 'text-delete', path, index, length }] });
  }

  /** Chooses what is to stand where values are in conflict. */
  resolve(...resolutions: readonly Resolution[]): void {
    this.write({ kind: 'resolve', resolutions });
  }

  /**
   * Makes a change of any kind that REST knows, at once or not at all. Several in one `doc.transact` are one event and one message.
   *
   * @throws CrdtError when it is refused; nothing was written.
   */
  write(change: LiveWrite): void {
    this.#doc.transact((transaction) => {
      const model = this.#read();
      this.#model = null;
      const isStale = this.#write(model, change, transaction);
      // Unless others have the transaction, and may do more in it.
      if (!isStale && this.#open === 1 && transaction.origin === this) this.#model = model;
    }, this);
  }

  /**
   * Watches the document, or what stands at a path.
   *
   * @param observer - Called once for each transaction that changes it, after it, whoever made it.
   * @returns Ends it.
   */
  observe(observer: LiveObserver, path: Path<T> = ''): () => void {
    if (typeof observer !== 'function')
      throw new CrdtError('CRDT_VALUE_INVALID', 'an observer is a function', { details: { field: 'observer' } });
    let before = valueAt(this.#follow(), path);
    const watch: LiveObserver = (event) => {
      const value = valueAt(this.#json, path);
      if (value === before) return;
      before = value;
      observer(path === '' ? event : { ...event, changes: event.changes.filter((change) => concerns(change, path)) });
    };
    if (this.#observers.size === 0) this.#changes = [];
    this.#observers.add(watch);
    return () => void this.#observers.delete(watch);
  }

  readonly #begin = ({ origin }: Y.Transaction): void => {
    this.#open++;
    if (origin !== this) this.#model = null;
  };

  readonly #end = ({ origin, local: isLocal }: Y.Transaction): void => {
    this.#open--;
    if (origin !== this) this.#model = null;
    if (this.#observers.size === 0) return;
    this.#follow();
    const changes = this.#changes;
    this.#changes = [];
    if (changes.length === 0) return;
    // As Yjs does: all are told, and then what one of them threw goes on to whoever wrote.
    callAll([...this.#observers], [{ changes, isLocal, origin }]);
  };

  #read(): Model {
    if (this.#model !== null) return this.#model;
    const model = readDoc(this.#doc);
    if (this.#open === 0) this.#model = model;
    return model;
  }

  /** Returns the document as it is now. */
  #follow(): JsonValue | undefined {
    const { json } = viewOf(this.#read());
    if (json === this.#text) return this.#json;
    this.#text = json;
    const after = json === '' ? undefined : (JSON.parse(json) as JsonValue);
    this.#json = follow(this.#json, after, '', this.#changes);
    if (this.#observers.size === 0) this.#changes = [];
    return this.#json;
  }

  /** @returns Whether the model must be read again. */
  #write(model: Model, change: LiveWrite, transaction: Y.Transaction): boolean {
    const doc = this.#doc;
    const isCreation = !exists(model);
    checkWrite(change, isCreation);
    const before = viewOf(model);
    const author = { ...this.#settings, client: doc.clientID, stamp: this.#tick(model) };
    const write = new Transaction(model, author, isCreation);
    if (!edit(write, change, isCreation)) return true;
    checkSize(model, before, write);
    const root = misfit(doc, write);
    if (root !== null) {
      const message = `the page uses ${JSON.stringify(root.slice(0, 200))} as another type than the document has there`;
      throw new CrdtError('CRDT_TYPE_MISMATCH', message, { details: { root: root.slice(0, 200) } });
    }
    applyOwn(doc, transaction, writeUpdate(write, orderOf(doc)).update);
    if (!write.editsRoots) return false;
    applyRootEdits(doc, write);
    model.clocks.set(author.client, Y.getState(doc.store, author.client));
    return write.isModelStale;
  }

  #tick(model: Model): number {
    const now = this.#now();
    const max = encodeStamp(now + ADVANCE_MS_MAX, 0);
    let last = this.#stamp;
    for (const { stamp } of model.runs) if (stamp > last && stamp <= max) last = stamp;
    return (this.#stamp = Math.max(last + 1, encodeStamp(now, 0)));
  }
}

function checkWrite({ kind }: Change, isCreation: boolean): void {
  if (kind === 'delete' || kind === 'retract' || kind === 'late') {
    const message = 'a page does not delete documents: use DELETE of the REST interface';
    throw new CrdtError('CRDT_PATCH_INVALID', message, { details: { kind } });
  }
  if (kind === 'resolve' && isCreation) throw new CrdtError('CRDT_CONFLICT_MISSING', 'there is no document here');
}

/** Does a change lie at a path, above it or below it? */
function concerns({ path: changed }: JsonChange, path: string): boolean {
  return changed === path || changed.startsWith(`${path}/`) || path.startsWith(`${changed}/`);
}

function valueAt(json: JsonValue | undefined, path: string): JsonValue | undefined {
  let at = json;
  for (const segment of parsePointer(path)) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, segment)) return undefined;
    at = (at as Readonly<Record<string, JsonValue>>)[segment];
  }
  return at;
}

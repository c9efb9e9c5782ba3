/**
 * @module
 * Owns what an update says of the write that it carries: who, when, and which paths; and what a document still tells of the writes that
 * made it. Nothing is stored for that: a write names its stamp and its paths anyway. SPEC "Representation", HI1.
 */
import * as Y from 'yjs';
import { pathOfRoot, ROOT } from './root-name.ts';
import { createSharedPaths, type SharedPath } from './shared-place.ts';
import { decodeUpdate, type DecodedUpdate } from './update.ts';
import { createDoc } from './yjs-state.ts';

/** One write, as far as it can be told. */
export interface WriteDescription {
  /** Yjs client id, and the clock of its first element: names the write. */
  readonly client: number;
  readonly clock: number;
  /** 0 when the write does not say: it is an editor's. */
  readonly stamp: number;
  /** Written on an absent document. */
  readonly creates: boolean;
  /** The whole document was deleted. */
  readonly deletes: boolean;
  /** JSON Pointers that were set or edited; `-` stands for an element of an array. Sorted. */
  readonly paths: readonly string[];
  /** JSON Pointers that were taken away, as far as it is known what stood there. */
  readonly removed: readonly string[];
}

interface Run {
  readonly client: number;
  readonly clock: number;
  stamp: number;
  creates: boolean;
  deletes: boolean;
  readonly paths: Set<string>;
}

/** Client ids from here on are those of nodes. */
const NODE_MIN = 2 ** 32;

type PlaceOf = (id: Y.ID) => SharedPath | null;
type PathOf = (client: number, clock: number) => string | null;

/**
 * Describes updates, and what of other writes is left in the document.
 *
 * @param parts - The document, as `CrdtDocument.encodeParts` returns it, with all updates in it.
 * @returns By update, in order, null for one that cannot be read; and by write that is still in place.
 */
export function describeWrites(
  parts: readonly Uint8Array[],
  updates: readonly Uint8Array[],
): { readonly updates: readonly (WriteDescription | null)[]; readonly surviving: readonly WriteDescription[] } {
  const doc = createDoc();
  for (const part of parts) Y.applyUpdate(doc, part);
  const placeOf = createSharedPaths(doc);
  const known = new Map<string, string>();
  // As it was before the updates: what they took away is in it.
  for (const part of parts) readRuns(part, known, placeOf);
  const surviving: Run[] = [];
  for (const [client, structs] of doc.store.clients) {
    const reader = new RunReader(client, known);
    for (const struct of structs) {
      if (!(struct instanceof Y.Item) || struct.deleted) continue;
      // What a page edits by itself belongs to no write of it.
      if (client >= NODE_MIN || placeOf(struct.id)?.root === ROOT) reader.take(struct, placeOf);
    }
    surviving.push(...reader.runs);
  }
  const decoded = updates.map((update) => readRuns(update, known, placeOf));
  const pathOf: PathOf = (client, clock) => known.get(`${client}.${clock}`) ?? null;
  const sharedAt = (client: number, clock: number): SharedPath | null =>
    clock < Y.getState(doc.store, client) ? placeOf(Y.createID(client, clock)) : null;
  return {
    updates: decoded.map(({ runs, ds }) => {
      const taken = sharedBy(ds.clients, sharedAt, known);
      return describeUpdate(runs, [...removedBy(ds.clients, pathOf), ...taken.removed], taken.edited);
    }),
    surviving: surviving.filter(({ stamp }) => stamp > 0).map((run) => toDescription(run, [])),
  };
}

function readRuns(
  update: Uint8Array,
  known: Map<string, string>,
  placeOf: PlaceOf,
): { readonly runs: readonly Run[]; readonly ds: DecodedUpdate['ds'] } {
  const { structs, ds } = decodeUpdate(update);
  const readers = new Map<number, RunReader>();
  for (const struct of structs) {
    const { client, clock } = struct.id;
    let reader = readers.get(client);
    if (reader === undefined) readers.set(client, (reader = new RunReader(client, known, clock)));
    if (struct instanceof Y.Item) reader.take(struct, placeOf);
  }
  return { runs: [...readers.values()].flatMap(({ runs }) => runs), ds };
}

/** An update is one write, whoever else's clocks it names. */
function describeUpdate(
  runs: readonly Run[],
  removed: readonly string[],
  edited: readonly string[],
): WriteDescription | null {
  const [first] = runs;
  if (first === undefined && removed.length + edited.length === 0) return null;
  const paths = new Set([...runs.flatMap((run) => [...run.paths]), ...edited]);
  const from = first ?? { client: 0, clock: 0, stamp: 0, creates: false, deletes: false };
  return toDescription({ ...from, paths }, removed);
}

/** What an update took out of shared types: members go, and of a row or a text it is an edit. */
function sharedBy(
  deletes: DecodedUpdate['ds']['clients'],
  sharedAt: (client: number, clock: number) => SharedPath | null,
  known: ReadonlyMap<string, string>,
): { readonly removed: readonly string[]; readonly edited: readonly string[] } {
  const removed = new Set<string>();
  const edited = new Set<string>();
  for (const [client, ranges] of deletes) {
    for (const { clock, len } of ranges) {
      for (let at = clock, next = at; at < clock + len; at = next) {
        const place = sharedAt(client, at);
        next = at + Math.max(1, place?.left ?? 1);
        const path = place === null || place.root === ROOT ? undefined : pathIn(place, known);
        if (path !== undefined) (place!.isMember ? removed : edited).add(path);
      }
    }
  }
  return { removed: [...removed], edited: [...edited] };
}

/** Undefined where nothing shows. */
function pathIn({ root, path }: SharedPath, known: ReadonlyMap<string, string>): string | undefined {
  const base = pathOfRoot(root) ?? known.get(root);
  return base === undefined ? undefined : readable(base) + path;
}

function toDescription(
  { client, clock, stamp, creates, deletes, paths }: Run,
  removed: readonly string[],
): WriteDescription {
  const written = outermost(paths);
  return {
    client,
    clock,
    stamp,
    creates,
    deletes,
    paths: written,
    // What was replaced was not taken away.
    // Nor what was left of a document that had been deleted before.
    removed: creates
      ? []
      : outermost(removed).filter((path) => !written.some((other) => other === path || path.startsWith(`${other}/`))),
  };
}

/** Paths that are not below another one, sorted. */
function outermost(paths: Iterable<string>): readonly string[] {
  const sorted = [...new Set(paths)].sort();
  const all = new Set(sorted);
  return sorted.filter((path) => {
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
      if (all.has(path.slice(0, end))) return false;
    }
    return true;
  });
}

function removedBy(
  deletes: ReadonlyMap<number, readonly { readonly clock: number; readonly len: number }[]>,
  pathOf: PathOf,
): readonly string[] {
  const removed: string[] = [];
  for (const [client, ranges] of deletes) {
    for (const { clock, len } of ranges) {
      for (let at = clock; at < clock + len; at++) {
        const path = pathOf(client, at);
        if (path !== null) removed.push(path);
      }
    }
  }
  return removed;
}

/** Reads the elements of one client, in the order of clocks; see read-model.ts. */
class RunReader {
  readonly runs: Run[] = [];
  readonly #client: number;
  /** Element → path. */
  readonly #known: Map<string, string>;
  readonly #first: number;
  #context = '';
  #slots = '';
  #slotsEnd = 0;

  constructor(client: number, known: Map<string, string>, first = 0) {
    this.#client = client;
    this.#known = known;
    this.#first = first;
  }

  take(item: Y.Item, placeOf: PlaceOf): void {
    const { content, id } = item;
    // Of an update it is a name where it is known at all.
    const parent: unknown = item.parent;
    const place = parent === ROOT ? null : placeOf(id);
    if (parent === ROOT || place?.root === ROOT) {
      if (content instanceof Y.ContentAny)
        (content.arr as readonly unknown[]).forEach((value, i) => this.#read(id.clock + i, value));
      return;
    }
    // What was deleted since tells no more than where it was.
    const path = place === null ? undefined : pathIn(place, this.#known);
    if (path !== undefined) this.#run(id.clock).paths.add(path);
  }

  /** The write that an element belongs to; one of an editor has no header. */
  #run(clock: number): Run {
    let run = this.runs.at(-1);
    if (run === undefined) {
      run = {
        client: this.#client,
        clock: this.#first || clock,
        stamp: 0,
        creates: false,
        deletes: false,
        paths: new Set(),
      };
      this.runs.push(run);
    }
    return run;
  }

  #read(clock: number, value: unknown): void {
    if (clock < this.#slotsEnd) {
      this.#note(clock, `${this.#slots}/-`);
    } else if (typeof value === 'number') {
      this.#start(clock, value, false);
    } else if (Array.isArray(value)) {
      const [first, payload] = value as readonly unknown[];
      if (typeof first === 'string') this.#readEntry(clock, first, value);
      else if (typeof first === 'number' && value.length === 1) this.#start(clock, first, true);
      else if (typeof first === 'number' && payload instanceof Uint8Array) this.#run(clock).deletes = true;
    }
  }

  #start(clock: number, stamp: number, creates: boolean): void {
    this.runs.push({ client: this.#client, clock, stamp, creates, deletes: false, paths: new Set() });
    this.#context = '';
    this.#slotsEnd = 0;
  }

  #readEntry(clock: number, path: string, value: readonly unknown[]): void {
    const resolved = this.#resolve(path);
    this.#note(clock, resolved);
    const [, payload, tag] = value;
    if (value.length === 1) this.#context = resolved;
    if (value.length === 2 && Array.isArray(payload)) {
      this.#slots = resolved;
      this.#slotsEnd = clock + 1 + (typeof payload[0] === 'number' ? payload[0] : 0);
    }
    // A text that its name does not place.
    if (tag === 3 && typeof payload === 'string') this.#known.set(payload, resolved);
  }

  #resolve(path: string): string {
    if (path.startsWith('/')) return path;
    if (!path.startsWith('~e')) return `${this.#context}/${path}`;
    // An element of the same write, whose place its slot says.
    const [element = '', ...below] = path.split('/');
    const [client, clock] = element.slice(2).split('.');
    const owner = client ? Number.parseInt(client, 36) : this.#client;
    const place = this.#known.get(`${owner}.${Number.parseInt(clock ?? '', 36)}`) ?? '/-';
    return [place, ...below].join('/');
  }

  #note(clock: number, path: string): void {
    const shown = readable(path);
    this.#known.set(`${this.#client}.${clock}`, shown);
    this.#run(clock).paths.add(shown);
  }
}

/** Users do not know elements by name. */
function readable(path: string): string {
  return path.includes('/~e') ? path.replaceAll(/\/~e[^/]*/g, '/-') : path;
}

/**
 * @module
 * Owns the in-memory form of a document: its live entries, arranged as a tree of paths. It is read from a state (read-model.ts),
 * edited in place by writes (transaction.ts), and rendered by view.ts. Knows nothing of Yjs or bytes.
 *
 * Invariants: an entry belongs to the run of its header, which lives as long as anything in it. A list header lives as long as
 * a slot in its range. An object marker is deleted only together with everything below it.
 */
import { encodeSegment } from './json-pointer.ts';
import type { JsonScalar } from './json-value.ts';
import type { SharedKind } from './shared-type.ts';

/** Not written yet: the id is given when the change is encoded. */
export const UNWRITTEN = -1;
/** Removed by the change in progress. */
export const REMOVED = -2;
/** Content that an editor wrote without a marker: it has no entry of its own. */
export const UNMARKED = -3;

/** One write transaction: what follows a header, up to the next header of the same client. */
export interface Run {
  readonly client: number;
  /** Clock of the header. */
  clock: number;
  readonly stamp: number;
  /** Written on an absent or deleted document (SPEC CR11). */
  readonly creation: boolean;
  /** Live entries and slots in the run. */
  live: number;
}

/** Something written in the root array that can be deleted by id. */
export interface Written {
  readonly run: Run;
  /** Clock of the element; its client is that of the run. UNWRITTEN, REMOVED or UNMARKED below zero. */
  clock: number;
}

export const KIND = { object: 0, value: 1, base: 2, tally: 3, set: 4, member: 5, text: 6, list: 7, shared: 8 } as const;
export type Kind = (typeof KIND)[keyof typeof KIND];

/** The tally of one client as a set or delete saw it, with the clock of the entry that held it. */
export interface SeenTally {
  readonly tally: number;
  readonly clock: number;
}
export type SeenTallies = ReadonlyMap<number, SeenTally>;

/** A live entry at a path. */
export interface Entry extends Written {
  readonly kind: Kind;
  readonly node: Node;
  /**
   * value: the scalar; tally: the number; member: canonical JSON; text: name of its root type, '' for the one named by the path; shared:
   * key in `Model.shared`.
   */
  readonly value: JsonScalar;
  /** value and base: tallies it absorbed (CR8). */
  readonly seen: SeenTallies | null;
  /** tally: the operation it corrects, which stands in the place of a client; `null` = it is the writer's own. */
  readonly corrects: number | null;
  /** list: the list it belongs to. */
  list: List | null;
  /** list: live slots in its range. */
  slots: number;
}

/** One generation of an array. Two arrays set as values concurrently are two lists at one path (CR4). */
export interface List {
  readonly node: Node;
  /** '' for generation 0, else the id of the first header; null until written. */
  generation: string | null;
  headers: Entry[];
  /** Live elements in their shown order. */
  elements: Element[];
}

/** A live element of a list. Identity: client and clock of the anchor, for ever. */
export interface Element extends Written {
  readonly list: List;
  /** Null while unwritten. */
  header: Entry | null;
  /** Scalar value at insertion; undefined for a container, whose content is entries below `node`. */
  readonly inline: JsonScalar | undefined;
  readonly node: Node;
  /** Live moves; the latest decides the position (CR7). */
  moves: Move[];
  /** Id of the slot that decides the position: the anchor or a move. Null while unwritten. */
  at: ElementId | null;
  /** Order of that slot in the root array, valid while reading. */
  position: number;
}

export interface Move extends Written {
  readonly header: Entry;
  readonly position: number;
}

export interface ElementId {
  readonly client: number;
  readonly clock: number;
}

/** Content of a root type that an editor wrote: its members, a row of values, XML, or a text with formats. */
export interface SharedContent {
  readonly root: string;
  readonly kind: SharedKind;
  /** Canonical. */
  readonly json: string;
}

export interface Tombstone extends Written {
  readonly deleteWins: boolean;
  readonly observed: ReadonlyMap<number, number>;
}

/** A path. Object keys have children; arrays have lists whose elements have nodes. */
export class Node {
  parent: Node | null;
  /** Decoded object key; '' for the root and for elements. */
  readonly key: string;
  /** Id of the element this node is the content of, or null. */
  elementId: ElementId | null;
  /** The live element; null for object keys and for elements that were deleted. */
  element: Element | null = null;
  entries: Entry[] = [];
  children: Map<string, Node> | null = null;
  lists: List[] | null = null;
  /** Content below deleted elements of an array here: edits the deleter had not seen (CR6). */
  orphans: Node[] | null = null;
  /** Canonical JSON shown, '' when absent, undefined when it must be rendered again. Undefined implies so are all ancestors. */
  text: string | undefined = undefined;
  /** Above zero when there are losing values at or below, valid while `text` is. */
  conflicts = 0;
  keyText: string | undefined = undefined;

  constructor(parent: Node | null, key: string, elementId: ElementId | null) {
    this.parent = parent;
    this.key = key;
    this.elementId = elementId;
  }

  /** Returns the node of an object key, created when missing. */
  child(key: string): Node {
    this.children ??= new Map();
    let node = this.children.get(key);
    if (node === undefined) {
      node = new Node(this, key, null);
      this.children.set(key, node);
    }
    return node;
  }

  /** Forgets rendered text from here up. */
  invalidate(): void {
    this.text = undefined;
    for (let node = this.parent; node !== null && node.text !== undefined; node = node.parent) node.text = undefined;
  }
}

/** The live content of a document. */
export interface Model {
  readonly root: Node;
  /** Headers that are live. */
  readonly runs: Set<Run>;
  tombstones: Tombstone[];
  /** Yjs state vector: next clock per client. */
  readonly clocks: Map<number, number>;
  /** Content of root texts by name. */
  readonly texts: Map<string, string>;
  /** What editors wrote besides plain text, by `sharedKey`. */
  readonly shared: Map<string, SharedContent>;
  /** Entries that mean nothing any more; the next write deletes them. */
  garbage: Written[];
  /** Somewhere several values stood at one path when it was rendered. */
  isContested: boolean;
}

export function createModel(): Model {
  return {
    root: new Node(null, '', null),
    runs: new Set(),
    tombstones: [],
    clocks: new Map(),
    texts: new Map(),
    shared: new Map(),
    garbage: [],
    isContested: false,
  };
}

/** Orders concurrent writes: by stamp, then client, then clock (CR1). Positive when `a` is later. */
export function compareWritten(a: Written, b: Written): number {
  return a.run.stamp - b.run.stamp || a.run.client - b.run.client || orderClock(a.clock) - orderClock(b.clock);
}

function orderClock(clock: number): number {
  return clock === UNWRITTEN ? Number.MAX_SAFE_INTEGER : clock;
}

/** Names one kind of content of a root type. */
export function sharedKey(kind: SharedKind, root: string): string {
  return `${kind}:${root}`;
}

/** Names an element in paths and maps: client and clock in base 36. */
export function elementName(id: ElementId): string {
  return `${id.client.toString(36)}.${id.clock.toString(36)}`;
}

/** Returns the path of a node in the document's own notation, where elements are `~e` and their id (SPEC "Representation"). */
export function nodePath(node: Node): string {
  if (node.parent === null) return '';
  const id = node.elementId;
  if (id === null) return `${nodePath(node.parent)}/${encodeSegment(node.key)}`;
  return `${nodePath(node.parent)}/~e${elementName(id)}`;
}

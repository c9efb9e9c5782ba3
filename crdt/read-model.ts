/**
 * @module
 * Owns reading: turns the live elements of the root array into a Model. The element forms are written by write-update.ts;
 * SPEC.md section "Representation" lists them. Unknown forms are kept and ignored, so that newer replicas may add some.
 */
import { decodeSegment } from './json-pointer.ts';
import type { JsonScalar } from './json-value.ts';
import {
  compareWritten,
  createModel,
  elementName,
  KIND,
  Node,
  UNMARKED,
  type Element,
  type Entry,
  type Kind,
  type List,
  type Model,
  type Move,
  type Run,
  type SeenTallies,
  type SeenTally,
  type Written,
  sharedKey,
} from './model.ts';
import { pathOfRoot, ROOT } from './root-name.ts';
import type { SharedFace } from './shared-type.ts';

/** Third member of an entry `[path, payload, tag]`. */
export const TAG = { tally: 0, set: 1, member: 2, text: 3, correction: 4 } as const;
/** Deeper paths can only come from a hostile peer; rendering is recursive. */
const PATH_SEGMENTS_MAX = 1000;

/**
 * Builds a model from elements given client by client, in clock order within a client.
 */
export class ModelReader {
  readonly model: Model;
  readonly #isAddition: boolean;
  readonly #elementNodes = new Map<string, Node>();
  readonly #lists: List[] = [];
  readonly #moves: { readonly name: string; readonly move: Move }[] = [];
  #run: Run = { client: 0, clock: 0, stamp: 0, creation: false, live: 0 };
  #context: Node;
  #header: Entry | null = null;
  #slotsEnd = 0;

  /** @param model - To be added to; elements that need no completion only. */
  constructor(model: Model | null = null) {
    this.model = model ?? createModel();
    this.#isAddition = model !== null;
    this.#context = this.model.root;
  }

  /** Starts the elements of one client. */
  startClient(client: number): void {
    // Elements before any header are foreign; a stamp of 0 loses to every write.
    this.#run = { client, clock: 0, stamp: 0, creation: false, live: 0 };
    this.#context = this.model.root;
    this.#header = null;
    this.#slotsEnd = 0;
  }

  /** Takes one live element. `position` orders elements in the root array. */
  read(clock: number, value: unknown, position: number): void {
    if (this.#header !== null && clock < this.#slotsEnd) {
      this.#readSlot(this.#header, clock, value, position);
    } else if (typeof value === 'number') {
      this.#startRun(clock, value, false);
    } else if (Array.isArray(value)) {
      this.#readArray(clock, value);
    } else {
      this.#run.live++;
    }
  }

  /** Takes what one root type shows. */
  readShared(root: string, { kind, json, content }: SharedFace): void {
    // '' says in a marker that a text is named by its path.
    const isText = kind === 'text' && root !== '';
    if (isText) this.model.texts.set(root, content);
    const isPlain = isText && !json.startsWith('[');
    if (!isPlain) this.model.shared.set(sharedKey(kind, root), { root, kind, json });
  }

  /** Completes texts, lists and orphans. */
  finish(): Model {
    for (const [root, content] of this.model.texts) {
      if (content !== '') this.#mark(KIND.text, root, root.startsWith('t/') ? '' : root);
    }
    for (const [key, { root, kind }] of this.model.shared) {
      if (kind !== 'text' || root === '') this.#mark(KIND.shared, root, key);
    }
    for (const { name, move } of this.#moves) {
      const element = this.#elementNodes.get(name)?.element;
      if (element) element.moves.push(move);
      else this.model.garbage.push(move);
    }
    for (const list of this.#lists) orderElements(list);
    for (const node of this.#elementNodes.values()) {
      if (node.element === null) this.#adoptOrphan(node);
    }
    return this.model;
  }

  #startRun(clock: number, stamp: number, creation: boolean): void {
    this.#run = { client: this.#run.client, clock, stamp, creation, live: 0 };
    this.model.runs.add(this.#run);
    this.#context = this.model.root;
    this.#header = null;
  }

  #readSlot(header: Entry, clock: number, value: unknown, position: number): void {
    const run = this.#run;
    run.live++;
    header.slots++;
    if (Array.isArray(value) && value.length === 2) {
      const name = elementName({ client: value[0] as number, clock: value[1] as number });
      this.#moves.push({ name, move: { run, clock, header, position } });
      return;
    }
    const list = header.list as List;
    const id = { client: run.client, clock };
    const node = this.#elementNode(elementName(id), id.client, id.clock);
    node.parent = list.node;
    const inline = isScalar(value) ? value : undefined;
    const element: Element = { run, clock, list, header, inline, node, moves: [], at: id, position };
    node.element = element;
    list.elements.push(element);
  }

  #readArray(clock: number, value: readonly unknown[]): void {
    const first = value[0];
    if (typeof first === 'string') {
      this.#readEntry(clock, first, value);
    } else if (typeof first === 'number' && value.length === 1) {
      this.#startRun(clock, first, true);
    } else if (typeof first === 'number' && value[1] instanceof Uint8Array) {
      this.#run.live++;
      this.model.tombstones.push({ run: this.#run, clock, deleteWins: first === 1, observed: decodeVector(value[1]) });
    } else {
      this.#run.live++;
    }
  }

  #readEntry(clock: number, path: string, value: readonly unknown[]): void {
    const run = this.#run;
    run.live++;
    const payload = value[1];
    const tag = value[2];
    const node = this.#resolve(path);
    if (node === null) return;
    if (value.length === 1) {
      this.#context = node;
      this.#add(KIND.object, node, clock, null, null);
    } else if (value.length === 2) {
      if (isScalar(payload)) this.#add(KIND.value, node, clock, payload, null);
      else if (Array.isArray(payload)) this.#readListHeader(node, clock, payload);
      else if (typeof payload === 'object') this.#add(KIND.base, node, clock, null, decodeSeen(payload));
    } else if (typeof tag === 'object' && tag !== null) {
      if (isScalar(payload)) this.#add(KIND.value, node, clock, payload, decodeSeen(tag));
    } else if (tag === TAG.tally) {
      if (typeof payload === 'number') this.#add(KIND.tally, node, clock, payload, null);
    } else if (tag === TAG.correction) {
      const operation = value[3];
      if (typeof payload === 'number' && typeof operation === 'number') {
        this.#add(KIND.tally, node, clock, payload, null, operation);
      }
    } else if (tag === TAG.set) {
      this.#add(KIND.set, node, clock, null, null);
    } else if (tag === TAG.member) {
      if (typeof payload === 'string' && isJson(payload)) this.#add(KIND.member, node, clock, payload, null);
    } else if (tag === TAG.text && payload !== ROOT) {
      this.#add(KIND.text, node, clock, typeof payload === 'string' ? payload : '', null);
    }
  }

  #add(
    kind: Kind,
    node: Node,
    clock: number,
    value: JsonScalar,
    seen: SeenTallies | null,
    corrects: number | null = null,
  ): Entry {
    const entry: Entry = { kind, node, run: this.#run, clock, value, seen, corrects, list: null, slots: 0 };
    node.entries.push(entry);
    // Up to the root: nodes in between may be as new as this one.
    if (this.#isAddition) for (let at: Node | null = node; at !== null; at = at.parent) at.text = undefined;
    return entry;
  }

  #readListHeader(node: Node, clock: number, payload: readonly unknown[]): void {
    const client = this.#run.client;
    const [count, listClient, listClock] = payload as (number | undefined)[];
    let generation = '';
    if (listClient === undefined) generation = elementName({ client, clock });
    else if (listClock !== undefined) generation = elementName({ client: listClient || client, clock: listClock });
    const header = this.#add(KIND.list, node, clock, null, null);
    node.lists ??= [];
    let list = node.lists.find((candidate) => candidate.generation === generation);
    if (list === undefined) {
      list = { node, generation, headers: [], elements: [] };
      node.lists.push(list);
      this.#lists.push(list);
    }
    list.headers.push(header);
    header.list = list;
    this.#header = header;
    this.#slotsEnd = clock + 1 + (typeof count === 'number' ? count : 0);
  }

  /** What an editor wrote has no entry of its own: it stands where its root type is named for, behind every write of ours. */
  #mark(kind: Kind, root: string, value: string): void {
    const path = pathOfRoot(root);
    if (path === null) return;
    this.startClient(0);
    const node = this.#resolve(path);
    if (node === null || node.entries.some((entry) => entry.kind === kind && entry.value === value)) return;
    this.#add(kind, node, UNMARKED, value, null);
  }

  #resolve(path: string): Node | null {
    if (path.startsWith('/')) return this.#walk(this.model.root, path.slice(1));
    if (path.startsWith('~e')) return this.#walk(null, path);
    return this.#context.child(decodeSegment(path));
  }

  #walk(start: Node | null, path: string): Node | null {
    const segments = path.split('/');
    if (segments.length > PATH_SEGMENTS_MAX) return null;
    let node = start;
    for (const segment of segments) {
      if (segment.startsWith('~e')) {
        const [client, clock] = segment.slice(2).split('.');
        const id = client ? Number.parseInt(client, 36) : this.#run.client;
        const child = this.#elementNode(null, id, Number.parseInt(clock ?? '', 36));
        child.parent ??= node;
        node = child;
      } else {
        if (node === null) return null;
        node = node.child(decodeSegment(segment));
      }
    }
    return node;
  }

  #elementNode(name: string | null, client: number, clock: number): Node {
    const key = name ?? elementName({ client, clock });
    let node = this.#elementNodes.get(key);
    if (node === undefined) {
      node = new Node(null, '', { client, clock });
      this.#elementNodes.set(key, node);
    }
    return node;
  }

  /** Content of a deleted element belongs to the array that its path names; without one nobody can have meant it. */
  #adoptOrphan(node: Node): void {
    if (node.parent === null) {
      collectEntries(node, this.model.garbage);
      return;
    }
    node.parent.orphans ??= [];
    node.parent.orphans.push(node);
  }
}

/** Adds every entry at and below a node. */
function collectEntries(node: Node, into: Written[]): void {
  for (const entry of node.entries) into.push(entry);
  for (const child of node.children?.values() ?? []) collectEntries(child, into);
}

function orderElements(list: List): void {
  let isOrdered = true;
  let previous = -1;
  for (const element of list.elements) {
    const move = latestMove(element);
    if (move !== null) {
      element.position = move.position;
      element.at = { client: move.run.client, clock: move.clock };
    }
    if (element.position < previous) isOrdered = false;
    previous = element.position;
  }
  if (!isOrdered) list.elements.sort((a, b) => a.position - b.position);
}

function latestMove(element: Element): Move | null {
  let latest: Move | null = null;
  for (const move of element.moves) {
    if (latest === null || compareWritten(move, latest) > 0) latest = move;
  }
  return latest;
}

/** A member that is not JSON can only come from a hostile peer, and would make the document unreadable. */
function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

function isScalar(value: unknown): value is JsonScalar {
  return value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}

function decodeSeen(value: object | null): SeenTallies {
  const seen = new Map<number, SeenTally>();
  for (const [client, pair] of Object.entries(value ?? {})) {
    if (!Array.isArray(pair) || typeof pair[0] !== 'number' || typeof pair[1] !== 'number') continue;
    seen.set(Number.parseInt(client, 36), { tally: pair[0], clock: pair[1] });
  }
  return seen;
}

function decodeVector(bytes: Uint8Array): Map<number, number> {
  const vector = new Map<number, number>();
  let offset = 0;
  const next = (): number => {
    let value = 0;
    let scale = 1;
    while (offset < bytes.length) {
      const byte = bytes[offset++] as number;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
      scale *= 128;
    }
    return value;
  };
  for (let count = next(); count > 0 && offset < bytes.length; count--) {
    const client = next();
    vector.set(client, next());
  }
  return vector;
}

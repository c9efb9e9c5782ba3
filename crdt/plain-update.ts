/**
 * @module
 * Owns the shortcut for the most common updates of all: a write that sets, removes or increments members. It is put into the model as
 * it stands, without a Y.Doc. Whatever touches lists, texts or tombstones is left to the general path.
 */
import { ByteReader } from './byte-reader.ts';
import { KIND, type Entry, type Model, type Node, type Run } from './model.ts';
import { readPlainState, type PlainState } from './plain-state.ts';
import { ModelReader, TAG } from './read-model.ts';
import { ROOT } from './root-name.ts';
import { CONTENT_ANY } from './write-update.ts';

interface Range {
  readonly client: number;
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
}

interface PlainUpdate {
  readonly client: number;
  readonly clock: number;
  readonly values: readonly unknown[];
  /** What stands left and right, if it says so. */
  readonly neighbours: readonly { readonly client: number; readonly clock: number }[];
  readonly deletes: readonly Range[];
}

const HAS_ORIGIN = 0x80;
const HAS_RIGHT_ORIGIN = 0x40;
/** Elements of a write that can be a plain one; hostile counts end here. */
const VALUES_MAX = 100_000;

/** Reads a state, and updates that follow it, if that takes no Y.Doc; the order is that of the state. */
export function readPlainParts([state, ...updates]: readonly Uint8Array[]): PlainState | null {
  const plain = state === undefined ? null : readPlainState(state);
  return plain !== null && updates.every((update) => applyPlainUpdate(plain.model, update)) ? plain : null;
}

/** Puts an update into a model. Returns false, and has changed nothing, when that takes a Y.Doc. */
export function applyPlainUpdate(model: Model, update: Uint8Array): boolean {
  const plain = readPlainUpdate(update);
  if (plain === null || !isNext(model, plain) || !plain.values.every(isPlainValue)) return false;
  const dropped = findDropped(model, plain.deletes);
  if (dropped === null) return false;
  const reader = new ModelReader(model);
  reader.startClient(plain.client);
  plain.values.forEach((value, index) => reader.read(plain.clock + index, value, 0));
  model.clocks.set(plain.client, plain.clock + plain.values.length);
  for (const entry of dropped.entries) drop(entry);
  for (const run of dropped.runs) model.runs.delete(run);
  return true;
}

function readPlainUpdate(update: Uint8Array): PlainUpdate | null {
  try {
    const bytes = new ByteReader(update);
    if (bytes.varUint() !== 1 || bytes.varUint() !== 1) return null;
    const client = bytes.varUint();
    const clock = bytes.varUint();
    const info = bytes.uint8();
    if ((info & ~(HAS_ORIGIN | HAS_RIGHT_ORIGIN)) !== CONTENT_ANY) return null;
    const neighbours: { client: number; clock: number }[] = [];
    for (const flag of [HAS_ORIGIN, HAS_RIGHT_ORIGIN]) {
      if ((info & flag) !== 0) neighbours.push({ client: bytes.varUint(), clock: bytes.varUint() });
    }
    if (neighbours.length === 0 && (bytes.varUint() !== 1 || bytes.string() !== ROOT)) return null;
    const count = bytes.varUint();
    if (count === 0 || count > VALUES_MAX) return null;
    const values: unknown[] = [];
    for (let index = 0; index < count; index++) values.push(bytes.any());
    const deletes = readDeletes(bytes);
    return bytes.isAtEnd ? { client, clock, values, neighbours, deletes } : null;
  } catch (error) {
    // Malformed bytes: the general path reports them.
    if (error instanceof RangeError) return null;
    throw error;
  }
}

function readDeletes(bytes: ByteReader): Range[] {
  const ranges: Range[] = [];
  for (let clients = bytes.varUint(); clients > 0; clients--) {
    const client = bytes.varUint();
    for (let count = bytes.varUint(); count > 0; count--) {
      const from = bytes.varUint();
      ranges.push({ client, from, to: from + bytes.varUint() });
    }
  }
  return ranges;
}

/** True when the update continues its client, and everything it names is here. */
function isNext({ clocks, texts, shared }: Model, { client, clock, neighbours, deletes }: PlainUpdate): boolean {
  const known = (id: number): number => clocks.get(id) ?? 0;
  if (clock !== known(client)) return false;
  // Neighbours in another root type would put the elements there, where nobody reads them.
  if (texts.size > 0 || shared.size > 0) return false;
  return (
    neighbours.every((id) => id.clock < known(id.client)) && deletes.every(({ client: of, to }) => to <= known(of))
  );
}

/** A header, or a member that is set, begun as an object, or incremented, at a path without elements. */
function isPlainValue(value: unknown, index: number): boolean {
  if (index === 0) return typeof value === 'number';
  if (!Array.isArray(value)) return false;
  const [path, payload, tag] = value as readonly unknown[];
  if (typeof path !== 'string' || path.includes('~e')) return false;
  if (value.length === 1) return true;
  if (value.length === 2) return !Array.isArray(payload);
  return value.length === 3 && (typeof tag === 'object' || tag === TAG.tally);
}

interface Dropped {
  readonly entries: readonly Entry[];
  readonly runs: readonly Run[];
}

/** What is deleted of the model; null when it is more than plain entries. */
function findDropped(model: Model, deletes: readonly Range[]): Dropped | null {
  if (deletes.length === 0) return { entries: [], runs: [] };
  const isDeleted = (client: number, clock: number): boolean =>
    deletes.some((range) => range.client === client && clock >= range.from && clock < range.to);
  const entries: Entry[] = [];
  if (model.garbage.length > 0 || model.tombstones.some(({ run, clock }) => isDeleted(run.client, clock))) return null;
  if (!collect(model.root, isDeleted, entries)) return null;
  const live = new Map<Run, number>();
  for (const { run } of entries) live.set(run, (live.get(run) ?? run.live) - 1);
  const runs = [...model.runs].filter((run) => isDeleted(run.client, run.clock));
  return runs.every((run) => (live.get(run) ?? run.live) === 0) ? { entries, runs } : null;
}

/** Collects deleted entries at and below a node; false when something else is deleted there. */
function collect(node: Node, isDeleted: (client: number, clock: number) => boolean, into: Entry[]): boolean {
  if (node.orphans !== null) return false;
  for (const entry of node.entries) {
    if (!isDeleted(entry.run.client, entry.clock)) continue;
    if (entry.kind === KIND.list || entry.kind === KIND.text) return false;
    into.push(entry);
  }
  for (const list of node.lists ?? []) {
    for (const element of list.elements) {
      if (isDeleted(element.run.client, element.clock)) return false;
      if (element.moves.some((move) => isDeleted(move.run.client, move.clock))) return false;
      if (!collect(element.node, isDeleted, into)) return false;
    }
  }
  for (const child of node.children?.values() ?? []) if (!collect(child, isDeleted, into)) return false;
  return true;
}

function drop(entry: Entry): void {
  const { node } = entry;
  entry.run.live--;
  node.entries = node.entries.filter((other) => other !== entry);
  node.invalidate();
  prune(node);
}

/** Takes nodes out at which nothing stands any more. */
function prune(node: Node): void {
  const { parent } = node;
  if (parent === null || node.elementId !== null) return;
  if (node.entries.length > 0 || node.children !== null || node.lists !== null || node.orphans !== null) return;
  parent.children?.delete(node.key);
  if (parent.children?.size === 0) parent.children = null;
  prune(parent);
}

/**
 * @module
 * Owns writing: gives ids to what a transaction added and encodes it as one Yjs v1 update, without a Y.Doc. The forms of the
 * elements are read back by read-model.ts.
 *
 * Layout: first a segment with the header and all entries, placed after the writer's latest element so that what it deletes
 * later melts into one tombstone; then a segment per place where slots go into lists that have neighbours. A single such
 * place takes the first segment too.
 */
import { assert } from './assert.ts';
import { ByteWriter } from './byte-writer.ts';
import { encodeSegment } from './json-pointer.ts';
import {
  compareWritten,
  elementName,
  KIND,
  UNWRITTEN,
  type Element,
  type ElementId,
  type Entry,
  type List,
  type Move,
  type Node,
  type SeenTallies,
  type Tombstone,
} from './model.ts';
import { TAG } from './read-model.ts';
import { ROOT } from './root-name.ts';
import type { Transaction } from './transaction.ts';

/** Where elements stand in the root array, deleted ones included. */
export interface RootOrder {
  /** Neighbours of the place where a client's next entries go. */
  tail(client: number): { readonly left: ElementId | null; readonly right: ElementId | null };
  rightOf(id: ElementId): ElementId | null;
  leftOf(id: ElementId): ElementId | null;
}

type Slot = { readonly element: Element; readonly move: Move | null };
type Part = Entry | Slot | Tombstone;
interface Segment {
  readonly left: ElementId | null;
  readonly right: ElementId | null;
  readonly parts: Part[];
}

const WRITER: ByteWriter = new ByteWriter();
/** Yjs content type of elements. */
export const CONTENT_ANY = 8;
const HAS_ORIGIN = 0x80;
const HAS_RIGHT_ORIGIN = 0x40;

export interface WrittenUpdate {
  readonly update: Uint8Array;
  /** What stands right of the last element written. */
  readonly right: ElementId | null;
}

/** Writes a transaction into the model's clocks and runs, and returns its update. Text edits are not part of it. */
export function writeUpdate(transaction: Transaction, order: RootOrder): WrittenUpdate {
  const { model, run } = transaction;
  for (const written of model.garbage) transaction.drop(written);
  model.garbage = [];
  for (const list of transaction.lists) dropSpentHeaders(transaction, list);
  const segments = planSegments(transaction, order);
  const firstClock = model.clocks.get(run.client) ?? 0;
  const endClock = assignClocks(transaction, segments, firstClock);
  model.runs.add(run);
  dropSpentRuns(transaction);
  model.clocks.set(run.client, endClock);
  WRITER.reset();
  WRITER.varUint(1);
  WRITER.varUint(segments.length);
  WRITER.varUint(run.client);
  WRITER.varUint(firstClock);
  // Readers resolve relative paths in the order of clocks, across segments.
  let context: Node = model.root;
  segments.forEach((segment, index) => {
    context = writeSegment(transaction, segment, index === 0, context);
  });
  writeDeletes(transaction.removed);
  return { update: WRITER.take(), right: segments.at(-1)?.right ?? null };
}

/** Deletes headers of a list whose slots are all gone, except the latest, which keeps an empty array in place. */
function dropSpentHeaders(transaction: Transaction, list: List): void {
  if (list.headers[0]?.clock !== UNWRITTEN && list.elements.some((element) => element.at === null)) {
    const header = transaction.put(KIND.list, list.node, null);
    header.list = list;
    list.headers.push(header);
  }
  const latest = list.headers.reduce((a, b) => (compareWritten(a, b) >= 0 ? a : b));
  const isSpent = (entry: Entry): boolean =>
    entry.list === list && entry.slots === 0 && entry !== latest && entry.clock !== UNWRITTEN;
  if (!list.headers.some(isSpent)) return;
  list.headers = list.headers.filter((entry) => !isSpent(entry));
  transaction.dropEntries(list.node, isSpent);
}

function dropSpentRuns(transaction: Transaction): void {
  const { model } = transaction;
  for (const run of model.runs) {
    if (run.live > 0 || run.creation || run === transaction.run) continue;
    model.runs.delete(run);
    transaction.removed.push({ client: run.client, clock: run.clock });
  }
}

function planSegments(transaction: Transaction, order: RootOrder): Segment[] {
  const parts: Part[] = [];
  const last: Part[] = [];
  const listSegments: Segment[] = [];
  for (const entry of transaction.added) {
    if (entry.clock !== UNWRITTEN) continue;
    const list = entry.list;
    if (list === null) {
      parts.push(entry);
    } else if (list.elements.every((element) => element.at === null)) {
      // A list to be appended to ends the segment, so that the next append continues the same struct.
      const into = list.generation === '' ? last : parts;
      into.push(entry);
      for (const element of list.elements) into.push(planSlot(transaction, element));
    } else {
      planListSegments(transaction, entry, list, order, listSegments);
    }
  }
  if (transaction.tombstone !== null) parts.push(transaction.tombstone);
  parts.push(...last);
  const [only] = listSegments;
  // One insertion into one list carries the whole write.
  if (only !== undefined && listSegments.length === 1) return [{ ...only, parts: [...parts, ...only.parts] }];
  return [{ ...order.tail(transaction.run.client), parts }, ...listSegments];
}

function planListSegments(
  transaction: Transaction,
  header: Entry,
  list: List,
  order: RootOrder,
  segments: Segment[],
): void {
  let parts: Part[] | null = null;
  let first: Part | null = header;
  let previous: ElementId | null = null;
  list.elements.forEach((element, index) => {
    if (element.at !== null) {
      previous = element.at;
      parts = null;
      return;
    }
    if (parts === null) {
      parts = first === null ? [] : [first];
      first = null;
      segments.push({ ...placeSlots(list, index, previous, order), parts });
    }
    parts.push(planSlot(transaction, element));
  });
}

function placeSlots(list: List, index: number, previous: ElementId | null, order: RootOrder): Omit<Segment, 'parts'> {
  if (previous !== null) return { left: previous, right: order.rightOf(previous) };
  const next = list.elements.slice(index).find((element) => element.at !== null)?.at;
  assert(next, 'a list segment has a neighbour');
  return { left: order.leftOf(next), right: next };
}

function planSlot(transaction: Transaction, element: Element): Slot {
  if (element.clock === UNWRITTEN) return { element, move: null };
  return { element, move: { run: transaction.run, clock: UNWRITTEN, header: null as unknown as Entry, position: 0 } };
}

/** Gives ids in the order of the segments and returns the next free clock. */
function assignClocks(transaction: Transaction, segments: readonly Segment[], firstClock: number): number {
  const { run } = transaction;
  let clock = firstClock;
  run.clock = clock++;
  let header: Entry | null = null;
  for (const segment of segments) {
    for (const part of segment.parts) {
      run.live++;
      if ('element' in part) {
        assert(header, 'slots follow a list header');
        header.slots++;
        assignSlot(part, header, clock++);
      } else {
        part.clock = clock++;
        if ('kind' in part && part.kind === KIND.list) {
          header = part;
          const list = part.list as List;
          list.generation ??= elementName({ client: run.client, clock: part.clock });
        }
      }
    }
  }
  return clock;
}

function assignSlot({ element, move }: Slot, header: Entry, clock: number): void {
  const { client } = header.run;
  if (move === null) {
    element.clock = clock;
    element.header = header;
    element.node.elementId = { client, clock };
  } else {
    const written: Move = { ...move, clock, header };
    element.moves = [written];
  }
  element.at = { client, clock };
}

/** Writes one item and returns the marker node that relative paths after it start from. */
function writeSegment(transaction: Transaction, segment: Segment, isFirst: boolean, start: Node): Node {
  const { left, right, parts } = segment;
  WRITER.uint8(CONTENT_ANY | (left === null ? 0 : HAS_ORIGIN) | (right === null ? 0 : HAS_RIGHT_ORIGIN));
  if (left !== null) writeId(left);
  if (right !== null) writeId(right);
  if (left === null && right === null) {
    WRITER.varUint(1);
    WRITER.string(ROOT);
  }
  WRITER.varUint(parts.length + (isFirst ? 1 : 0));
  if (isFirst) {
    if (transaction.run.creation) WRITER.arrayHead(1);
    WRITER.scalar(transaction.run.stamp);
  }
  let context = start;
  for (const part of parts) {
    if ('element' in part) {
      writeSlot(part);
    } else if ('observed' in part) {
      writeTombstone(part);
    } else {
      writeEntry(transaction, part, context);
      if (part.kind === KIND.object) context = part.node;
    }
  }
  return context;
}

function writeId(id: ElementId): void {
  WRITER.varUint(id.client);
  WRITER.varUint(id.clock);
}

function writeSlot({ element, move }: Slot): void {
  if (move !== null) {
    WRITER.arrayHead(2);
    WRITER.scalar(element.run.client);
    WRITER.scalar(element.clock);
  } else if (element.inline === undefined) {
    WRITER.arrayHead(0);
  } else {
    WRITER.scalar(element.inline);
  }
}

function writeTombstone(tombstone: Tombstone): void {
  const vector = new ByteWriter();
  vector.varUint(tombstone.observed.size);
  for (const [client, clock] of [...tombstone.observed].sort((a, b) => a[0] - b[0])) {
    vector.varUint(client);
    vector.varUint(clock);
  }
  WRITER.arrayHead(2);
  WRITER.scalar(tombstone.deleteWins ? 1 : 0);
  WRITER.binary(vector.take());
}

function writeEntry(transaction: Transaction, entry: Entry, context: Node): void {
  const { kind, seen } = entry;
  const isTagged = kind === KIND.tally || kind === KIND.set || kind === KIND.member || kind === KIND.text;
  const length = kind === KIND.object ? 1 : isTagged || (kind === KIND.value && seen !== null) ? 3 : 2;
  WRITER.arrayHead(entry.corrects === null ? length : length + 1);
  WRITER.uint8(119);
  WRITER.string(entryPath(transaction, entry, context));
  if (kind === KIND.value) {
    WRITER.scalar(entry.value);
    if (seen !== null) writeSeen(seen);
  } else if (kind === KIND.base) {
    writeSeen(seen as SeenTallies);
  } else if (kind === KIND.list) {
    writeListHeader(entry);
  } else if (entry.corrects !== null) {
    WRITER.scalar(entry.value);
    WRITER.scalar(TAG.correction);
    WRITER.scalar(entry.corrects);
  } else if (isTagged) {
    WRITER.scalar(entry.value === null || entry.value === '' ? 0 : entry.value);
    WRITER.scalar(
      kind === KIND.tally ? TAG.tally : kind === KIND.set ? TAG.set : kind === KIND.member ? TAG.member : TAG.text,
    );
  }
}

/** `[slots]` starts a generation, `[slots, 0]` is generation 0, `[slots, client or 0 for the writer, clock]` names one. */
function writeListHeader(entry: Entry): void {
  const generation = (entry.list as List).generation as string;
  if (generation === '') {
    WRITER.arrayHead(2);
    WRITER.scalar(entry.slots);
    WRITER.scalar(0);
    return;
  }
  const [client, clock] = generation.split('.').map((part) => Number.parseInt(part, 36)) as [number, number];
  if (client === entry.run.client && clock === entry.clock) {
    WRITER.arrayHead(1);
    WRITER.scalar(entry.slots);
    return;
  }
  WRITER.arrayHead(3);
  WRITER.scalar(entry.slots);
  WRITER.scalar(client === entry.run.client ? 0 : client);
  WRITER.scalar(clock);
}

function writeSeen(seen: SeenTallies): void {
  WRITER.objectHead(seen.size);
  for (const [client, { tally, clock }] of [...seen].sort((a, b) => a[0] - b[0])) {
    WRITER.string(client.toString(36));
    WRITER.arrayHead(2);
    WRITER.scalar(tally);
    WRITER.scalar(clock);
  }
}

/**
 * Returns the path to write: relative to the marker before it when possible, from its element when this write inserts it,
 * else absolute. An entry that outlives its marker must be absolute: one without a value.
 */
function entryPath(transaction: Transaction, entry: Entry, context: Node): string {
  const { node } = entry;
  if (node.parent === context && node.elementId === null && entry.kind !== KIND.base) return encodeSegment(node.key);
  let path = '';
  for (let at = node; at.parent !== null; at = at.parent) {
    const id = at.elementId;
    if (id === null) {
      path = `/${encodeSegment(at.key)}${path}`;
      continue;
    }
    const isOwn = id.client === transaction.run.client;
    const segment = `~e${isOwn ? `.${id.clock.toString(36)}` : elementName(id)}`;
    if (isOwn && id.clock >= transaction.run.clock) return segment + path;
    path = `/${segment}${path}`;
  }
  return path;
}

function writeDeletes(removed: readonly ElementId[]): void {
  const clients = new Map<number, number[]>();
  for (const { client, clock } of removed) {
    const clocks = clients.get(client);
    if (clocks === undefined) clients.set(client, [clock]);
    else clocks.push(clock);
  }
  WRITER.varUint(clients.size);
  for (const [client, clocks] of [...clients].sort((a, b) => b[0] - a[0])) {
    const ranges = toRanges(clocks);
    WRITER.varUint(client);
    WRITER.varUint(ranges.length);
    for (const [clock, length] of ranges) {
      WRITER.varUint(clock);
      WRITER.varUint(length);
    }
  }
}

function toRanges(clocks: number[]): [number, number][] {
  clocks.sort((a, b) => a - b);
  const ranges: [number, number][] = [];
  for (const clock of clocks) {
    const last = ranges.at(-1);
    if (last !== undefined && last[0] + last[1] === clock) last[1]++;
    else ranges.push([clock, 1]);
  }
  return ranges;
}

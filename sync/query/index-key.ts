/**
 * @module
 * Owns the entries of an index: which keys a document has in it. A document with arrays has one for each element, of several arrays
 * one for each combination. One with more than ENTRIES_MAX combinations is under a single key in a place of its own, the *overflow*,
 * which every scan reads as well.
 *
 * Key: `e` db index | a component per path, inverted where it is descending | id | u16 length of the id. Overflow: `e` db index |
 * `01` | id | u16. No value.
 */
import type { JsonValue } from '../../crdt/index.ts';
import { compareBytes } from '../key.ts';
import type { CompiledDefinition, IndexPath } from './index-definition.ts';
import { indexedAt } from './path.ts';
import type { Path } from './path.ts';
import { KeyWriter } from './value-order.ts';
import type { Indexed } from './value-order.ts';

export const ENTRIES_MAX = 1000;
/** No component begins with it: tags are larger, inverted ones larger still. */
const OVERFLOW = Uint8Array.of(0x01);
/** Bounds of everything that is not in the overflow. */
export const FIRST_COMPONENT: Uint8Array = Uint8Array.of(0x02);
export const BEHIND_COMPONENTS: Uint8Array = Uint8Array.of(0xfe);

const decoder = new TextDecoder();
const writer = new KeyWriter();

/** What a document has in an index. */
export interface EntryList {
  /** Components without the id, each once, in no order. Empty when the document is left out, or overflows. */
  readonly components: readonly Uint8Array[];
  readonly isOverflow: boolean;
  /** Bit i: path i has more than one value. */
  readonly multiple: number;
}

const NONE: EntryList = { components: [], isOverflow: false, multiple: 0 };

/** What is ordered by: the paths of an index, or of a sort. */
export interface OrderPaths {
  readonly paths: readonly IndexPath[];
  readonly segments: readonly Path[];
}

export function entriesOf(definition: CompiledDefinition, document: JsonValue): EntryList {
  const { segments, paths, sparse } = definition;
  const lists = segments.map((path) => indexedAt(document, path));
  if (sparse && lists.every((values) => values.length === 1 && values[0] === undefined)) return NONE;
  let multiple = 0;
  let combinations = 1;
  for (const [i, { length }] of lists.entries()) {
    combinations *= length;
    if (length > 1) multiple |= 1 << i;
  }
  if (combinations > ENTRIES_MAX) return { components: [], isOverflow: true, multiple };
  if (multiple === 0) {
    for (const [i, values] of lists.entries()) writer.component(values[0], paths[i]!.order === 'desc');
    return { components: [writer.take()], isOverflow: false, multiple };
  }
  const components: Uint8Array[] = [];
  combine(lists, paths, 0, components);
  return { components: distinct(components), isOverflow: false, multiple };
}

function combine(
  lists: readonly (readonly Indexed[])[],
  paths: readonly IndexPath[],
  at: number,
  components: Uint8Array[],
): void {
  if (at === lists.length) {
    components.push(writer.copy());
    return;
  }
  const start = writer.length;
  for (const value of lists[at]!) {
    writer.component(value, paths[at]!.order === 'desc');
    combine(lists, paths, at + 1, components);
    writer.length = start;
  }
}

function distinct(components: Uint8Array[]): readonly Uint8Array[] {
  components.sort(compareBytes);
  return components.filter((each, i) => i === 0 || compareBytes(each, components[i - 1]!) !== 0);
}

/**
 * Where a document stands in an order: of several values the first of the order counts. The same bytes as in an index on these paths.
 *
 * @param isReverse - The order runs against the bytes, so that the last counts.
 */
export function placeOf({ segments, paths }: OrderPaths, document: JsonValue, isReverse: boolean): Uint8Array {
  for (const [i, path] of segments.entries()) {
    const values = indexedAt(document, path);
    const isDescending = paths[i]!.order === 'desc';
    if (values.length === 1) writer.component(values[0], isDescending);
    else writer.raw(extreme(values, isDescending, isReverse));
  }
  return writer.take();
}

function extreme(values: readonly Indexed[], isDescending: boolean, isReverse: boolean): Uint8Array {
  const each = new KeyWriter();
  let chosen: Uint8Array | null = null;
  for (const value of values) {
    each.component(value, isDescending);
    const bytes = each.take();
    if (chosen === null || compareBytes(bytes, chosen) < 0 !== isReverse) chosen = bytes;
  }
  return chosen!;
}

/** What follows the prefix of an index in a key: the components, then the id. */
export function positionOf(component: Uint8Array, id: string): Uint8Array {
  writer.raw(component);
  writer.id(id);
  return writer.take();
}

/** Null when it cannot be one. */
export function splitPosition(position: Uint8Array): { readonly component: Uint8Array; readonly id: string } | null {
  const end = position.length - 2;
  if (end < 1) return null;
  const length = idLengthOf(position);
  const start = end - length;
  if (start < 0 || length === 0) return null;
  return { component: position.subarray(0, start), id: textOf(position, start, end) };
}

/** Bytes of the id in a position. */
export function idLengthOf(position: Uint8Array): number {
  const end = position.length - 2;
  return position[end]! * 256 + position[end + 1]!;
}

/** The id in a position. */
export function idOf(position: Uint8Array): string {
  const end = position.length - 2;
  return textOf(position, end - idLengthOf(position), end);
}

function textOf(bytes: Uint8Array, start: number, end: number): string {
  let text = '';
  for (let i = start; i < end; i++) {
    // Most ids are ASCII, and short.
    if (bytes[i]! >= 0x80) return decoder.decode(bytes.subarray(start, end));
    text += String.fromCharCode(bytes[i]!);
  }
  return text;
}

/** The keys of a document in the index with that prefix. */
export function keysOf(prefix: Uint8Array, entries: EntryList, id: string | Uint8Array): readonly Uint8Array[] {
  const components = entries.isOverflow ? [OVERFLOW] : entries.components;
  return components.map((component) => {
    writer.raw(prefix);
    writer.raw(component);
    writer.id(id);
    return writer.take();
  });
}

/** Where the documents with too many entries are. */
export const OVERFLOW_RANGE: { readonly gte: Uint8Array; readonly lt: Uint8Array } = {
  gte: OVERFLOW,
  lt: FIRST_COMPONENT,
};

export function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(a.length + b.length);
  bytes.set(a);
  bytes.set(b, a.length);
  return bytes;
}

/**
 * @module
 * Owns what a compacted document says of itself: how often it was compacted, how far it had come by then, and in which list each element
 * stood. It is one element of a root array of its own, so it travels and merges like all content. SPEC.md CP.
 */
import * as Y from 'yjs';
import { decodeGamma, encodeGamma, GAMMA_MAX } from './bits.ts';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import { CrdtError } from './errors.ts';
import { isMarkerClient } from './marker-client.ts';
import type { ElementId } from './model.ts';
import { MARKER_ROOT } from './root-name.ts';
import { decodeUpdate } from './update.ts';

/** A list: a root type by its name, another one by its element. */
export type ListId = string | ElementId;

/** From this clock on, to that of the next range, what a client wrote stood in this list; null = in none, or in one that was deleted. */
export interface ListRange {
  readonly clock: number;
  readonly list: ListId | null;
}

/** What was there of one client when the document was compacted. */
export interface Settled {
  /** The clock after it. */
  readonly end: number;
  /** By clock. */
  readonly ranges: readonly ListRange[];
}

/** By client id. */
export type Settlement = ReadonlyMap<number, Settled>;

export interface CompactionMarker {
  /** The element that says it. */
  readonly id: ElementId;
  /** 1 = the first compaction. */
  readonly number: number;
  readonly settled: Settlement;
}

/** What was read of each element. */
const READ = new WeakMap<Y.Item, { readonly content: unknown; readonly marker: CompactionMarker | null }>();

/** Returns the markers of a document, the one that counts first. @throws CrdtError `CRDT_UPDATE_MALFORMED` */
export function markersOf(doc: Y.Doc): readonly CompactionMarker[] {
  const markers: CompactionMarker[] = [];
  for (let item = doc.share.get(MARKER_ROOT)?._start ?? null; item !== null; item = item.right) {
    if (item.deleted) continue;
    let read = READ.get(item);
    if (read?.content !== item.content) READ.set(item, (read = { content: item.content, marker: readMarker(item) }));
    if (read.marker !== null) markers.push(read.marker);
  }
  return markers.sort((a, b) => (isLater(a, b) ? -1 : 1));
}

/** Returns the marker that counts, of a document; null = it was never compacted. @throws CrdtError `CRDT_UPDATE_MALFORMED` */
export function markerOf(doc: Y.Doc): CompactionMarker | null {
  return markersOf(doc)[0] ?? null;
}

/** The same of an update. @throws CrdtError `CRDT_UPDATE_MALFORMED` */
export function markerAmong(structs: readonly (Y.Item | Y.GC | Y.Skip)[]): CompactionMarker | null {
  let latest: CompactionMarker | null = null;
  for (const struct of structs) {
    if (!(struct instanceof Y.Item) || (struct.parent as unknown) !== MARKER_ROOT) continue;
    const marker = readMarker(struct);
    if (marker !== null && (latest === null || isLater(marker, latest))) latest = marker;
  }
  return latest;
}

/** Does an update leave the history of a document behind? It is the whole of it then. @throws CrdtError `CRDT_UPDATE_MALFORMED` */
export function isCompaction(update: Uint8Array): boolean {
  return markerAmong(decodeUpdate(update).structs) !== null;
}

/** Of two that nodes wrote without knowing of each other one counts, everywhere the same. */
export function isLater(marker: CompactionMarker, than: CompactionMarker): boolean {
  if (marker.number !== than.number) return marker.number > than.number;
  if (marker.id.client !== than.id.client) return marker.id.client > than.id.client;
  return marker.id.clock > than.id.clock;
}

/**
 * The list that an element was collected from; null when it is there, or gone with its list.
 *
 * @param id - Of something that is, or was, in the document.
 */
export function collectedFrom(doc: Y.Doc, markers: readonly CompactionMarker[], id: Y.ID): ListId | null {
  if (id.clock >= Y.getState(doc.store, id.client) || isItem(doc, id)) return null;
  const list = listAmong(markers, id);
  return list === null || typeof list === 'string' || typeOf(doc, list) !== null ? list : null;
}

/** Null when it is not there any more. */
export function typeOf(doc: Y.Doc, list: ListId): Y.AbstractType<unknown> | null {
  if (typeof list === 'string') return (doc.share.get(list) ?? null) as Y.AbstractType<unknown> | null;
  const item: unknown = Y.getItem(doc.store, Y.createID(list.client, list.clock));
  return item instanceof Y.Item && item.content instanceof Y.ContentType ? item.content.type : null;
}

function isItem(doc: Y.Doc, id: Y.ID): boolean {
  const struct: unknown = Y.getItem(doc.store, id);
  return struct instanceof Y.Item;
}

/** Returns what the element of a marker holds. */
export function markerContent(number: number, settled: Settlement): Y.ContentAny {
  return new Y.ContentAny([[number, encodeSettlement(settled)]]);
}

/** Was it there when the document was compacted? */
export function isSettled(settled: Settlement, { client, clock }: ElementId): boolean {
  return clock < (settled.get(client)?.end ?? 0);
}

/** In which list did an element stand, by what any of the markers says? Null = none of them, or in none. */
export function listAmong(markers: readonly CompactionMarker[], id: ElementId): ListId | null {
  for (const { settled } of markers) {
    const list = listOf(settled, id) ?? null;
    if (list !== null) return list;
  }
  return null;
}

/** The same by one of them. Undefined when it came later. */
function listOf(settled: Settlement, { client, clock }: ElementId): ListId | null | undefined {
  if (!isSettled(settled, { client, clock })) return undefined;
  const own = settled.get(client)?.ranges ?? [];
  let [low, high] = [0, own.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((own[middle] as ListRange).clock <= clock) low = middle + 1;
    else high = middle;
  }
  return own[low - 1]?.list;
}

function readMarker({ id, content }: Y.Item): CompactionMarker | null {
  const value: unknown = content instanceof Y.ContentAny && isMarkerClient(id.client) ? content.arr[0] : null;
  if (!Array.isArray(value)) return null;
  const [number, bytes] = value as unknown[];
  if (typeof number !== 'number' || !(bytes instanceof Uint8Array)) return null;
  try {
    return { id: { client: id.client, clock: id.clock }, number, settled: decodeSettlement(bytes) };
  } catch (cause) {
    throw new CrdtError('CRDT_UPDATE_MALFORMED', 'what it says of a compaction cannot be read', { cause });
  }
}

function encodeSettlement(settled: Settlement): Uint8Array {
  const lists: ListId[] = [];
  const places = new Map<string, number>();
  for (const { list } of [...settled.values()].flatMap(({ ranges }) => ranges)) {
    if (list === null || places.has(nameOf(list))) continue;
    lists.push(list);
    places.set(nameOf(list), lists.length);
  }
  const writer = new ByteWriter();
  writer.varUint(lists.length);
  for (const list of lists) writeList(writer, list);
  writer.varUint(settled.size);
  for (const [client, { end, ranges }] of settled) {
    writer.varUint(client);
    writer.varUint(end);
    writeRanges(writer, ranges, (list) => (list === null ? 0 : (places.get(nameOf(list)) as number)));
  }
  return writer.take();
}

/** Writes to one list and to another one take turns in most documents: then only how long each lasts is written. */
function writeRanges(writer: ByteWriter, ranges: readonly ListRange[], placeOf: (list: ListId | null) => number): void {
  const places = ranges.map(({ list }) => placeOf(list));
  const lengths = ranges.slice(1).map(({ clock }, i) => clock - (ranges[i] as ListRange).clock);
  const takeTurns =
    places.length > 2 &&
    places.every((place, i) => i < 2 || place === places[i - 2]) &&
    lengths.every((length) => length < GAMMA_MAX);
  writer.varUint(ranges.length);
  if (ranges.length === 0) return;
  writer.uint8(takeTurns ? 1 : 0);
  if (takeTurns) {
    for (const place of places.slice(0, 2)) writer.varUint(place);
    const bits = encodeGamma(lengths);
    writer.varUint((ranges[0] as ListRange).clock);
    writer.varUint(bits.length);
    writer.raw(bits);
    return;
  }
  let before = 0;
  ranges.forEach(({ clock }, i) => {
    writer.varUint(clock - before);
    writer.varUint(places[i] as number);
    before = clock;
  });
}

/** @throws RangeError */
function readRanges(reader: ByteReader, listAt: (place: number) => ListId | null): ListRange[] {
  const count = reader.varUint();
  if (count === 0) return [];
  const ranges: ListRange[] = [];
  if (reader.uint8() === 1) {
    const lists = [listAt(reader.varUint()), listAt(reader.varUint())];
    let clock = reader.varUint();
    const lengths = decodeGamma(reader.take(reader.varUint()), count - 1);
    for (let i = 0; i < count; i++) {
      ranges.push({ clock, list: lists[i % 2] as ListId | null });
      clock += lengths[i] ?? 0;
    }
    return ranges;
  }
  let clock = 0;
  for (let i = 0; i < count; i++) {
    clock += reader.varUint();
    ranges.push({ clock, list: listAt(reader.varUint()) });
  }
  return ranges;
}

function writeList(writer: ByteWriter, list: ListId): void {
  writer.uint8(typeof list === 'string' ? 1 : 0);
  if (typeof list === 'string') return writer.string(list);
  writer.varUint(list.client);
  writer.varUint(list.clock);
}

/** @throws RangeError */
function decodeSettlement(bytes: Uint8Array): Settlement {
  const reader = new ByteReader(bytes);
  const lists: ListId[] = [];
  for (let left = reader.varUint(); left > 0; left--) {
    lists.push(reader.uint8() === 1 ? reader.string() : { client: reader.varUint(), clock: reader.varUint() });
  }
  const settled = new Map<number, Settled>();
  for (let left = reader.varUint(); left > 0; left--) {
    const [client, end] = [reader.varUint(), reader.varUint()];
    const ranges = readRanges(reader, (place) => lists[place - 1] ?? null);
    settled.set(client, { end, ranges });
  }
  return settled;
}

function nameOf(list: ListId): string {
  return typeof list === 'string' ? list : `${list.client}.${list.clock}`;
}

/**
 * @module
 * Owns the views that are kept in memory, packed: a small document as objects would take three times the bytes it has. Entries lie one behind
 * another in segments, which are filled once, never modified and let go of as a whole, so what was handed out stays what it is. A table
 * of places finds them by name. As in `ByteCache`, what leaves is the oldest, and what was used meanwhile gets a second chance.
 *
 * Entry: u8 used | u8 bytes per unit of the name | u16 units of the name | u32 bytes of JSON | 12 B digest element | u16, u32 modified, ms |
 * u32 conflicts | name | JSON. Aligned to 4.
 */
import type { CacheUsage } from './byte-cache.ts';
import { ETAG_BYTES, etagOf } from './document-record.ts';
import type { StoredDocument } from './document-record.ts';
import type { DurableVersion } from './document-slot.ts';

const SEGMENT_BYTES_MIN = 4096;
const SEGMENT_BYTES_MAX = 65_536;
const TABLE_MIN = 256;
/** So far from where it belongs an entry is looked for: whoever chooses names that collide gets them not kept, and nobody has to wait. */
const PROBES_MAX = 128;
const HEAD_BYTES = 30;
const ELEMENT_AT = 8;
const MODIFIED_AT = ELEMENT_AT + ETAG_BYTES;
/** A place is the number of a segment and an offset in it, in units of 4 bytes, and 1: 0 is none. */
const OFFSET_BITS = 14;

interface Segment {
  readonly number: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Filled so far. */
  length: number;
}

export class ViewCache {
  readonly #bytesMax: number;
  /** By number; those that were let go of leave a hole. */
  #segments: (Segment | undefined)[] = [];
  readonly #free: number[] = [];
  /** Those in use, the oldest first. */
  #ages: Segment[] = [];
  #table = new Int32Array(TABLE_MIN);
  #count = 0;
  #segmentBytes = 0;
  #hits = 0;
  #misses = 0;

  /** @param bytesMax - Kept at most, all included. 0 keeps nothing. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  usage(): CacheUsage {
    const bytes = this.#count === 0 ? 0 : this.#segmentBytes + this.#table.byteLength;
    return { bytes, entries: this.#count, hits: this.#hits, misses: this.#misses };
  }

  get(name: string): StoredDocument | undefined {
    const at = this.#find(name);
    if (at < 0) {
      this.#misses++;
      return undefined;
    }
    this.#hits++;
    const place = this.#table[at]!;
    const { bytes, view } = this.#segmentOf(place);
    const offset = offsetOf(place);
    bytes[offset] = 1;
    const json = offset + HEAD_BYTES + view.getUint16(offset + 2) * bytes[offset + 1]!;
    const modified = offset + MODIFIED_AT;
    return {
      json: new Uint8Array(bytes.buffer, json, view.getUint32(offset + 4)),
      etag: etagOf(bytes, offset + ELEMENT_AT),
      modifiedMs: view.getUint16(modified) * 2 ** 32 + view.getUint32(modified + 2),
      conflicts: view.getUint32(modified + 6),
    };
  }

  /** Keeps a copy of what a version shows, if it shows something, in place of an earlier one. */
  keep(name: string, version: Pick<DurableVersion, 'element' | 'document'> | null): void {
    this.delete(name);
    if (version === null || version.document === null) return;
    const { element, document } = version;
    const { json, modifiedMs, conflicts } = document;
    if (8 * (this.#count + 1) > 5 * this.#table.length) this.#grow();
    const width = isNarrow(name) ? 1 : 2;
    const length = aligned(HEAD_BYTES + width * name.length + json.length);
    const segment = this.#room(length);
    if (segment === null) return;
    const { bytes, view, length: offset } = segment;
    bytes[offset] = 0;
    bytes[offset + 1] = width;
    view.setUint16(offset + 2, name.length);
    view.setUint32(offset + 4, json.length);
    bytes.set(element.subarray(0, ETAG_BYTES), offset + ELEMENT_AT);
    const modified = offset + MODIFIED_AT;
    view.setUint16(modified, Math.floor(modifiedMs / 2 ** 32));
    view.setUint32(modified + 2, modifiedMs % 2 ** 32);
    view.setUint32(modified + 6, conflicts);
    const nameAt = offset + HEAD_BYTES;
    for (let i = 0; i < name.length; i++) {
      if (width === 1) bytes[nameAt + i] = name.charCodeAt(i);
      else view.setUint16(nameAt + 2 * i, name.charCodeAt(i));
    }
    bytes.set(json, nameAt + width * name.length);
    segment.length += length;
    this.#insert(placeOf(segment, offset), hashOf(name));
  }

  /** Returns whether it was there. */
  delete(name: string): boolean {
    const at = this.#find(name);
    if (at < 0) return false;
    this.#remove(at);
    return true;
  }

  clear(): void {
    this.#segments = [];
    this.#free.length = 0;
    this.#ages = [];
    this.#table = new Int32Array(TABLE_MIN);
    this.#count = 0;
    this.#segmentBytes = 0;
  }

  /** Where in the table a name is; -1 = nowhere. */
  #find(name: string): number {
    const mask = this.#table.length - 1;
    let at = hashOf(name) & mask;
    for (let probes = 0; probes < PROBES_MAX; probes++) {
      const place = this.#table[at]!;
      if (place === 0) return -1;
      if (this.#isNamed(place, name)) return at;
      at = (at + 1) & mask;
    }
    return -1;
  }

  #isNamed(place: number, name: string): boolean {
    const { bytes, view } = this.#segmentOf(place);
    const offset = offsetOf(place);
    if (view.getUint16(offset + 2) !== name.length) return false;
    const at = offset + HEAD_BYTES;
    if (bytes[offset + 1] === 1) {
      for (let i = 0; i < name.length; i++) if (bytes[at + i] !== name.charCodeAt(i)) return false;
    } else {
      for (let i = 0; i < name.length; i++) if (view.getUint16(at + 2 * i) !== name.charCodeAt(i)) return false;
    }
    return true;
  }

  /** Puts a place into the table; one that is too far from where it belongs is forgotten. */
  #insert(place: number, hash: number): void {
    const mask = this.#table.length - 1;
    let at = hash & mask;
    for (let probes = 0; probes < PROBES_MAX; probes++) {
      if (this.#table[at] === 0) {
        this.#table[at] = place;
        this.#count++;
        return;
      }
      at = (at + 1) & mask;
    }
  }

  #grow(): void {
    const places = this.#table;
    this.#table = new Int32Array(2 * places.length);
    this.#count = 0;
    for (const place of places) if (place !== 0) this.#insert(place, this.#hashAt(place));
    while (this.#isTooMuch(0) && this.#ages.length > 0) this.#passOldest();
  }

  /** Takes a place out of the table, and moves up those behind it that would not be found any more. */
  #remove(at: number): void {
    const table = this.#table;
    const mask = table.length - 1;
    this.#count--;
    let hole = at;
    for (let next = (at + 1) & mask; table[next] !== 0; next = (next + 1) & mask) {
      const home = this.#hashAt(table[next]!) & mask;
      // It may move up unless it belongs behind the hole.
      if (((next - home) & mask) < ((next - hole) & mask)) continue;
      table[hole] = table[next]!;
      hole = next;
    }
    table[hole] = 0;
  }

  #hashAt(place: number): number {
    const { bytes, view } = this.#segmentOf(place);
    const offset = offsetOf(place);
    const at = offset + HEAD_BYTES;
    const units = view.getUint16(offset + 2);
    let hash = HASH_START;
    for (let i = 0; i < units; i++) {
      const unit = bytes[offset + 1] === 1 ? bytes[at + i]! : view.getUint16(at + 2 * i);
      hash = Math.imul(hash ^ unit, HASH_FACTOR);
    }
    return mixed(hash);
  }

  #segmentOf(place: number): Segment {
    return this.#segments[(place - 1) >>> OFFSET_BITS]!;
  }

  #isTooMuch(more: number): boolean {
    return this.#segmentBytes + this.#table.byteLength + more > this.#bytesMax;
  }

  /** The segment that takes so many bytes; null when it would be too much. */
  #room(length: number): Segment | null {
    const youngest = this.#ages.at(-1);
    if (youngest !== undefined && youngest.length + length <= youngest.bytes.length) return youngest;
    const usual = Math.min(SEGMENT_BYTES_MAX, Math.max(SEGMENT_BYTES_MIN, aligned(this.#segmentBytes >> 3)));
    const size = Math.max(length, usual);
    if (this.#table.byteLength + size > this.#bytesMax) return null;
    while (this.#isTooMuch(size)) this.#passOldest();
    const last = this.#ages.at(-1);
    // What got its second chance may have begun one.
    if (last !== undefined && last !== youngest && last.length + length <= last.bytes.length) return last;
    return this.#open(size);
  }

  #open(size: number): Segment {
    const number = this.#free.pop() ?? this.#segments.length;
    const bytes = new Uint8Array(size);
    const segment = { number, bytes, view: new DataView(bytes.buffer), length: 0 };
    this.#segments[number] = segment;
    this.#ages.push(segment);
    this.#segmentBytes += size;
    return segment;
  }

  /** The oldest segment leaves. Of its entries those that were used come behind the youngest, as far as there is room for them. */
  #passOldest(): void {
    const oldest = this.#ages.shift()!;
    this.#segmentBytes -= oldest.bytes.length;
    let left = oldest.bytes.length >> 1;
    for (let offset = 0; offset < oldest.length;) {
      const length = lengthAt(oldest, offset);
      const place = placeOf(oldest, offset);
      const at = this.#findPlace(place);
      if (at >= 0) {
        const isKept = oldest.bytes[offset] === 1 && length <= left;
        const moved = isKept ? this.#copy(oldest, offset, length) : null;
        if (moved === null) this.#remove(at);
        else {
          this.#table[at] = moved;
          left -= length;
        }
      }
      offset += length;
    }
    this.#segments[oldest.number] = undefined;
    this.#free.push(oldest.number);
  }

  /** Where in the table a place is; -1 = it is of something that was deleted. */
  #findPlace(place: number): number {
    const mask = this.#table.length - 1;
    let at = this.#hashAt(place) & mask;
    for (let probes = 0; probes < PROBES_MAX && this.#table[at] !== 0; probes++) {
      if (this.#table[at] === place) return at;
      at = (at + 1) & mask;
    }
    return -1;
  }

  /** Copies an entry behind the youngest; null when there is no room. */
  #copy({ bytes }: Segment, offset: number, length: number): number | null {
    let youngest = this.#ages.at(-1);
    if (youngest === undefined || youngest.length + length > youngest.bytes.length) {
      const size = Math.max(length, Math.min(SEGMENT_BYTES_MAX, bytes.length));
      if (this.#isTooMuch(size)) return null;
      youngest = this.#open(size);
    }
    const to = youngest.length;
    youngest.bytes.set(bytes.subarray(offset, offset + length), to);
    youngest.bytes[to] = 0;
    youngest.length += length;
    return placeOf(youngest, to);
  }
}

function lengthAt({ bytes, view }: Segment, offset: number): number {
  return aligned(HEAD_BYTES + bytes[offset + 1]! * view.getUint16(offset + 2) + view.getUint32(offset + 4));
}

function placeOf({ number }: Segment, offset: number): number {
  return ((number << OFFSET_BITS) | (offset >>> 2)) + 1;
}

function offsetOf(place: number): number {
  return ((place - 1) & (2 ** OFFSET_BITS - 1)) << 2;
}

function aligned(length: number): number {
  return (length + 3) & ~3;
}

function isNarrow(name: string): boolean {
  for (let i = 0; i < name.length; i++) if (name.charCodeAt(i) > 0xff) return false;
  return true;
}

/** FNV-1a. */
const HASH_START = 0x811c9dc5;
const HASH_FACTOR = 0x01000193;

function hashOf(name: string): number {
  let hash = HASH_START;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), HASH_FACTOR);
  return mixed(hash);
}

/** As MurmurHash3 ends: what differs a little gets places far apart. */
function mixed(hash: number): number {
  const once = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  const twice = Math.imul(once ^ (once >>> 13), 0xc2b2ae35);
  return (twice ^ (twice >>> 16)) >>> 0;
}

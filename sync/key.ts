/**
 * @module
 * Owns the layout of keys in the store: the on-disk format. Integers are big-endian, so that byte order is numeric order.
 *
 * | key | value |
 * |---|---|
 * | `m` name | meta: format, node id, last stamp, cluster secret got for a join token |
 * | `p` node id | what a member was last known to hold, and when it was seen (member-progress.ts) |
 * | `n` database key | u32 number of the database |
 * | `o` origin | node id that owns the origin |
 * | `v` db origin | version vector entry |
 * | `h` db origin | what the origin began with: its base (lineage.ts) |
 * | `l` db origin firstSeq | batch, as its origin encoded it |
 * | `f` db origin | where the log of the origin begins: the position up to which it was cut |
 * | `x` db origin seq | change index: the document whose last change by the origin that is, once the log was cut there |
 * | `j` db collection 0 id | view of a document: JSON, document vector, latest updates (document-record.ts) |
 * | `y` db collection 0 id | base of a document: a Yjs state, unless it follows from the view |
 * | `k` db collection 0 id | nothing: the document has losing values |
 * | `z` db collection 0 id | nothing: the document is a tombstone that the collector may forget (collector.ts) |
 * | `u` db collection 0 id | nothing: the view of the document has no JSON (late-views.ts) |
 * | `r` db collection 0 id | nothing: the document is much larger than what it shows (compactor.ts) |
 * | `w` db | what was forgotten of the database: origin → sequence of the last change (forgotten.ts) |
 * | `s` db collection | statistics of a collection |
 * | `g` db | digest of the database |
 * | `b` db page | 256 buckets of the digest (bucket-digest.ts) |
 * | `c` db stage index | chunk of a snapshot that has not been merged, in the form of staged-chunk.ts |
 * | `t` db stage | how far a stage has got, so that an interrupted snapshot can be gone on with (snapshot-stage.ts) |
 * | `i` db | intention to merge staged snapshots: their stages, and the vector |
 * | `d` db index | an index: its definition, and how far it is built (query/index-record.ts) |
 * | `e` db index components id length | entry of an index, no value (query/index-key.ts) |
 * | `q` db | what is set aside under that number: whose it was, and what of it others hold (database-set.ts) |
 */
const encoder = new TextEncoder();
const decoder = new TextDecoder();

const tag = (letter: string): number => letter.charCodeAt(0);

export function metaKey(name: string): Uint8Array {
  return encoder.encode(`m${name}`);
}

export function databaseKey(name: string): Uint8Array {
  return encoder.encode(`n${name}`);
}

export function databaseNameOf(key: Uint8Array): string {
  return decoder.decode(key.subarray(1));
}

export function progressKey(nodeId: string): Uint8Array {
  return encoder.encode(`p${nodeId}`);
}

export function memberNodeOf(key: Uint8Array): string {
  return decoder.decode(key.subarray(1));
}

export function originKey(origin: number): Uint8Array {
  const key = new Uint8Array(7);
  key[0] = tag('o');
  writeUint48(key, 1, origin);
  return key;
}

export function originOf(key: Uint8Array): number {
  return readUint48(key, 1);
}

export function vectorKey(db: number, origin: number): Uint8Array {
  const key = prefixed('v', db, 6);
  writeUint48(key, 5, origin);
  return key;
}

export function vectorOriginOf(key: Uint8Array): number {
  return readUint48(key, 5);
}

export function baseKey(db: number, origin: number): Uint8Array {
  const key = prefixed('h', db, 6);
  writeUint48(key, 5, origin);
  return key;
}

export function baseOriginOf(key: Uint8Array): number {
  return readUint48(key, 5);
}

export function logKey(db: number, origin: number, firstSeq: number): Uint8Array {
  const key = prefixed('l', db, 12);
  writeUint48(key, 5, origin);
  writeUint48(key, 11, firstSeq);
  return key;
}

/** The batches of an origin that begin at `from` or later and before `to`. */
export function logRange(db: number, origin: number, from: number, to: number): { gte: Uint8Array; lt: Uint8Array } {
  return { gte: logKey(db, origin, from), lt: logKey(db, origin, to) };
}

export function floorKey(db: number, origin: number): Uint8Array {
  const key = prefixed('f', db, 6);
  writeUint48(key, 5, origin);
  return key;
}

export function floorOriginOf(key: Uint8Array): number {
  return readUint48(key, 5);
}

export function changeKey(db: number, origin: number, seq: number): Uint8Array {
  const key = prefixed('x', db, 12);
  writeUint48(key, 5, origin);
  writeUint48(key, 11, seq);
  return key;
}

export function changeOf(key: Uint8Array): { origin: number; seq: number } {
  return { origin: readUint48(key, 5), seq: readUint48(key, 11) };
}

export function viewKey(db: number, collection: string, id: string): Uint8Array {
  return documentKey('j', db, collection, id);
}

/** Where the views of collections begin that clients can name: internal ones are before them. */
export function publicViews(db: number): Uint8Array {
  const key = prefixed('j', db, 1);
  key[5] = tag('a');
  return key;
}

export function stateKey(db: number, collection: string, id: string): Uint8Array {
  return documentKey('y', db, collection, id);
}

export function conflictKey(db: number, collection: string, id: string): Uint8Array {
  return documentKey('k', db, collection, id);
}

export function forgottenKey(db: number): Uint8Array {
  return prefixed('w', db, 0);
}

function documentKey(letter: 'j' | 'y' | 'k', db: number, collection: string, id: string): Uint8Array {
  const name = `${collection}\0${id}`;
  // Most names are ASCII and short: a key of at most 64 bytes costs no memory outside the heap.
  const key = prefixed(letter, db, name.length);
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    if (code > 0x7f) return keyOfText(letter, db, name);
    key[i + 5] = code;
  }
  return key;
}

function keyOfText(letter: string, db: number, text: string): Uint8Array {
  const suffix = encoder.encode(text);
  const key = prefixed(letter, db, suffix.length);
  key.set(suffix, 5);
  return key;
}

/** The base of a document, whose view has this key. */
export function stateKeyOf(viewKey: Uint8Array): Uint8Array {
  return sibling(viewKey, 'y');
}

/** The mark of a document with losing values, whose view has this key. */
export function conflictKeyOf(viewKey: Uint8Array): Uint8Array {
  return sibling(viewKey, 'k');
}

/** The mark of a tombstone, whose view has this key. */
export function tombstoneKeyOf(viewKey: Uint8Array): Uint8Array {
  return sibling(viewKey, 'z');
}

/** The mark of a document whose view has no JSON and this key. */
export function lateKeyOf(viewKey: Uint8Array): Uint8Array {
  return sibling(viewKey, 'u');
}

/** The mark of a document that the compactor is to look at, whose view has this key. */
export function compactionKeyOf(viewKey: Uint8Array): Uint8Array {
  return sibling(viewKey, 'r');
}

function sibling(viewKey: Uint8Array, letter: 'y' | 'k' | 'z' | 'u' | 'r'): Uint8Array {
  const key = viewKey.slice();
  key[0] = tag(letter);
  return key;
}

/** Collection and id of a `j`, `y`, `k`, `z`, `u` or `r` key. */
export function documentOf(key: Uint8Array): { collection: string; id: string } {
  return documentOfName(key.subarray(5));
}

/** Of `collection NUL id`. */
export function documentOfName(name: Uint8Array): { collection: string; id: string } {
  const text = decoder.decode(name);
  const split = text.indexOf('\0');
  return { collection: text.slice(0, split), id: text.slice(split + 1) };
}

export function statsKey(db: number, collection: string): Uint8Array {
  return keyOfText('s', db, collection);
}

export function statsCollectionOf(key: Uint8Array): string {
  return decoder.decode(key.subarray(5));
}

export function digestKey(db: number): Uint8Array {
  return prefixed('g', db, 0);
}

export function asideKey(db: number): Uint8Array {
  return prefixed('q', db, 0);
}

export function asideNumberOf(key: Uint8Array): number {
  return new DataView(key.buffer, key.byteOffset).getUint32(1);
}

export function chunkKey(db: number, stage: number, index: number): Uint8Array {
  const key = prefixed('c', db, 8);
  const view = new DataView(key.buffer);
  view.setUint32(5, stage);
  view.setUint32(9, index);
  return key;
}

export function stageKey(db: number, stage: number): Uint8Array {
  const key = prefixed('t', db, 4);
  new DataView(key.buffer).setUint32(5, stage);
  return key;
}

export function stageOf(key: Uint8Array): number {
  return new DataView(key.buffer, key.byteOffset).getUint32(5);
}

export function intentionKey(db: number): Uint8Array {
  return prefixed('i', db, 0);
}

export function bucketsKey(db: number, page: number): Uint8Array {
  const key = prefixed('b', db, 1);
  key[5] = page;
  return key;
}

export function bucketsPageOf(key: Uint8Array): number {
  return key[5]!;
}

export function indexKey(db: number, index: number): Uint8Array {
  const key = prefixed('d', db, 4);
  new DataView(key.buffer).setUint32(5, index);
  return key;
}

export function indexNumberOf(key: Uint8Array): number {
  return new DataView(key.buffer, key.byteOffset).getUint32(5);
}

/** What all entries of an index begin with. */
export function indexPrefix(db: number, index: number): Uint8Array {
  const key = prefixed('e', db, 4);
  new DataView(key.buffer).setUint32(5, index);
  return key;
}

/** All keys of one kind in one database, or all of one kind. */
export function rangeOf(letter: string, db?: number): { gte: Uint8Array; lt: Uint8Array } {
  const gte = db === undefined ? Uint8Array.of(tag(letter)) : prefixed(letter, db, 0);
  return { gte, lt: successorOfPrefix(gte) };
}

/** The smallest key greater than every key that starts with `prefix`. */
export function successorOfPrefix(prefix: Uint8Array): Uint8Array {
  const key = prefix.slice();
  for (let i = key.length - 1; i >= 0; i--) {
    if (key[i]! < 0xff) {
      key[i]!++;
      return key.slice(0, i + 1);
    }
  }
  throw new RangeError('no successor: the prefix is all 0xff');
}

/** The smallest key greater than `key`. */
export function successorOf(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}

/** Unsigned lexicographic order: that of the store. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}

function prefixed(letter: string, db: number, extraBytes: number): Uint8Array {
  const key = new Uint8Array(5 + extraBytes);
  key[0] = tag(letter);
  // A DataView for four bytes would cost more than the key.
  key[1] = db >>> 24;
  key[2] = db >>> 16;
  key[3] = db >>> 8;
  key[4] = db;
  return key;
}

function writeUint48(bytes: Uint8Array, offset: number, value: number): void {
  const high = Math.floor(value / 2 ** 32);
  const low = value % 2 ** 32;
  bytes[offset] = high >>> 8;
  bytes[offset + 1] = high;
  bytes[offset + 2] = low >>> 24;
  bytes[offset + 3] = low >>> 16;
  bytes[offset + 4] = low >>> 8;
  bytes[offset + 5] = low;
}

function readUint48(bytes: Uint8Array, offset: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return view.getUint16(offset) * 2 ** 32 + view.getUint32(offset + 2);
}

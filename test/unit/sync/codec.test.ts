import { expect, test } from 'vitest';
import { decodeBatch, decodeBatchHeader, encodeBatch, verifyChain } from '../../../sync/batch.ts';
import type { LogRecord } from '../../../sync/batch.ts';
import { DigestSum, computeElement } from '../../../sync/digest.ts';
import {
  bytesOfFirstView,
  decodeView,
  encodeDocumentVector,
  encodeBase,
  encodeFirstView,
  encodeView,
  readFirstView,
  statePartsOf,
} from '../../../sync/document-record.ts';
import * as key from '../../../sync/key.ts';
import { portableSha256 } from '../../../sync/sha256.ts';
import { SnapshotRows, decodeSnapshotChunk, encodeSnapshotChunk } from '../../../sync/snapshot.ts';
import { decodeToken, encodeToken } from '../../../sync/token.ts';
import { GENESIS_CHAIN, decodeVector, dominates, encodeVector, join } from '../../../sync/version-vector.ts';

const RECORDS: readonly LogRecord[] = [
  { kind: 'origin', nodeId: 'abc' },
  { kind: 'update', collection: 'cities', id: 'ä/1', update: Uint8Array.of(1, 2, 3) },
  { kind: 'update', collection: 'other', id: 'x', update: new Uint8Array(300).fill(9) },
];
const BATCH = { origin: 2 ** 41 + 7, firstSeq: 5, stamp: 2 ** 50, deps: [[2 ** 33, 12]] as const, records: RECORDS };
const chainOf = (byte: number): Uint8Array => new Uint8Array(16).fill(byte);

test('[DB12] a batch decodes to what was encoded, and its header alone agrees', () => {
  const bytes = encodeBatch(BATCH, GENESIS_CHAIN, portableSha256);
  const { chain, count, ...rest } = decodeBatch(bytes);
  expect(rest).toEqual(BATCH);
  expect(count).toBe(3);
  const header = decodeBatchHeader(bytes);
  expect(header).toMatchObject({ origin: BATCH.origin, firstSeq: 5, count: 3, deps: BATCH.deps, chain });
});

test('[DB12] a batch cut anywhere is refused, never half understood', () => {
  const bytes = encodeBatch(BATCH, GENESIS_CHAIN, portableSha256);
  for (let length = 0; length < bytes.length; length++) {
    expect(() => decodeBatch(bytes.subarray(0, length))).toThrow(
      expect.objectContaining({ code: 'SYNC_BATCH_MALFORMED' }),
    );
  }
  expect(() => decodeBatch(Uint8Array.of(...bytes, 0))).toThrow(/trailing/);
});

test('[I4] the hash chain notices any changed byte and any other predecessor', () => {
  const bytes = encodeBatch(BATCH, chainOf(1), portableSha256);
  expect(verifyChain(bytes, chainOf(1), portableSha256)).toBe(true);
  expect(verifyChain(bytes, chainOf(2), portableSha256)).toBe(false);
  for (let i = 1; i < bytes.length; i += 7) {
    const damaged = bytes.slice();
    damaged[i]! ^= 1;
    expect(verifyChain(damaged, chainOf(1), portableSha256)).toBe(false);
  }
});

test('[DB12] a vector decodes to what was encoded', () => {
  const vector = new Map([
    [2 ** 41, { seq: 3, chain: chainOf(3) }],
    [2 ** 33, { seq: 9_000_000_000, chain: chainOf(4) }],
  ]);
  expect(decodeVector(encodeVector(vector))).toEqual(vector);
});

test('[DB12] a token decodes to what was encoded; cut, changed or too long it is refused', () => {
  const seen = {
    cluster: '00ff00112233aabb',
    database: 'app.3',
    vector: new Map([
      [2 ** 33, 9_000_000_000],
      [2 ** 41, 3],
    ]),
    system: new Map([[2 ** 40 + 1, 7]]),
  };
  const token = encodeToken(seen);
  expect(decodeToken(token)).toEqual(seen);
  const invalid = expect.objectContaining({ code: 'SYNC_TOKEN_INVALID' });
  for (let length = 0; length < token.length; length++) {
    expect(() => decodeToken(token.slice(0, length))).toThrow(invalid);
    const changed = token[length] === 'A' ? 'B' : 'A';
    expect(() => decodeToken(token.slice(0, length) + changed + token.slice(length + 1))).toThrow(invalid);
  }
  for (const text of ['!', `${token}A`, `${token}, ${token}`, 'x'.repeat(20_000)]) {
    expect(() => decodeToken(text)).toThrow(invalid);
  }
});

test('[I3] vectors join pointwise, and dominate when they hold at least as much', () => {
  const a = new Map([[1, { seq: 3, chain: chainOf(1) }]]);
  const b = new Map([
    [1, { seq: 2, chain: chainOf(2) }],
    [2, { seq: 1, chain: chainOf(3) }],
  ]);
  const joined = join(a, b);
  expect([...joined].map(([origin, { seq }]) => [origin, seq])).toEqual([
    [1, 3],
    [2, 1],
  ]);
  expect(dominates(joined, a) && dominates(joined, b)).toBe(true);
  expect(dominates(a, b)).toBe(false);
});

test('[DB12] document records decode to what was encoded, and damage is a coded error', () => {
  const vector = new Map([
    [2 ** 40, 7],
    [2 ** 33, 1],
  ]);
  const view = {
    exists: true,
    element: new Uint8Array(32).fill(5),
    modified: 2 ** 52,
    conflicts: 3,
    json: new TextEncoder().encode('{"a":"ä"}'),
    bytes: 10,
    isFirst: false,
    updates: [Uint8Array.of(3), Uint8Array.of()],
  };
  const encoded = encodeView(view, encodeDocumentVector(vector));
  expect(decodeView(encoded)).toEqual({ ...view, vector });
  const base = Uint8Array.of(1, 2);
  expect(statePartsOf(decodeView(encoded), encodeBase(base))).toEqual([base, ...view.updates]);
  expect(() => statePartsOf(decodeView(encoded), undefined)).toThrow(
    expect.objectContaining({ code: 'STORAGE_CORRUPT' }),
  );
  expect(() => decodeView(encoded.subarray(0, 20))).toThrow(expect.objectContaining({ code: 'STORAGE_CORRUPT' }));
  expect(() => decodeView(Uint8Array.of(99, ...encoded))).toThrow(
    expect.objectContaining({ code: 'STORAGE_FORMAT_UNSUPPORTED' }),
  );
});

test('[DB12] a snapshot chunk decodes to what was encoded', () => {
  const chunk = {
    begin: null,
    until: Uint8Array.of(99, 0, 7),
    presence: { after: Uint8Array.of(), upTo: Uint8Array.of(99, 0, 7), names: [{ collection: 'c', id: 'kept' }] },
    origins: new Map([[2 ** 35, 'node']]),
    rows: [
      {
        collection: 'c',
        id: 'ü',
        vector: new Map([[2 ** 35, 4]]),
        content: [Uint8Array.of(7, 8), Uint8Array.of(9)] as const,
      },
      {
        collection: 'd',
        id: 'x',
        vector: new Map([[2 ** 35, 5]]),
        content: { json: new TextEncoder().encode('{"n":1}'), stamp: 77, client: 2 ** 35 },
      },
    ],
  };
  const vector = new Map([[2 ** 35, { seq: 4, chain: GENESIS_CHAIN.slice() }]]);
  for (const begin of [null, { vector, continues: true, documents: 300, forgotten: new Map([[2 ** 35, 2]]) }]) {
    const bytes = encodeSnapshotChunk({ ...chunk, begin });
    expect(decodeSnapshotChunk(bytes)).toEqual({ ...chunk, begin });
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeSnapshotChunk(bytes.subarray(0, length))).toThrow(
        expect.objectContaining({ code: 'SYNC_BATCH_MALFORMED' }),
      );
    }
  }
});

test('[DB12] a view of a document that was written once is read and sent without being decoded, every other is not', () => {
  const json = new TextEncoder().encode('{"n":1}');
  const version = encodeDocumentVector(new Map([[2 ** 35, 300]]));
  const parts = { element: new Uint8Array(32).fill(7), stamp: 2 ** 50, version, json };
  const first = { ...{ exists: true, element: parts.element, modified: parts.stamp }, conflicts: 0, json, bytes: 7 };
  const view = encodeFirstView(parts);
  expect(view).toEqual(encodeView({ ...first, isFirst: true, updates: [] }, version));
  expect(view).toHaveLength(bytesOfFirstView(parts));
  expect(readFirstView(view)).toEqual({ stamp: 2 ** 50, origin: 2 ** 35, seq: 300, json });
  const sent = [new SnapshotRows(), new SnapshotRows()] as const;
  sent[0].addView(new TextEncoder().encode('c\0ü'), readFirstView(view)!);
  const content = { json, stamp: 2 ** 50, client: 2 ** 35 };
  sent[1].add({ collection: 'c', id: 'ü', vector: new Map([[2 ** 35, 300]]), content });
  expect(sent[0].encode()).toEqual(sent[1].encode());
  expect([...sent[0].origins]).toEqual([2 ** 35]);
  for (let length = 0; length < view.length; length++) expect(readFirstView(view.subarray(0, length))).toBeNull();
  const two = encodeDocumentVector(
    new Map([
      [1, 1],
      [2, 1],
    ]),
  );
  const others = [
    encodeView({ ...first, isFirst: true, updates: [] }, two),
    encodeView({ ...first, isFirst: false, updates: [] }, version),
    encodeView({ ...first, isFirst: true, updates: [json] }, version),
    encodeView({ ...first, isFirst: true, conflicts: 1, updates: [] }, version),
    encodeView({ ...first, isFirst: true, exists: false, updates: [] }, version),
    encodeView({ ...first, isFirst: true, json: null, updates: [] }, version),
  ];
  for (const other of others) expect(readFirstView(other)).toBeNull();
});

test('[DB12] keys give back what they were made of, in numeric and byte order', () => {
  expect(key.documentOf(key.viewKey(7, 'cities', 'ä'))).toEqual({ collection: 'cities', id: 'ä' });
  expect(key.originOf(key.originKey(2 ** 41 + 5))).toBe(2 ** 41 + 5);
  expect(key.vectorOriginOf(key.vectorKey(1, 2 ** 33))).toBe(2 ** 33);
  expect(key.statsCollectionOf(key.statsKey(1, 'c'))).toBe('c');
  expect(key.databaseNameOf(key.databaseKey('app.0'))).toBe('app.0');
  const order = [
    key.logKey(1, 2 ** 33, 255),
    key.logKey(1, 2 ** 33, 256),
    key.logKey(1, 2 ** 41, 1),
    key.logKey(2, 1, 1),
  ];
  expect(order.toSorted((a, b) => Buffer.compare(a, b))).toEqual(order);
  expect(key.successorOfPrefix(Uint8Array.of(1, 0xff, 0xff))).toEqual(Uint8Array.of(2));
});

test('[I9] a digest is the sum of its documents, whatever the order, and subtraction undoes addition', () => {
  const element = (n: number): Uint8Array =>
    computeElement(portableSha256, Uint8Array.of(1), Uint8Array.of(n), Uint8Array.of(n, n));
  const forwards = new DigestSum();
  const backwards = new DigestSum();
  for (let n = 0; n < 200; n++) forwards.add(element(n));
  for (let n = 199; n >= 0; n--) backwards.add(element(n));
  expect(forwards.toHex()).toBe(backwards.toHex());
  forwards.add(element(201));
  expect(forwards.toHex()).not.toBe(backwards.toHex());
  forwards.subtract(element(201));
  expect(new DigestSum(forwards.toBytes()).toHex()).toBe(backwards.toHex());
  for (let n = 0; n < 200; n++) forwards.subtract(element(n));
  expect(forwards.toHex()).toBe('0'.repeat(64));
});

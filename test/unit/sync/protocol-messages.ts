/**
 * @module
 * Owns one example of every message: what test/golden pins byte for byte and what the codec tests mutilate.
 */
import type { Message } from '../../../sync/protocol/message.ts';

const bytes = (length: number, start = 1): Uint8Array => Uint8Array.from({ length }, (_, i) => (start + i) % 256);
const ORIGIN = 2 ** 32 + 5;

export const EXAMPLES: { readonly [T in Message['type']]: Extract<Message, { type: T }> } = {
  hello: {
    type: 'hello',
    versionMin: 2,
    versionMax: 2,
    nodeId: 'node-a',
    name: 'Ähre',
    url: 'https://a.example:7400',
    origin: ORIGIN,
    bootNonce: bytes(8),
    nonce: bytes(16, 100),
    supports: 1,
    requires: 0,
    windowBytes: 1_048_576,
    token: '',
  },
  auth: { type: 'auth', mac: bytes(32) },
  presence: {
    type: 'presence',
    rooms: [
      {
        database: 'app.0',
        collection: 'notes',
        id: 'a/b',
        entries: [
          { client: 7, clock: 2, state: '{"cursor":1}' },
          { client: 300, clock: 9, state: 'null' },
        ],
      },
    ],
  },
  vector: {
    type: 'vector',
    offset: 300,
    complete: true,
    links: [bytes(8, 9)],
    databases: [
      { database: '_system.0', kind: 'full', positions: [{ origin: ORIGIN, seq: 7, chainPrefix: bytes(4) }] },
      { database: 'app.0', kind: 'changed', positions: [] },
      { database: 'old.0', kind: 'declined', positions: [] },
    ],
  },
  data: {
    type: 'data',
    database: 'app.0',
    offset: 1000,
    weight: 3,
    payload: { codec: 'none', bytes: Uint8Array.of(3, 1, 2, 3) },
  },
  ack: {
    type: 'ack',
    offset: 1003,
    databases: [{ database: 'app.0', kind: 'changed', positions: [{ origin: ORIGIN, seq: 8, chainPrefix: bytes(4) }] }],
  },
  pull: {
    type: 'pull',
    database: 'app.0',
    positions: [{ origin: ORIGIN, seq: 8, chainPrefix: bytes(4) }],
    ranges: [{ origin: ORIGIN, from: 9, to: 200 }],
  },
  offer: { type: 'offer', database: 'app.0', records: 5000 },
  'snapshot-request': {
    type: 'snapshot-request',
    database: 'app.0',
    transfer: 2,
    since: new Map([[ORIGIN, { seq: 3, chain: bytes(16), base: new Map([[ORIGIN + 5, 9]]) }]]),
    held: [{ until: bytes(3, 97), vector: new Map([[ORIGIN, { seq: 700, chain: bytes(16) }]]) }],
  },
  'snapshot-chunk': {
    type: 'snapshot-chunk',
    transfer: 2,
    index: 4,
    offset: 1003,
    weight: 5,
    payload: { codec: 'deflate', bytes: bytes(5) },
  },
  'snapshot-end': {
    type: 'snapshot-end',
    transfer: 2,
    chunks: 5,
    vector: new Map([[ORIGIN, { seq: 900, chain: bytes(16) }]]),
  },
  ping: { type: 'ping', id: 3, probe: true },
  pong: { type: 'pong', id: 3, wallMs: 1_767_225_600_000, pendingBytes: 4096 },
  part: { type: 'part', id: 1, index: 0, count: 2, bytes: bytes(10) },
  bye: { type: 'bye', code: 4500, reason: 'shutting down' },
  admission: { type: 'admission', sealed: bytes(48) },
  prune: { type: 'prune', database: 'app.0', origins: [ORIGIN, 7] },
  holdings: {
    type: 'holdings',
    entries: [
      { node: 'node-b', stamp: 2 ** 45 + 3, databases: [{ database: 'app.0', positions: [[ORIGIN, 7]] }] },
      { node: 'node-c', stamp: 1, databases: [] },
    ],
  },
  digest: { type: 'digest', databases: [{ database: 'app.0', vector: bytes(8, 20), digest: bytes(8, 30) }] },
  sketch: {
    type: 'sketch',
    session: 4,
    database: 'app.0',
    salt: bytes(8, 40),
    firstBucket: 0,
    buckets: 65_536,
    documents: 1_000_000,
    firstCell: 64,
    cells: bytes(22, 50),
  },
  'sketch-request': { type: 'sketch-request', session: 4, firstCell: 64, cells: 300 },
  differences: { type: 'differences', session: 4, symbols: bytes(10, 60) },
  'document-request': { type: 'document-request', session: 4, symbols: bytes(5, 60) },
  'document-fetch': {
    type: 'document-fetch',
    session: 6,
    database: 'app.0',
    since: new Map([[ORIGIN, { seq: 3, chain: bytes(16) }]]),
    documents: [{ collection: 'cities', id: 'ä' }],
  },
  documents: { type: 'documents', session: 4, done: 1, payload: { codec: 'none', bytes: bytes(9, 70) } },
  'repair-end': { type: 'repair-end', session: 4, repaired: 1 },
  content: {
    type: 'content',
    database: 'app.0',
    isAnswer: false,
    documents: [{ collection: 'cities', id: 'ä', element: bytes(8, 80), content: bytes(8, 90) }],
  },
};

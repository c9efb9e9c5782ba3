import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { portableSha256 } from '../../../../sync/sha256.ts';
import { decodeLeafMessage, encodeLeafMessage } from '../../../../sync/leaf/codec.ts';
import { LEAF_MESSAGE_TYPES } from '../../../../sync/leaf/message.ts';
import type { LeafMessage } from '../../../../sync/leaf/message.ts';
import { LEAF_CLIENT_MIN, leafClientOf, leafIdOf } from '../../../../sync/leaf/writer-id.ts';
import { seededRandom } from '../../../helper/manual-ports.ts';

const GOLDEN = new URL('../../../golden/leaf-messages.txt', import.meta.url);
const SECRET = Uint8Array.from({ length: 16 }, (_, i) => i);
const NONCE = new Uint8Array(16).fill(7);
const UPDATE = Uint8Array.of(1, 2, 3);

const MESSAGES: Readonly<Record<string, LeafMessage>> = {
  hello: { type: 'hello', versionMin: 1, versionMax: 2, token: 'atoll_x', secret: SECRET },
  welcome: { type: 'welcome', version: 1, node: 'n1', mayWrite: true },
  subscribe: {
    type: 'subscribe',
    subscription: 1,
    database: 'app',
    collection: 'todos',
    isEmpty: true,
    cursor: 'abc',
    selection: '{"filters":[],"ids":[],"isAll":true}',
  },
  config: { type: 'config', subscription: 1, config: '{"deletePolicy":"delete-wins"}' },
  changes: {
    type: 'changes',
    subscription: 1,
    page: 300,
    cursor: 'def',
    isBehind: true,
    isCurrent: false,
    scan: null,
    entries: [
      { kind: 'deleted', id: 'a' },
      { kind: 'unmatched', id: 'b' },
      { kind: 'announced', id: 'c', etag: '"e"' },
      { kind: 'content', id: 'd', etag: '"f"', isMatching: true, isWhole: true, parts: [UPDATE, UPDATE] },
    ],
  },
  'changes-scan': {
    type: 'changes',
    subscription: 2,
    page: 1,
    cursor: '',
    isBehind: false,
    isCurrent: true,
    scan: { after: 'ä', until: '' },
    entries: [],
  },
  acknowledge: { type: 'acknowledge', page: 300 },
  fetch: { type: 'fetch', subscription: 1, documents: [{ id: 'c', stateVector: Uint8Array.of(1, 9, 4) }] },
  contents: {
    type: 'contents',
    isLast: true,
    isBehind: false,
    entries: [
      { kind: 'content', id: 'c', etag: '"e"', isMatching: false, isWhole: false, parts: [UPDATE] },
      { kind: 'deleted', id: 'a' },
    ],
  },
  push: {
    type: 'push',
    number: 5,
    nonces: [NONCE],
    edits: [
      { subscription: 1, id: 'c', isBeginning: true, isAfterDelete: false, generation: 2 ** 42 + 5, update: UPDATE },
    ],
  },
  pushed: {
    type: 'pushed',
    number: 5,
    outcomes: [{ kind: 'taken' }, { kind: 'later' }, { kind: 'gone' }, { kind: 'refused', code: 'X', message: 'why' }],
  },
  ended: { type: 'ended', subscription: 1, code: 'SYNC_DATABASE_NOT_FOUND', message: 'why' },
  ping: { type: 'ping' },
  pong: { type: 'pong' },
};
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

test('[LF14] every message decodes to what was encoded, and its bytes are fixed', () => {
  const lines = Object.entries(MESSAGES).map(([name, message]) => {
    const bytes = encodeLeafMessage(message);
    expect(decodeLeafMessage(bytes)).toEqual(message);
    return `${name} ${hex(bytes)}`;
  });
  if (process.env['GOLDEN_UPDATE'] === '1') writeFileSync(GOLDEN, `${lines.join('\n')}\n`);
  expect(`${lines.join('\n')}\n`).toBe(readFileSync(GOLDEN, 'utf8'));
  expect(new Set(Object.values(MESSAGES).map(({ type }) => type)).size).toBe(Object.keys(LEAF_MESSAGE_TYPES).length);
});

test('[LF14] a message that is cut, longer than its fields or of no known type is refused', () => {
  const malformed = expect.objectContaining({ code: 'SYNC_FRAME_MALFORMED' });
  for (const message of Object.values(MESSAGES)) {
    const bytes = encodeLeafMessage(message);
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeLeafMessage(bytes.subarray(0, length))).toThrow(malformed);
    }
    expect(() => decodeLeafMessage(Uint8Array.of(...bytes, 0))).toThrow(malformed);
  }
  for (const type of [0, 14, 255]) expect(() => decodeLeafMessage(Uint8Array.of(type))).toThrow(malformed);
});

test('[LF14] whatever bytes come, they are a message or refused', () => {
  const random = seededRandom(7);
  const all = Object.values(MESSAGES).map(encodeLeafMessage);
  for (let round = 0; round < 3000; round++) {
    const [which, where, what, many] = random.bytes(4) as unknown as [number, number, number, number];
    const bytes = all[which! % all.length]!.slice();
    for (let i = 0; i <= many! % 3; i++) bytes[(where! + 7 * i) % bytes.length]! ^= what! | 1;
    try {
      decodeLeafMessage(bytes);
    } catch (error) {
      expect(error).toMatchObject({ code: 'SYNC_FRAME_MALFORMED' });
    }
  }
});

test('[LF4] an id is fixed by secret and nonce, and lies above those of nodes and editors', () => {
  const client = leafClientOf(SECRET, NONCE, portableSha256);
  expect(client).toBe(5_534_656_223_570_107);
  expect(leafClientOf(SECRET, SECRET, portableSha256)).not.toBe(client);
  expect(leafClientOf(NONCE, NONCE, portableSha256)).not.toBe(client);
  expect(client).toBeGreaterThanOrEqual(LEAF_CLIENT_MIN);
  expect(Number.isSafeInteger(client)).toBe(true);
  expect(leafIdOf(SECRET, portableSha256)).toMatch(/^[0-9a-f]{16}$/);
});

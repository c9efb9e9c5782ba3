import * as Y from 'yjs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CrdtDocument, STAMPS_PER_MS } from '../../../../crdt/index.ts';
import type { IntentOperation } from '../../../../crdt/index.ts';
import { TAG } from '../../../../crdt/read-model.ts';
import type { Channel } from '../../../../sync/index.ts';
import { portableSha256 } from '../../../../sync/sha256.ts';
import { decodeLeafMessage, encodeLeafMessage } from '../../../../sync/leaf/codec.ts';
import { WINDOW_BYTES } from '../../../../sync/leaf/limit.ts';
import type { LeafEdit, LeafMessage, LeafOutcome } from '../../../../sync/leaf/message.ts';
import { leafClientOf } from '../../../../sync/leaf/writer-id.ts';
import { describeCloseCode } from '../../../../sync/index.ts';
import { grant, LeafWorld, putOn, readOn, shownOn } from './leaf-fixture.ts';
import type { HostNode } from './leaf-fixture.ts';

const SECRET = new Uint8Array(16).fill(3);
const NONCE = new Uint8Array(16).fill(4);
const CLIENT = leafClientOf(SECRET, NONCE, portableSha256);
const SUBSCRIBE = {
  type: 'subscribe',
  subscription: 1,
  database: 'app',
  collection: 'todos',
  isEmpty: true,
  cursor: '',
  selection: '{"filters":[],"ids":[],"isAll":true}',
} as const;

let world: LeafWorld;
let node: HostNode;
beforeEach(async () => {
  world = new LeafWorld();
  [node] = (await world.nodes('a')) as [HostNode];
});
afterEach(async () => {
  await world.close();
  expect(world.errors).toEqual([]);
});

/** A leaf that says what it is told to. */
class Raw {
  readonly heard: LeafMessage[] = [];
  closed: string | null = null;
  readonly #channel: Channel;
  #number = 0;

  private constructor(channel: Channel) {
    this.#channel = channel;
    channel.onMessage = (bytes) => void this.heard.push(decodeLeafMessage(bytes));
    channel.onClose = (code) => {
      this.closed = describeCloseCode(code);
    };
  }

  static async open(): Promise<Raw> {
    return new Raw(await world.dial('a'));
  }

  static async welcome(token = ''): Promise<Raw> {
    const raw = await Raw.open();
    raw.say({ type: 'hello', versionMin: 1, versionMax: 1, token, secret: SECRET });
    await world.time.advance(20);
    expect(raw.heard[0]).toMatchObject({ type: 'welcome' });
    raw.say(SUBSCRIBE);
    await world.time.advance(50);
    return raw;
  }

  say(message: LeafMessage): void {
    this.#channel.send(encodeLeafMessage(message));
  }

  sayBytes(bytes: Uint8Array): void {
    this.#channel.send(bytes);
  }

  async push(id: string, update: Uint8Array, isBeginning = false): Promise<LeafOutcome> {
    const [outcome] = await this.pushAll([{ subscription: 1, id, isBeginning, isAfterDelete: false, update }]);
    return outcome!;
  }

  async pushAll(edits: readonly LeafEdit[]): Promise<readonly LeafOutcome[]> {
    const number = ++this.#number;
    this.say({ type: 'push', number, nonces: [NONCE], edits });
    await world.until(() => this.heard.some((each) => each.type === 'pushed' && each.number === number));
    const pushed = this.heard.find((each) => each.type === 'pushed' && each.number === number);
    return (pushed as Extract<LeafMessage, { type: 'pushed' }>).outcomes;
  }
}

/** What a document is on the node, to be written on. */
async function copyOf(id: string): Promise<CrdtDocument> {
  const { table } = node.replica.database('app').parts;
  const slot = table.acquire('todos', id);
  await slot.loading;
  const copy = CrdtDocument.load(...slot.document.encodeParts());
  table.release(slot);
  return copy;
}

let stamp = 1000;
const stampNow = (): number => ++stamp;

test('[LF5] an honest update is taken, as the id that the leaf has proved', async () => {
  await putOn(node, 't1', { title: 'milk' });
  const raw = await Raw.welcome();
  const copy = await copyOf('t1');
  const author = { client: CLIENT, stamp: stampNow() };
  const update = copy.change({ kind: 'merge-patch', patch: { done: true } }, author)!;
  expect(await raw.push('t1', update)).toEqual({ kind: 'taken' });
  expect(await raw.push('t1', update)).toEqual({ kind: 'taken' });
  expect(await readOn(node, 't1')).toEqual({ done: true, title: 'milk' });
});

test('[LF5] nobody writes in the name of a node, an editor or another leaf', async () => {
  await putOn(node, 't1', { title: 'milk' });
  const raw = await Raw.welcome();
  const { origin } = node.replica.status();
  const other = leafClientOf(SECRET, SECRET, portableSha256);
  for (const client of [origin, 77, other, CLIENT + 1]) {
    const copy = await copyOf('t1');
    const update = copy.change({ kind: 'merge-patch', patch: { by: client } }, { client, stamp: stampNow() })!;
    expect(await raw.push('t1', update)).toMatchObject({ kind: 'refused', code: 'CRDT_UPDATE_FORBIDDEN' });
  }
  expect(await readOn(node, 't1')).toEqual({ title: 'milk' });
});

test('[LF2] a leaf that may only read writes nothing, whatever it sends', async () => {
  await putOn(node, 't1', { title: 'milk' });
  world.grants.set('reader', grant({ mayWrite: false }));
  const raw = await Raw.welcome('reader');
  const author = { client: CLIENT, stamp: stampNow() };
  const change = (await copyOf('t1')).change({ kind: 'merge-patch', patch: { title: 'wine' } }, author)!;
  expect(await raw.push('t1', change)).toMatchObject({ kind: 'refused', code: 'SYNC_LEAF_FORBIDDEN' });
  const first = CrdtDocument.create().change({ kind: 'replace', value: { title: 'wine' } }, author)!;
  expect(await raw.push('t2', first, true)).toMatchObject({ kind: 'refused', code: 'SYNC_LEAF_FORBIDDEN' });
  expect(await readOn(node, 't1')).toEqual({ title: 'milk' });
  expect(await readOn(node, 't2')).toBe(null);
});

test('[LF5] a stamp is of the next 24 hours at most', async () => {
  const hour = 3_600_000 * STAMPS_PER_MS;
  await putOn(node, 't1', { title: 'milk' });
  const raw = await Raw.welcome();
  const now = node.replica.database('app').parts.clock.last;
  const write = async (title: string, stamp: number): Promise<LeafOutcome> => {
    const change = { kind: 'merge-patch', patch: { title } } as const;
    return raw.push('t1', (await copyOf('t1')).change(change, { client: CLIENT, stamp })!);
  };
  expect(await write('wine', now + 25 * hour)).toMatchObject({ kind: 'refused', code: 'CRDT_UPDATE_FORBIDDEN' });
  expect(await readOn(node, 't1')).toEqual({ title: 'milk' });
  expect(await write('beer', now + 23 * hour)).toEqual({ kind: 'taken' });
  expect(await readOn(node, 't1')).toEqual({ title: 'beer' });
});

test('[LF5] nobody deletes, or says to have seen, what is not written yet', async () => {
  await putOn(node, 't1', { title: 'milk', count: 1 });
  const raw = await Raw.welcome();
  const { origin } = node.replica.status();
  const before = await copyOf('t1');
  // Deletes clocks that the node is still to write.
  const doc = new Y.Doc();
  Y.applyUpdate(doc, before.encode());
  doc.clientID = CLIENT;
  const squat = Y.encodeStateAsUpdate(doc);
  const future = Y.mergeUpdates([squat, deleteSet(origin, 0, 1000)]);
  expect(await raw.push('t1', future)).toEqual({ kind: 'gone' });
  // A tombstone and an absorbed count that claim it.
  for (const change of [{ kind: 'delete' }, { kind: 'merge-patch', patch: { count: 5 } }] as const) {
    const ahead = await copyOf('t1');
    const increment = { kind: 'operations', operations: [{ op: 'increment', path: '/count', value: 1 }] } as const;
    for (let i = 0; i < 3; i++) ahead.change(increment, { client: origin, stamp: stampNow() + i });
    const claim = ahead.change(change, { client: CLIENT, stamp: stampNow() + 10 })!;
    expect(await raw.push('t1', claim)).toEqual({ kind: 'gone' });
  }
  await node.replica.database('app').write('todos', 't1', {
    kind: 'operations',
    operations: [{ op: 'increment', path: '/count', value: 1 }],
  });
  expect(await readOn(node, 't1')).toEqual({ title: 'milk', count: 2 });
});

test('[LF5] a tombstone whose own text claims the future is not believed', async () => {
  await putOn(node, 't1', { title: 'milk' });
  const raw = await Raw.welcome();
  const { origin } = node.replica.status();
  const doc = new Y.Doc();
  Y.applyUpdate(doc, (await copyOf('t1')).encode());
  doc.clientID = CLIENT;
  const since = Y.encodeStateVector(doc);
  // All the node will write for a long time.
  const claimed = Uint8Array.of(1, ...varUint(origin), ...varUint(1_000_000));
  doc.getArray('~').push([stampNow(), [0, claimed]]);
  expect(await raw.push('t1', Y.encodeStateAsUpdate(doc, since))).toEqual({ kind: 'gone' });
  expect(await readOn(node, 't1')).toEqual({ title: 'milk' });
});

test.each([
  ['/count', 'a member'],
  ['/nested/count', 'one further down'],
  ['/list/0/count', 'one of an element'],
  ['/list/0/count', 'one of an element that is gone'],
])(
  '[LF5] a number whose own text says to have counted what is still to come is not believed: %s, %s',
  async (path, what) => {
    const app = node.replica.database('app');
    const write = (operation: IntentOperation): Promise<unknown> =>
      app.write('todos', 't1', { kind: 'operations', operations: [operation] });
    await putOn(node, 't1', { count: 1, nested: { count: 1 }, list: [{ count: 1 }] });
    await write({ op: 'increment', path, value: 1 });
    const raw = await Raw.welcome();
    const place = rowsOf(await copyOf('t1')).find((row) => row[2] === TAG.tally)![0];
    if (what.endsWith('gone')) await write({ op: 'remove', path: '/list', index: 0 });
    const doc = new Y.Doc();
    Y.applyUpdate(doc, (await copyOf('t1')).encode());
    doc.clientID = CLIENT;
    const since = Y.encodeStateVector(doc);
    const claimed = { [node.replica.status().origin.toString(36)]: [1000, 1_000_000] };
    doc.getArray('~').push([stampNow(), [place, 5, claimed]]);
    expect(await raw.push('t1', Y.encodeStateAsUpdate(doc, since))).toEqual({ kind: 'gone' });
  },
);

/** What stands in the root array. */
function rowsOf(document: CrdtDocument): readonly unknown[][] {
  const doc = new Y.Doc();
  Y.applyUpdate(doc, document.encode());
  return doc
    .getArray('~')
    .toArray()
    .filter((row) => Array.isArray(row)) as unknown[][];
}

test('[LF5] what is refused keeps nothing else of the message from being taken', async () => {
  const raw = await Raw.welcome();
  const author = { client: CLIENT, stamp: stampNow() };
  const edit = (id: string, update?: Uint8Array): LeafEdit => ({
    subscription: 1,
    id,
    isBeginning: true,
    isAfterDelete: false,
    update: update ?? CrdtDocument.create().change({ kind: 'replace', value: { id } }, author)!,
  });
  const edits = [edit('t1'), edit('t2', Uint8Array.of(9, 9, 9)), edit('t3')];
  const outcomes = await raw.pushAll(edits);
  expect(outcomes.map(({ kind }) => kind)).toEqual(['taken', 'refused', 'taken']);
  for (const [id, expected] of [
    ['t1', { id: 't1' }],
    ['t2', null],
    ['t3', { id: 't3' }],
  ] as const)
    expect(await readOn(node, id)).toEqual(expected);
});

test('[LF5] what is malformed or against the schema is refused, and nothing of it is stored', async () => {
  const app = node.replica.database('app');
  const raw = await Raw.welcome();
  const { digest } = app.digest();
  expect(await raw.push('t1', Uint8Array.of(9, 9, 9))).toMatchObject({
    kind: 'refused',
    code: 'CRDT_UPDATE_MALFORMED',
  });
  expect(await raw.push('\u0000', Uint8Array.of(0, 0))).toMatchObject({
    kind: 'refused',
    code: 'SYNC_DOCUMENT_ID_INVALID',
  });
  expect(app.digest().digest).toBe(digest);
  await putOn(node, 't1', { title: 'milk' });
  app.parts.schemas.checkOf = () => () => [{ pointer: '/title', detail: 'is not a string' }];
  const author = { client: CLIENT, stamp: stampNow() };
  const wrong = (await copyOf('t1')).change({ kind: 'merge-patch', patch: { title: 7 } }, author)!;
  expect(await raw.push('t1', wrong)).toMatchObject({ kind: 'refused', code: 'SYNC_SCHEMA_VIOLATION' });
  expect(await readOn(node, 't1')).toEqual({ title: 'milk' });
});

test('[LF5] a document does not grow beyond the limit, however small the updates are', async () => {
  const raw = await Raw.welcome();
  const limits = { depthMax: 64, keyBytesMax: 1024, documentBytesMax: 1e9 };
  const grow = (to: CrdtDocument, part: string): Uint8Array => {
    const patch = { [part]: 'x'.repeat(5 * 1024 * 1024) };
    return to.change({ kind: 'merge-patch', patch }, { client: CLIENT, stamp: stampNow(), limits })!;
  };
  expect(await raw.push('big', grow(CrdtDocument.create(), 'a'), true)).toEqual({ kind: 'taken' });
  const { digest } = node.replica.database('app').digest();
  expect(await raw.push('big', grow(await copyOf('big'), 'b'))).toMatchObject({
    kind: 'refused',
    code: 'CRDT_LIMIT_EXCEEDED',
  });
  expect(Object.keys((await readOn(node, 'big')) as object)).toEqual(['a']);
  expect(node.replica.database('app').digest().digest).toBe(digest);
});

test('[LF14] a connection that does not keep to the rules is closed, with the reason', async () => {
  const silent = await Raw.open();
  await world.time.advance(6000);
  expect(silent.closed).toBe('HANDSHAKE_TIMEOUT');

  const rude = await Raw.open();
  rude.say({ type: 'ping' });
  await world.until(() => rude.closed !== null);
  expect(rude.closed).toBe('MESSAGE_UNEXPECTED');

  const garbled = await Raw.open();
  garbled.sayBytes(Uint8Array.of(99));
  await world.until(() => garbled.closed !== null);
  expect(garbled.closed).toBe('FRAME_MALFORMED');

  const long = await Raw.open();
  long.sayBytes(new Uint8Array(2000));
  await world.until(() => long.closed !== null);
  expect(long.closed).toBe('FRAME_TOO_LARGE');

  const future = await Raw.open();
  future.say({ type: 'hello', versionMin: 2, versionMax: 9, token: '', secret: SECRET });
  await world.until(() => future.closed !== null);
  expect(future.closed).toBe('VERSION_UNSUPPORTED');

  const stranger = await Raw.open();
  stranger.say({ type: 'hello', versionMin: 1, versionMax: 1, token: 'wrong', secret: SECRET });
  await world.until(() => stranger.closed !== null);
  expect(stranger.closed).toBe('AUTH_FAILED');
  expect(stranger.heard).toEqual([]);

  const hasty = await Raw.welcome();
  const fetch = { type: 'fetch', subscription: 1, documents: [] } as const;
  hasty.say(fetch);
  hasty.say({ ...fetch, documents: Array.from({ length: 65 }, () => ({ id: 'x', stateVector: new Uint8Array(0) })) });
  await world.until(() => hasty.closed !== null);
  expect(hasty.closed).toBe('MESSAGE_UNEXPECTED');

  const greedy = await Raw.welcome();
  for (let subscription = 2; subscription <= 65; subscription++) greedy.say({ ...SUBSCRIBE, subscription });
  await world.until(() => greedy.closed !== null);
  expect(greedy.closed).toBe('MESSAGE_UNEXPECTED');

  const quiet = await Raw.welcome();
  await world.time.advance(40_000);
  expect(quiet.closed).toBe('PEER_SILENT');
});

test('[LF14] who writes as too many over one connection is parted with', async () => {
  const raw = await Raw.welcome();
  const nonceOf = (n: number): Uint8Array => Uint8Array.from(NONCE, (byte, i) => (i < 2 ? (n >> (8 * i)) & 255 : byte));
  raw.say({ type: 'push', number: 1, nonces: Array.from({ length: 1025 }, (_, n) => nonceOf(n)), edits: [] });
  await world.time.advance(100);
  expect(raw.closed).toBe('MESSAGE_UNEXPECTED');
});

test('[LF14] whatever a leaf sends, the node goes on', async () => {
  await putOn(node, 't1', { title: 'milk' });
  const honest = await world.leaf({ nodes: ['a'] });
  await world.settle(honest);
  let state = 12_345;
  const random = (below: number): number =>
    Math.floor(((state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32) * below);
  for (let round = 0; round < 100; round++) {
    const raw = await Raw.welcome();
    const update = (await copyOf('t1')).change(
      { kind: 'merge-patch', patch: { n: round } },
      { client: CLIENT, stamp: stampNow() },
    )!;
    const messages: LeafMessage[] = [
      {
        type: 'push',
        number: 1,
        nonces: [NONCE],
        edits: [{ subscription: 1, id: 't2', isBeginning: true, isAfterDelete: false, update }],
      },
      { ...SUBSCRIBE, subscription: random(3), cursor: random(2) === 0 ? 'nonsense' : '' },
      { type: 'acknowledge', page: random(100) },
      {
        type: 'fetch',
        subscription: random(3),
        documents: [{ id: 't1', stateVector: Uint8Array.of(random(256), random(256)) }],
      },
    ];
    for (const message of messages) {
      const bytes = encodeLeafMessage(message);
      for (let i = random(4); i > 0; i--) bytes[random(bytes.length)]! ^= 1 << random(8);
      raw.sayBytes(bytes);
    }
    await world.time.advance(30);
  }
  await putOn(node, 't1', { title: 'bread' });
  await world.settle(honest);
  expect(shownOn(honest, 't1')).toEqual({ title: 'bread' });
});

test('[LF13] a leaf that stops taking what it is sent costs a window, and holds nobody up', async () => {
  const app = node.replica.database('app');
  const other = await world.leaf({ nodes: ['a'] });
  const raw = await Raw.welcome();
  for (let i = 0; i < 400; i++)
    await app.write('todos', `t${i}`, { kind: 'replace', value: { text: 'x'.repeat(1900) } });
  await world.until(() => other.leaf.collection('app', 'todos').list().length === 400);
  const sent = raw.heard.flatMap((message) => (message.type === 'changes' ? [encodeLeafMessage(message).length] : []));
  const total = sent.reduce((sum, bytes) => sum + bytes, 0);
  expect(total).toBeLessThan(WINDOW_BYTES + 200_000);
  expect(Math.max(...node.host.status().map(({ unacknowledgedBytes }) => unacknowledgedBytes))).toBe(total);
  const pages = raw.heard.flatMap((message) => (message.type === 'changes' ? [message.page] : []));
  raw.say({ type: 'acknowledge', page: pages.at(-1)! });
  await world.time.advance(100);
  expect(raw.heard.length).toBeGreaterThan(pages.length);
});

test('[LF16] a node tells which leaves are connected, by what token', async () => {
  world.grants.set('named', grant({ tokenId: 'abc' }));
  const raw = await Raw.welcome('named');
  const [status] = node.host.status();
  expect(status).toMatchObject({ token: 'abc', subscriptions: 1, editsTaken: 0 });
  expect(status!.leaf).toMatch(/^[0-9a-f]{16}$/);
  const update = CrdtDocument.create().change({ kind: 'replace', value: {} }, { client: CLIENT, stamp: stampNow() })!;
  await raw.push('t1', update, true);
  expect(node.host.status()).toMatchObject([{ editsTaken: 1 }]);
});

function deleteSet(client: number, from: number, length: number): Uint8Array {
  return Uint8Array.of(0, 1, ...varUint(client), 1, ...varUint(from), ...varUint(length));
}

function varUint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return [...bytes, rest];
}

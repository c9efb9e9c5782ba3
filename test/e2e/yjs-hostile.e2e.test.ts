import * as encoding from 'lib0/encoding';
import WebSocket from 'ws';
import * as Y from 'yjs';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { openClient, type SharedClient } from '../helper/yjs-client.ts';
import { eventually, Leftovers } from './cli-process.ts';

const leftovers = new Leftovers();
let url: string;
let witness: SharedClient;
const sockets: WebSocket[] = [];

beforeAll(async () => {
  url = (await leftovers.startNode()).url;
  await fetch(`${url}/v1/app`, { method: 'PUT' });
});
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.terminate();
  witness.destroy();
});
afterAll(() => leftovers.clear());

/** A client that says whatever it likes. */
class Raw {
  readonly socket: WebSocket;
  readonly closed: Promise<number>;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => socket.once('close', resolve));
    sockets.push(socket);
  }

  static async open(path: string): Promise<Raw> {
    const raw = new Raw(new WebSocket(`${url.replace('http', 'ws')}${path}`));
    raw.socket.on('error', () => undefined);
    await new Promise((resolve) => raw.socket.once('open', resolve));
    return raw;
  }

  send(bytes: Uint8Array): void {
    this.socket.send(bytes);
  }
}

function sync(kind: number, update: Uint8Array): Uint8Array {
  const encoder = encoding.createEncoder();
  encoding.writeVarUint(encoder, 0);
  encoding.writeVarUint(encoder, kind);
  encoding.writeVarUint8Array(encoder, update);
  return encoding.toUint8Array(encoder);
}

function named(name: string, message: Uint8Array): Uint8Array {
  const encoder = encoding.createEncoder();
  encoding.writeVarString(encoder, name);
  encoding.writeUint8Array(encoder, message);
  return encoding.toUint8Array(encoder);
}

function numbers(...values: number[]): Uint8Array {
  const encoder = encoding.createEncoder();
  for (const value of values) encoding.writeVarUint(encoder, value);
  return encoding.toUint8Array(encoder);
}

const good = new Y.Doc();
good.getText('body').insert(0, 'x'.repeat(40));
const state = Y.encodeStateAsUpdate(good);

function deepMap(depth: number): Uint8Array {
  const doc = new Y.Doc();
  let map = doc.getMap('deep');
  for (let level = 0; level < depth; level++) map = map.set('in', new Y.Map()) as Y.Map<unknown>;
  return Y.encodeStateAsUpdate(doc);
}

function manyRoots(count: number): Uint8Array {
  const doc = new Y.Doc();
  doc.transact(() => {
    for (let index = 0; index < count; index++) doc.getText(`root${index}`).insert(0, 'x');
  });
  return Y.encodeStateAsUpdate(doc);
}

function asClient(id: number): Uint8Array {
  const doc = new Y.Doc();
  doc.clientID = id;
  doc.getText('body').insert(0, 'mine');
  return Y.encodeStateAsUpdate(doc);
}

/** A struct of 1,000,000 clocks without content. */
const squat = (client: number, clock: number): Uint8Array => numbers(1, 1, client, clock, 0, 1_000_000, 0);
const deletion = (client: number, clock: number, length: number): Uint8Array => numbers(0, 1, client, 1, clock, length);

const BAD: readonly (readonly [string, (victim: number, clock: number) => Uint8Array, number, number])[] = [
  ['a truncated update', () => state.subarray(0, state.length - 3), 4400, 4403],
  ['bytes that are none', () => Uint8Array.from({ length: 50 }, (_, index) => 255 - index), 4400, 4403],
  ['an update with bytes behind it', () => Uint8Array.from([...state, 1, 2]), 4400, 4403],
  ['an update of version 2', () => Y.convertUpdateFormatV1ToV2(state), 4400, 4403],
  ['clocks of a client that is here', squat, 4403, 4403],
  ['a million clocks of nobody', () => squat(77, 0), 4403, 4403],
  ['the next clock of a client that is here', (victim, clock) => numbers(1, 1, victim, clock, 0, 1, 0), 4403, 4403],
  ['the future of a client that is here', (victim, clock) => deletion(victim, clock, 2 ** 40), 4403, 4403],
  ['the future of nobody', () => deletion(5, 0, 2 ** 40), 4403, 4403],
  ['the near future of a client that is here', (victim, clock) => deletion(victim, clock, 100), 4400, 4403],
  ['an update after a gap that nobody fills', () => numbers(1, 1, 88, 50, 0, 1, 0), 4400, 4403],
  ['what a node wrote, which no node has brought', () => asClient(2 ** 32 + 5), 4503, 4503],
  ['client id 0', () => asClient(0), 4403, 4403],
  ['types in types in types', () => deepMap(150), 4413, 1009],
  ['thousands of root types', () => manyRoots(2000), 4413, 1009],
  ['more bytes than a document has', () => new Uint8Array(17_000_000), 4413, 1009],
];

describe('updates that are refused', () => {
  test.each(BAD)('[YJ6] y-websocket: %s', { timeout: 30_000 }, async (name, make, code) => {
    const id = `ws-${name.replaceAll(' ', '-')}`;
    witness = openClient('y-websocket 3.1', { url, name: `app/hostile/${id}` });
    witness.doc.getText('body').insert(0, 'fine');
    await eventually(async () => witness.isSynced() && (await read(id)) === '{"body":"fine"}');
    const raw = await Raw.open(`/yjs/app/hostile/${id}`);
    raw.send(sync(1, numbers(0, 0)));
    raw.send(sync(2, make(witness.doc.clientID, 4)));
    expect(await raw.closed).toBe(code);
    await expectUndisturbed(id);
  });

  test.each(BAD)('[YJ6] Hocuspocus: %s', { timeout: 30_000 }, async (name, make, _code, code) => {
    const id = `hp-${name.replaceAll(' ', '-')}`;
    witness = openClient('hocuspocus 4', { url, name: `app/hostile/${id}` });
    witness.doc.getText('body').insert(0, 'fine');
    await eventually(async () => witness.isSynced() && (await read(id)) === '{"body":"fine"}');
    const raw = await Raw.open('/hocuspocus');
    raw.send(named(`app/hostile/${id}`, sync(1, numbers(0, 0))));
    raw.send(named(`app/hostile/${id}`, sync(2, make(witness.doc.clientID, 4))));
    expect(await raw.closed).toBe(code);
    await expectUndisturbed(id);
  });

  test('[YJ6] messages that are none', async () => {
    witness = openClient('y-websocket 3.1', { url, name: 'app/hostile/messages' });
    for (const bytes of [
      [],
      [9, 9],
      [0, 7, 0],
      [0, 0, 200],
      [1, 3, 1],
      [255, 255, 255, 255, 255, 255, 255, 255, 255],
    ]) {
      const raw = await Raw.open('/yjs/app/hostile/messages');
      raw.send(Uint8Array.from(bytes));
      expect(await raw.closed, String(bytes)).toBe(4400);
    }
    witness.doc.getText('body').insert(0, 'fine');
    await eventually(async () => (await read('messages')) === '{"body":"fine"}');
  });

  async function expectUndisturbed(id: string): Promise<void> {
    witness.doc.getText('body').insert(4, '!');
    await eventually(async () => (await read(id)) === '{"body":"fine!"}');
    expect(witness.closes).toEqual([]);
    expect(witness.doc.getText('body').toString()).toBe('fine!');
  }
});

describe('awareness that is refused', () => {
  test('[YJ5] nobody speaks for a client that is here, nor in what is not JSON', async () => {
    witness = openClient('y-websocket 3.1', { url, name: 'app/hostile/presence' });
    const other = openClient('hocuspocus 3', { url, name: 'app/hostile/presence' });
    witness.awareness.setLocalStateField('name', 'Ada');
    await eventually(async () => namesSeen(other).includes('Ada'));
    const raw = await Raw.open('/yjs/app/hostile/presence');
    const state = (client: number, text: string): Uint8Array => {
      const payload = encoding.createEncoder();
      for (const value of [1, client, 1000]) encoding.writeVarUint(payload, value);
      encoding.writeVarString(payload, text);
      const encoder = encoding.createEncoder();
      encoding.writeVarUint(encoder, 1);
      encoding.writeVarUint8Array(encoder, encoding.toUint8Array(payload));
      return encoding.toUint8Array(encoder);
    };
    raw.send(state(1234, '{"name":"Raw"}'));
    raw.send(state(witness.doc.clientID, '{"name":"Eve"}'));
    raw.send(state(1234, '{"broken'));
    raw.send(state(1235, '{"name":"Second"}'));
    await eventually(async () => namesSeen(other).includes('Second'));
    expect(namesSeen(other).sort()).toEqual(['Ada', 'Raw', 'Second']);
    raw.socket.terminate();
    await eventually(async () => namesSeen(other).join() === 'Ada');
    other.destroy();
  });
});

function namesSeen({ awareness }: SharedClient): unknown[] {
  return [...awareness.getStates().values()].flatMap((state) => ('name' in state ? [state['name']] : []));
}

async function read(id: string): Promise<string> {
  const answer = await fetch(`${url}/v1/app/hostile/docs/${encodeURIComponent(id)}`);
  return answer.text();
}

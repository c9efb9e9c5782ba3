import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import * as Y from 'yjs';
import { createReplica, MemoryStore, type Presence, type Replica } from '../../../sync/index.ts';
import { Room, type Member } from '../../../server/yjs/room.ts';

/** With so many clients those who tell wait for 10 ms. */
const CLIENTS = 100;

let replica: Replica;
let room: Room;
/** Frames that the first client was sent. */
let told: Uint8Array[];
/** Let writes through that wait for the disk. */
let waiting: (() => void)[];
let isHolding = false;

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  told = [];
  waiting = [];
  isHolding = false;
  const intercept = (): void | Promise<void> =>
    isHolding ? new Promise((resolve) => waiting.push(resolve)) : undefined;
  replica = await createReplica({ store: new MemoryStore({ intercept }) });
  await replica.createDatabase('app');
  await write({ title: 'shared' });
  const presence = { entriesOf: () => [] } as unknown as Presence;
  room = new Room('app', replica.database('app'), { collection: 'notes', id: 'n1' }, { presence, bytesMax: 100_000 });
  await room.open();
  for (let i = 0; i < CLIENTS; i++) room.add(memberOf(i === 0));
});
afterEach(async () => {
  isHolding = false;
  for (const proceed of waiting) proceed();
  room.close();
  vi.useRealTimers();
  await replica.close();
});

function memberOf(isFirst: boolean): Member {
  return {
    socket: { sendFrames: (frames: Uint8Array) => isFirst && told.push(frames) },
    prefix: new Uint8Array(0),
    prefixKey: '',
    grant: { isReadOnly: false },
    ids: new Set(),
    present: new Set(),
    unresolved: null,
    acknowledge: () => undefined,
    refuse: (error: unknown) => {
      throw error;
    },
  } as unknown as Member;
}

function write(patch: Record<string, string>): Promise<unknown> {
  return replica.database('app').write('notes', 'n1', { kind: 'merge-patch', patch });
}

function typed(text: string): Uint8Array {
  const doc = new Y.Doc();
  doc.getText('body').insert(0, text);
  return Y.encodeStateAsUpdate(doc);
}

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** The disk takes the next group. */
async function persist(): Promise<void> {
  await vi.waitFor(() => expect(waiting).not.toEqual([]), { interval: 0 });
  waiting.shift()!();
  for (let i = 0; i < 5; i++) await turn();
}

const shows = (text: string): boolean => told.some((frames) => Buffer.from(frames).includes(text));

test('[YJ90] what a client of this node wrote is told once it is durable, whatever else became durable meanwhile', async () => {
  isHolding = true;
  const others = write({ title: 'of another' });
  for (let i = 0; i < 3; i++) await turn();
  room.handleUpdate(memberOf(false), typed('typed here'), false);
  await persist();
  await others;
  // All are told at once after a rest, and then not again for a while.
  expect([shows('of another'), shows('typed here')]).toEqual([true, false]);
  await persist();
  expect(shows('typed here')).toBe(true);
});

test('[YJ70] what others wrote is told in its own time, half of what writes of clients wait', async () => {
  vi.advanceTimersByTime(1000);
  await write({ title: 'first' });
  for (let i = 0; i < 5; i++) await turn();
  await write({ title: 'second' });
  for (let i = 0; i < 5; i++) await turn();
  expect([shows('first'), shows('second')]).toEqual([true, false]);
  vi.advanceTimersByTime(4);
  expect(shows('second')).toBe(true);
});

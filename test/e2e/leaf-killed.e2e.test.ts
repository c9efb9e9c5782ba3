/**
 * @module
 * Owns the proof that a program with a leaf may be killed at any moment: what it was told is durable is there afterwards, and is sent.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, expect, test } from 'vitest';
import { createWebSocketDialer, RocksDbStore } from '../../server/index.ts';
import { createLeaf } from '../../sync/index.ts';
import { eventually, Leftovers } from './cli-process.ts';

const leftovers = new Leftovers();
afterAll(() => leftovers.clear());

const SUBSCRIBE = [{ database: 'app', collection: 'todos' }];
/** Says a number when what was written under it is durable. */
const PROGRAM = `
import { createWebSocketDialer, RocksDbStore } from './dist/server/index.js';
import { createLeaf } from './dist/sync/index.js';
const [url, directory, from] = process.argv.slice(1);
const leaf = await createLeaf({
  urls: url,
  transport: createWebSocketDialer({ path: 'leaf' }),
  store: await RocksDbStore.open(directory),
  subscribe: ${JSON.stringify(SUBSCRIBE)},
});
const todos = leaf.collection('app', 'todos');
for (let i = Number(from); ; i++) {
  await Promise.all([
    todos.put('t' + i, { i }),
    todos.apply('counter', [{ op: 'increment', path: '/visits', value: 1 }]),
  ]);
  console.log(i);
}
`;

/** Runs the program until so many numbers were said, and kills it. @returns The next number. */
async function writeAndDie(url: string, directory: string, from: number, count: number): Promise<number> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM, url, directory, String(from)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  let last = from - 1;
  const lines = createInterface({ input: child.stdout });
  lines.on('line', (line) => {
    last = Number(line);
    if (last >= from + count) child.kill('SIGKILL');
  });
  const said = once(lines, 'close');
  expect(await ended).toEqual([null, 'SIGKILL']);
  await said;
  return last + 1;
}

test('[LF66] a program with a leaf is killed again and again: nothing it was told is durable is lost, or counts twice', async () => {
  const directory = join(await leftovers.directory(), 'leaf');
  const nowhere = 'http://127.0.0.1:1';
  const { url } = await leftovers.startNode([]);
  await fetch(`${url}/v1/app`, { method: 'PUT' });
  let written = 0;
  const kills = [nowhere, nowhere, url, url, nowhere];
  for (const [round, to] of kills.entries()) written = await writeAndDie(to, directory, written, 40 + round * 17);
  const leaf = await createLeaf({
    urls: url,
    transport: createWebSocketDialer({ path: 'leaf' }),
    store: await RocksDbStore.open(directory),
    subscribe: SUBSCRIBE,
  });
  const todos = leaf.collection('app', 'todos');
  for (let i = 0; i < written; i++) expect(todos.get(`t${i}`)?.doc).toEqual({ i });
  await leaf.settled();
  const read = async (id: string): Promise<unknown> => (await fetch(`${url}/v1/app/todos/docs/${id}`)).json();
  for (let i = 0; i < written; i++) expect(await read(`t${i}`)).toEqual({ i });
  // What was under way when it was killed may count or not.
  const { visits } = (await read('counter')) as { visits: number };
  expect(visits).toBeGreaterThanOrEqual(written);
  expect(visits).toBeLessThanOrEqual(written + kills.length);
  await eventually(async () => todos.get('counter')?.doc['visits'] === visits);
  await leaf.close();
});

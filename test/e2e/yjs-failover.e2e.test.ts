/**
 * @module
 * Owns shared editing while a node is killed and started again; the large version is the suite `editors` of `bench`.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, expect, test } from 'vitest';
import { openClient, type SharedClient, type Version } from '../helper/yjs-client.ts';
import { eventually, Leftovers } from './cli-process.ts';

const NAME = 'app/notes/failover';
const CLIENTS = 6;
const BEATS = 40;
const BEAT_MS = 100;
/** When one node is killed, and when it is back. */
const [KILL, RESTART] = [12, 20] as const;

const leftovers = new Leftovers();
const clients: SharedClient[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.destroy();
});
afterAll(() => leftovers.clear());

function open(version: Version, url: string): SharedClient {
  const client = openClient(version, { url, name: NAME });
  clients.push(client);
  return client;
}

const textOf = ({ doc }: SharedClient): string => doc.getText('body').toString();

test('[YJ42] clients of two nodes type while one is killed and started again', { timeout: 180_000 }, async () => {
  const secret = join(await leftovers.directory(), 'secret');
  const data = join(await leftovers.directory(), 'data');
  await writeFile(secret, 'a-cluster-secret-of-a-test');
  const a = await leftovers.startNode(['--cluster-secret-file', secret]);
  const options = ['--cluster-secret-file', secret, '--join', a.url];
  let b = await leftovers.startNode(options, data);
  await fetch(`${a.url}/v1/app`, { method: 'PUT' });
  await eventually(async () => (await fetch(`${b.url}/v1/app`)).status === 200);
  const { host } = new URL(b.url);
  for (let i = 0; i < 2 * CLIENTS; i++) open('y-websocket 3.1', i % 2 === 0 ? a.url : b.url);
  const mortal = open('hocuspocus 4', b.url);
  await eventually(async () => clients.every((client) => client.isSynced()));
  // One who knows what was acknowledged, and is not there any more to send it again.
  const left = 'acknowledged, then gone;';
  for (const character of left) mortal.doc.getText('body').insert(mortal.doc.getText('body').length, character);
  await eventually(async () => mortal.unsynced() === 0);
  mortal.destroy();
  clients.splice(clients.indexOf(mortal), 1);

  let typed = 0;
  for (let beat = 0; beat < BEATS; beat++) {
    if (beat === KILL) await b.stop('SIGKILL');
    if (beat === RESTART) b = await leftovers.startNode(['--listen', host, ...options], data);
    for (const [i, { doc }] of clients.entries()) {
      const text = doc.getText('body');
      text.insert((beat * 7 + i * 13) % (text.length + 1), '.');
      typed++;
    }
    await delay(BEAT_MS);
  }
  await eventually(async () => clients.every((client) => client.isSynced()), 60_000);
  await eventually(async () => new Set(clients.map(textOf)).size === 1, 60_000);
  const text = textOf(clients[0]!);
  expect(text.replaceAll('.', '')).toBe(left);
  expect(text.length - left.length).toBe(typed);
  for (const { url } of [a, b]) {
    const read = async (): Promise<unknown> => (await fetch(`${url}/v1/app/notes/docs/failover`)).json();
    await eventually(async () => JSON.stringify(await read()) === JSON.stringify({ body: text }));
  }
});

/**
 * @module
 * A damaged entry in a real RocksDB: the node says which document it is, and gets it back from its peer.
 */
import rocksdb from 'rocksdb';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { AtollNode } from '../../server/index.ts';
import { stateKey, viewKey } from '../../sync/key.ts';
import { createTestNodes, waitFor, type TestNodes } from '../helper/test-node.ts';

let nodes: TestNodes;

beforeEach(() => {
  nodes = createTestNodes();
});

afterEach(() => nodes.close());

const urlOf = (node: AtollNode, id: string): string => `${node.url}/v1/app/c/docs/${id}`;

async function put(node: AtollNode, id: string, value: object): Promise<void> {
  const body = JSON.stringify(value);
  const answer = await fetch(urlOf(node, id), { method: 'PUT', headers: { 'content-type': 'application/json' }, body });
  expect(answer.ok).toBe(true);
}

/** Flips one bit of the values under some keys. */
async function flipBits(directory: string, keys: readonly Uint8Array[]): Promise<void> {
  const db = rocksdb(directory);
  const settle = (run: (done: (error?: Error | null) => void) => void): Promise<void> =>
    new Promise((resolve, reject) => run((error) => (error ? reject(error) : resolve())));
  await settle((done) =>
    db.open({ cacheSize: 1 << 20, writeBufferSize: 1 << 20, maxOpenFiles: 64, compression: true }, done),
  );
  for (const key of keys) {
    const values = await new Promise<(Buffer | undefined)[]>((resolve, reject) =>
      db.getMany([Buffer.from(key)], {}, (error, found) => (error ? reject(error) : resolve(found))),
    );
    const value = values[0];
    if (value === undefined) continue;
    value[value.length - 3]! ^= 1;
    await settle((done) => db.batch([{ type: 'put', key: Buffer.from(key), value }], { sync: true }, done));
  }
  await settle((done) => db.close(done));
}

test('[EQ7] a document with flipped bits on disk is named by its node and comes back from the peer', async () => {
  const data = nodes.directory();
  const a = await nodes.open({ name: 'a' });
  const b = await nodes.open({ name: 'b', data, join: [a.url] });
  await fetch(`${a.url}/v1/app`, { method: 'PUT' });
  for (let i = 0; i < 20; i++) {
    await put(a, `d${i}`, { i });
    await put(a, `d${i}`, { i, again: 'x'.repeat(200) });
  }
  const digestOf = (node: AtollNode): string => node.replica.database('app').digest().digest;
  await waitFor(() => b.replica.databases().includes('app') && digestOf(b) === digestOf(a));
  const { db } = b.replica.database('app').parts;
  await b.close();
  await flipBits(data, [viewKey(db, 'c', 'd7'), stateKey(db, 'c', 'd7'), viewKey(db, 'c', 'd8')]);
  const alone = await nodes.open({ name: 'b', data });
  const refused = await fetch(urlOf(alone, 'd7'));
  expect(refused.status).toBe(503);
  expect(await refused.json()).toMatchObject({ code: 'STORAGE_CORRUPT', detail: expect.stringContaining('c/d7') });
  expect((await fetch(urlOf(alone, 'd9'))).status).toBe(200);
  expect((await fetch(`${alone.url}/livez`)).status).toBe(200);
  await fetch(`${alone.url}/v1/_cluster/doctor`, { method: 'POST' });
  const doctor = async (): Promise<{ healthy: boolean; quarantined: { id: string }[]; scrub: { running: boolean } }> =>
    (await fetch(`${alone.url}/v1/_cluster/doctor`)).json() as never;
  await waitFor(async () => !(await doctor()).scrub.running);
  expect((await doctor()).quarantined.map(({ id }) => id).toSorted()).toEqual(['d7', 'd8']);
  alone.replica.addPeer(a.url);
  await waitFor(async () => (await doctor()).healthy);
  for (const id of ['d7', 'd8']) expect((await fetch(urlOf(alone, id))).status).toBe(200);
  expect(digestOf(alone)).toBe(digestOf(a));
});

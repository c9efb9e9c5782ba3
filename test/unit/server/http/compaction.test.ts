/** What a node tells of documents that leave their history behind, and what its clients see of it. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { IntentOperation } from '../../../../crdt/index.ts';
import { completeOptions } from '../../../../server/config.ts';
import { cryptoRandom, systemClock, systemTimers } from '../../../../server/system-ports.ts';
import { MemoryStore, Replica } from '../../../../sync/index.ts';
import { openTestApp, type TestApp } from '../../../helper/http-app.ts';

const PATH = '/v1/app/c/docs/x';
let replica: Replica;
let node: TestApp;

beforeEach(async () => {
  const ports = { clock: systemClock, timers: systemTimers, random: cryptoRandom };
  const compaction = { intervalMs: 1e9, bytesMin: 500, ratioMin: 2, quietMs: 0 };
  replica = await Replica.open({ store: new MemoryStore(), ...ports, name: 'test', compaction });
  node = await openTestApp({ replica });
  await node.send('PUT', '/v1/app');
});

afterEach(() => node.close());

async function grow(): Promise<void> {
  await node.send('PUT', PATH, { title: 'x' });
  const operations: IntentOperation[] = [];
  for (let i = 0; i < 120; i++) {
    operations.push({ op: 'text-insert', path: '/text', index: i % 2, value: `${i % 10}` });
    if (i > 9) operations.push({ op: 'text-delete', path: '/text', index: (i * 7) % 9, length: 1 });
  }
  await replica.database('app').write('c', 'x', { kind: 'operations', operations });
}

async function compaction(): Promise<{ compacted: number; savedBytes: number }> {
  const { databases } = (await node.send('GET', '/v1/_cluster')).json();
  return databases.find(({ name }: { name: string }) => name === 'app').compaction;
}

async function metrics(): Promise<string[]> {
  const { body } = await node.send('GET', '/metrics');
  return body.split('\n').filter((line) => /^atoll_(grown|compact).*"app"/.test(line));
}

test('[CP8] status and metrics tell how many documents have grown, how many were compacted, and what that saved', async () => {
  await grow();
  const isTold = async (grown: number, compacted: number): Promise<number> => {
    const { savedBytes } = await compaction();
    expect(await compaction()).toEqual({ grown, compacted, savedBytes });
    expect(await metrics()).toEqual([
      `atoll_grown_documents{database="app"} ${grown}`,
      `atoll_compactions_total{database="app"} ${compacted}`,
      `atoll_compaction_saved_bytes_total{database="app"} ${savedBytes}`,
    ]);
    return savedBytes;
  };
  expect(await isTold(0, 0)).toBe(0);
  await replica.upkeep.compactor.compact();
  expect(await isTold(1, 1)).toBeGreaterThan(300);
  await replica.upkeep.compactor.compact();
  expect(await isTold(0, 1)).toBeGreaterThan(300);
});

test('[CP8] how long a document must be left alone is an option in seconds', () => {
  expect(completeOptions({ data: 'x' }).compactSeconds).toBe(600);
  expect(completeOptions({ data: 'x', compactSeconds: 5 }).compactSeconds).toBe(5);
  expect(() => completeOptions({ data: 'x', compactSeconds: 0 })).toThrow(/compact-after/);
});

test('[CP6] a compacted document is a new version with the same content and time, which feeds tell', async () => {
  await grow();
  const before = await node.send('GET', PATH);
  const history = await node.send('GET', `${PATH}/history`);
  const told = node.send('GET', '/v1/app/_changes?since=now&wait=60');
  while (node.context.feeds.status().open === 0) await new Promise((resolve) => setImmediate(resolve));
  await replica.upkeep.compactor.compact();
  expect(await compaction()).toMatchObject({ compacted: 1 });
  const after = await node.send('GET', PATH);
  expect(after.body).toBe(before.body);
  expect(after.headers['last-modified']).toBe(before.headers['last-modified']);
  expect(after.headers.etag).not.toBe(before.headers.etag);
  expect((await told).body).toContain((after.headers.etag as string).replaceAll('"', ''));
  expect((await node.send('GET', `${PATH}/history`)).json()).toEqual(history.json());
  const { statusCode } = await node.send('PUT', PATH, { done: true }, { 'if-match': after.headers.etag as string });
  expect(statusCode).toBe(200);
});

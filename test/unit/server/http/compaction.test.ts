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
  for (let i = 0; i < 90; i++) {
    operations.push({ op: 'text-insert', path: '/text', index: i % 2, value: `${i % 10}` });
    if (i % 3 > 0) operations.push({ op: 'text-delete', path: '/text', index: (i * 7) % 2, length: 1 });
  }
  await replica.database('app').write('c', 'x', { kind: 'operations', operations });
}

async function status(): Promise<{ compaction: object; check: string; metrics: string[] }> {
  const cluster = (await node.send('GET', '/v1/_cluster')).json();
  const doctor = (await node.send('GET', '/v1/_cluster/doctor')).json();
  const { body } = await node.send('GET', '/metrics');
  const of = <T extends { check: string; database: string | null }>(checks: readonly T[]): T =>
    checks.find(({ check, database }) => check === 'compaction' && database === 'app.0')!;
  return {
    compaction: cluster.databases.find(({ name }: { name: string }) => name === 'app').compaction,
    check: of<{ check: string; database: string | null; detail: string }>(doctor.checks).detail,
    metrics: body.split('\n').filter((line) => /^atoll_(grown|compact).*"app"/.test(line)),
  };
}

test('[GC31] status, doctor and metrics tell how many documents have grown, are being compacted and were', async () => {
  await grow();
  await replica.upkeep.compactor.compact();
  const begun = await status();
  expect(begun.compaction).toEqual({ grown: 1, preparing: 1, compacted: 0, savedBytes: 0 });
  expect(begun.check).toMatch(/^1 documents have grown, 1 are being compacted; 0 were/);
  await replica.upkeep.compactor.compact();
  await replica.upkeep.compactor.compact();
  const done = await status();
  expect(done.compaction).toEqual({ grown: 0, preparing: 0, compacted: 1, savedBytes: expect.any(Number) });
  expect((done.compaction as { savedBytes: number }).savedBytes).toBeGreaterThan(300);
  expect(done.check).toMatch(/^0 documents have grown, 0 are being compacted; 1 were since the start, by \d+ bytes$/);
  expect(done.metrics).toEqual([
    'atoll_grown_documents{database="app"} 0',
    'atoll_compactions_total{database="app"} 1',
    `atoll_compaction_saved_bytes_total{database="app"} ${(done.compaction as { savedBytes: number }).savedBytes}`,
  ]);
});

test('[GC31] how long a document must be left alone is an option in seconds', () => {
  expect(completeOptions({ data: 'x' }).compactSeconds).toBe(600);
  expect(completeOptions({ data: 'x', compactSeconds: 5 }).compactSeconds).toBe(5);
  expect(() => completeOptions({ data: 'x', compactSeconds: 0 })).toThrow(/compact-after/);
});

test('[GC32] a compacted document is a new version with the same content and time, which feeds tell', async () => {
  await grow();
  let before = await node.send('GET', PATH);
  // When a successor is prepared, and when it takes over.
  for (const compacted of [0, 1]) {
    const told = node.send('GET', '/v1/app/_changes?since=now&wait=60');
    while (node.context.feeds.status().open === 0) await new Promise((resolve) => setImmediate(resolve));
    await replica.upkeep.compactor.compact();
    expect((await status()).compaction).toMatchObject({ compacted });
    const after = await node.send('GET', PATH);
    expect(after.body).toBe(before.body);
    expect(after.headers['last-modified']).toBe(before.headers['last-modified']);
    expect(after.headers.etag).not.toBe(before.headers.etag);
    expect((await told).body).toContain((after.headers.etag as string).replaceAll('"', ''));
    before = after;
  }
  const { statusCode } = await node.send('PUT', PATH, { done: true }, { 'if-match': before.headers.etag as string });
  expect(statusCode).toBe(200);
});

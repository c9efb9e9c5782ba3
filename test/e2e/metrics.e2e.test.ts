import { afterAll, expect, test } from 'vitest';
import { eventually, Leftovers } from './cli-process.ts';
import { request, startDevNodes } from './dev-nodes.ts';

const leftovers = new Leftovers();
afterAll(() => leftovers.clear());

async function scrape(url: string): Promise<(name: string) => number | null> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const samples = new Map(text.split('\n').map((line) => [line.slice(0, line.lastIndexOf(' ')), line]));
  return (name) => {
    const line = samples.get(name);
    return line === undefined ? null : Number(line.slice(line.lastIndexOf(' ')));
  };
}

test('[OB60] [OB61] a scrape of real nodes tells of conflicts that a partition made, of what waits, of caches and of RocksDB', async () => {
  const nodes = await startDevNodes(leftovers);
  await nodes.ready();
  const [a, , c] = nodes.urls as [string, string, string];
  await nodes.command('cut n3');
  const path = '/v1/app/things/docs/x';
  await request(a, 'PUT', path, { by: 'a' });
  await request(c, 'PUT', path, { by: 'c' });
  await nodes.command('heal n3');
  const conflicts = 'atoll_merge_conflicts_total{database="app",collection="things"}';
  for (const url of nodes.urls) await eventually(async () => (await scrape(url))(conflicts) === 1);
  const told = await scrape(a);
  const { node } = (await request(c, 'GET', '/v1/_cluster')).body as { node: string };
  expect(told(`atoll_pending_causal_updates{peer="${node}"}`)).toBe(0);
  expect(told('atoll_cache_entries{cache="documents"}')).toBeGreaterThan(0);
  expect(told('atoll_cache_bytes{cache="views"}')).not.toBe(null);
  // What was written is in a memtable still, and nothing went wrong.
  expect(told('atoll_store_memtable_bytes')).toBeGreaterThan(1000);
  expect(told('atoll_store_keys')).toBeGreaterThan(10);
  expect([told('atoll_store_write_stopped'), told('atoll_store_background_errors_total')]).toEqual([0, 0]);
  for (const name of [
    'block_cache_bytes',
    'table_bytes',
    'pending_compaction_bytes',
    'level_zero_files',
    'snapshots',
  ]) {
    expect(told(`atoll_store_${name}`), name).not.toBe(null);
  }
});

/**
 * Offers of snapshots: whose is taken.
 */
import { afterEach, expect, test } from 'vitest';
import { FakeCluster } from './link-fixture.ts';
import type { ClusterOptions } from './link-fixture.ts';

const DATABASE = 'app.0';
let cluster: FakeCluster;

function createCluster(ids: readonly string[], options?: ClusterOptions): FakeCluster {
  return (cluster = new FakeCluster(ids, options));
}

afterEach(() => cluster?.close());

test.each([0, 500])(
  '[AE11] [AE66] an empty peer gets a snapshot, from one donor, then the log: %d ms after a write',
  async (ms) => {
    createCluster(['a', 'b', 'c'], { link: { ringBytesMax: 1 } });
    await cluster.link('a', 'b');
    for (let i = 0; i < 100; i++) cluster.get('a').engine.write(DATABASE, 20);
    await cluster.time.until(() => cluster.isConverged(DATABASE, ['a', 'b']));
    await cluster.time.advance(ms);
    const given = (): number => cluster.get('a').engine.snapshotsGiven + cluster.get('b').engine.snapshotsGiven;
    const before = given();
    cluster.get('c').peers.addPeer('mem://a');
    cluster.get('c').peers.addPeer('mem://b');
    await cluster.time.advance(40);
    cluster.get('a').engine.write(DATABASE, 1);
    await cluster.time.until(() => cluster.isConverged(DATABASE));
    expect(given() - before).toBe(1);
    expect(cluster.get('c').engine.chunksIngested).toBe(20);
    expect(cluster.get('c').engine.receivedBatches).toBeLessThanOrEqual(3);
  },
);

test('[AE66] an offer that is repeated is taken, although the peer seems to hold nothing more', async () => {
  createCluster(['a', 'b'], { link: { ringBytesMax: 1 } });
  await cluster.link('a', 'b');
  cluster.get('a').engine.write(DATABASE);
  await cluster.time.advance(500);
  expect(cluster.get('b').engine.vector(DATABASE).size).toBe(1);
  // Neither what it writes nor that it did arrives.
  cluster.network.filter = ({ from, message }) => from !== 'a' || !['data', 'vector', 'ack'].includes(message.type);
  for (let i = 0; i < 10; i++) cluster.get('a').engine.write(DATABASE);
  await cluster.time.advance(10);
  cluster.get('a').engine.truncate(DATABASE);
  await cluster.time.until(() => cluster.isConverged(DATABASE), 30_000);
  expect(cluster.network.passed.filter(({ message }) => message.type === 'offer').length).toBeGreaterThan(1);
  expect(cluster.get('a').engine.snapshotsGiven).toBe(1);
});

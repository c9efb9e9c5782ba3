/**
 * @module
 * Clusters beyond a full mesh: bounded degree, few hops, about one copy of every payload per node, and little to say when idle.
 */
import { expect, test } from 'vitest';
import { Catalog } from '../../sync/catalog.ts';
import { neighboursOf } from '../../sync/overlay.ts';
import { FakeCluster, urlOf } from '../unit/sync/link-fixture.ts';

const NODES = Array.from({ length: 100 }, (_, i) => `node-${String(i).padStart(3, '0')}`);
const DATABASE = 'app.0';
const neverAway = (): boolean => false;

/** The most hops between any two. */
function diameterOf(nodes: readonly string[]): number {
  const links = new Map(nodes.map((node) => [node, neighboursOf(node, nodes, neverAway)]));
  let most = 0;
  for (const from of nodes) {
    const hops = new Map([[from, 0]]);
    for (const [node, distance] of hops) {
      for (const next of links.get(node)!) if (!hops.has(next)) hops.set(next, distance + 1);
    }
    expect(hops.size).toBe(nodes.length);
    most = Math.max(most, ...hops.values());
  }
  return most;
}

test('[OV1] up to sixteen members are a mesh; beyond, each has eight neighbours, and both sides agree', () => {
  for (const count of [1, 2, 5, 16]) {
    const nodes = NODES.slice(0, count);
    for (const node of nodes) expect(neighboursOf(node, nodes, neverAway).size).toBe(count - 1);
  }
  for (const count of [17, 18, 25, 40, 64, 99, 100]) {
    const nodes = NODES.slice(0, count);
    for (const node of nodes) {
      const neighbours = neighboursOf(node, nodes, neverAway);
      expect(neighbours.size).toBeGreaterThanOrEqual(6);
      expect(neighbours.size).toBeLessThanOrEqual(8);
      for (const other of neighbours) expect(neighboursOf(other, nodes, neverAway)).toContain(node);
    }
    expect(diameterOf(nodes)).toBeLessThanOrEqual(6);
  }
});

test('[OV1] with a third of the members away the others are still connected', () => {
  const away = new Set(NODES.filter((_, i) => i % 3 === 0));
  const alive = NODES.filter((node) => !away.has(node));
  const reached = new Set([alive[0]!]);
  for (const node of reached) {
    for (const next of neighboursOf(node, NODES, (each) => away.has(each))) if (!away.has(next)) reached.add(next);
  }
  expect(reached.size).toBe(alive.length);
});

test('[OV1] the holders of a database that not all hold are linked among themselves', () => {
  const catalog = new Catalog();
  const write = (collection: string, id: string, json: object): unknown =>
    catalog.update(collection, id, new TextEncoder().encode(JSON.stringify(json)));
  write('databases', 'app', { created: { 0: true } });
  write('databases', 'log', { created: { 0: true } });
  NODES.forEach((node, i) => write('members', node, { name: node, ...(i % 5 !== 0 && { databases: ['log'] }) }));
  const holders = NODES.filter((_, i) => i % 5 === 0);
  const groups = catalog.holderGroups(holders[0]!, NODES);
  expect(groups).toEqual([holders]);
  expect(catalog.holderGroups(NODES[1]!, NODES)).toEqual([]);
  expect(diameterOf(holders)).toBeLessThanOrEqual(6);
});

test('[OV2] of a hundred nodes each gets about one copy of every payload, soon, and they are quiet when idle', async () => {
  const cluster = new FakeCluster(NODES);
  for (const node of NODES) {
    for (const other of neighboursOf(node, NODES, neverAway)) {
      if (node < other) cluster.get(node).peers.addPeer(urlOf(other));
    }
  }
  await cluster.time.advance(2000);
  for (const node of NODES) cluster.get(node).engine.create(DATABASE);
  const writers = NODES.filter((_, i) => i % 10 === 0);
  // The first batches find out who is whose upstream.
  for (let round = 0; round < 4; round++) {
    for (const writer of writers) cluster.get(writer).engine.write(DATABASE);
    await cluster.time.advance(3000);
  }
  await cluster.time.until(() => cluster.isConverged(DATABASE));
  for (const node of NODES) cluster.get(node).engine.receivedBatches = 0;
  cluster.network.passed.length = 0;

  const ROUNDS = 20;
  const delays: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    for (const writer of writers) cluster.get(writer).engine.write(DATABASE);
    await cluster.time.advance(cluster.get(NODES[0]!).engine.commitMs);
    delays.push(await cluster.time.until(() => cluster.isConverged(DATABASE)));
    await cluster.time.advance(500);
  }
  const received = NODES.reduce((sum, node) => sum + cluster.get(node).engine.receivedBatches, 0);
  const copies = received / (ROUNDS * writers.length * (NODES.length - 1));
  const slowest = Math.max(...delays);

  await cluster.time.advance(10_000);
  cluster.network.passed.length = 0;
  await cluster.time.advance(60_000);
  const idleBytes = cluster.network.passed.reduce((sum, { frame }) => sum + frame.length, 0);
  const idleBytesPerSecond = idleBytes / 60 / NODES.length;
  expect(copies).toBeLessThanOrEqual(1.05);
  // A hop takes 5 ms and a commit 2 ms.
  expect(slowest).toBeLessThanOrEqual(100);
  expect(idleBytesPerSecond).toBeLessThan(1000);
  cluster.close();
});

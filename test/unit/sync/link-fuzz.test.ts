import { expect, test } from 'vitest';
import { CLOSE_CODES } from '../../../sync/protocol/close-code.ts';
import { FakeCluster, urlOf } from './link-fixture.ts';

const DATABASES = ['app.0', '_system.0'];
/** What may close links of honest nodes on such a network. */
const HARMLESS: readonly number[] = [
  CLOSE_CODES.PEER_SILENT,
  CLOSE_CODES.HANDSHAKE_TIMEOUT,
  CLOSE_CODES.DUPLICATE_LINK,
  CLOSE_CODES.FRAME_TOO_LARGE,
];

/** A number in [0, 1) per call, from a seed. */
function createRandom(seed: number): () => number {
  let state = seed * 7919;
  return () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
}

/** Nodes in a mesh or a random tree; small windows, small memory and early snapshots for some. */
function createCluster(random: () => number): FakeCluster {
  const ids = ['a', 'b', 'c', 'd', 'e'].slice(0, 3 + Math.floor(random() * 3));
  const cluster = new FakeCluster(ids, {
    link: {
      windowBytes: 128 * 1024,
      ringBytesMax: random() < 0.5 ? 3000 : 1_000_000,
      snapshotRecordsMin: random() < 0.5 ? 50 : 1e9,
    },
  });
  const isMesh = random() < 0.5;
  for (const [i, id] of ids.entries()) {
    const others = isMesh ? ids.slice(i + 1) : i > 0 ? [ids[Math.floor(random() * i)]!] : [];
    for (const other of others) cluster.get(id).peers.addPeer(urlOf(other));
  }
  return cluster;
}

async function disturb(cluster: FakeCluster, random: () => number): Promise<void> {
  const ids = [...cluster.nodes.keys()];
  const pick = (): string => ids[Math.floor(random() * ids.length)]!;
  const [x, y] = [pick(), pick()];
  if (random() < 0.05 && x !== y) cluster.network.cut.add(`${x}|${y}`);
  if (random() < 0.05) cluster.network.cut.clear();
  // A delay that falls lets later messages overtake earlier ones.
  cluster.network.delayMs = 1 + Math.floor(random() * 100);
  const { engine } = cluster.get(pick());
  engine.commitMs = random() < 0.1 ? 300 : 2;
  engine.write(DATABASES[random() < 0.7 ? 0 : 1]!, 1 + Math.floor(random() * 5), random() < 0.05 ? 20_000 : 30);
  await cluster.time.advance(Math.floor(random() * (random() < 0.1 ? 3000 : 60)));
}

test.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])(
  '[AE7] loss, cuts, delays and overtaking heal (seed %i)',
  async (seed) => {
    const random = createRandom(seed);
    const cluster = createCluster(random);
    const loss = random() * 0.2;
    cluster.network.filter = () => random() >= loss;
    for (let step = 0; step < 150; step++) await disturb(cluster, random);
    cluster.network.cut.clear();
    cluster.network.filter = () => true;
    cluster.network.delayMs = 5;
    for (const { engine } of cluster.nodes.values()) engine.commitMs = 2;
    await cluster.time.until(() => DATABASES.every((database) => cluster.isConverged(database)), 30_000);
    for (const { events } of cluster.nodes.values()) {
      expect(events.filter(({ type }) => type === 'origin-conflict')).toEqual([]);
      expect(events.filter((event) => event.type === 'closed' && !HARMLESS.includes(event.code))).toEqual([]);
    }
    cluster.close();
  },
);

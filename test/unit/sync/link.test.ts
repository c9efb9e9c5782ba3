import { afterEach, describe, expect, test } from 'vitest';
import { FakeCluster } from './link-fixture.ts';
import type { ClusterOptions, Passing } from './link-fixture.ts';

const DATABASE = 'app.0';
let cluster: FakeCluster;

function createCluster(ids: readonly string[], options?: ClusterOptions): FakeCluster {
  return (cluster = new FakeCluster(ids, options));
}

afterEach(() => cluster?.close());

function dataTo(to: string): (passing: Passing) => boolean {
  return (passing) => passing.to === to && passing.message.type === 'data';
}

describe('a link', () => {
  test('[AE1] pushes a write to a linked peer as soon as it is durable', async () => {
    createCluster(['a', 'b']);
    await cluster.link('a', 'b');
    cluster.get('a').engine.write(DATABASE);
    const ms = await cluster.time.until(() => cluster.get('b').engine.vector(DATABASE).size === 1);
    expect(ms).toBeLessThanOrEqual(30);
    expect(cluster.isConverged(DATABASE)).toBe(true);
  });

  test('[SY29] a link of many databases begins with all of them, and its heartbeats list a share in turn', async () => {
    createCluster(['a', 'b']);
    for (let n = 0; n < 200; n++) cluster.get('a').engine.write(`db${n}.0`);
    await cluster.time.advance(100);
    await cluster.link('a', 'b');
    await cluster.time.until(() => cluster.get('b').engine.databases().length === 200);
    await cluster.time.advance(60_000);
    cluster.network.passed.length = 0;
    const vectors = (): string[][] =>
      cluster.network.passed.flatMap(({ to, message }) =>
        to === 'b' && message.type === 'vector' ? [message.databases.map(({ database }) => database)] : [],
      );
    await cluster.time.advance(20_500);
    expect(vectors()).toHaveLength(4);
    for (const listed of vectors()) expect(listed.length).toBe(64);
    expect(new Set(vectors().flat()).size).toBe(200);
    cluster.get('a').engine.write('db7.0');
    await cluster.time.advance(1000);
    cluster.network.passed.length = 0;
    await cluster.time.advance(20_000);
    const beats = vectors().filter((listed) => listed.length >= 64);
    expect(beats).toHaveLength(4);
    for (const listed of beats) expect(listed).toContain('db7.0');
  });

  test('[SY29] what a peer was not told because messages were lost, a heartbeat tells', async () => {
    createCluster(['a', 'b']);
    for (let n = 0; n < 200; n++) cluster.get('a').engine.write(`db${n}.0`);
    await cluster.time.advance(100);
    await cluster.link('a', 'b');
    await cluster.time.until(() => cluster.get('b').engine.databases().length === 200);
    await cluster.time.advance(60_000);
    cluster.network.filter = ({ message }): boolean => message.type !== 'data' && message.type !== 'vector';
    cluster.get('a').engine.write('db7.0');
    await cluster.time.advance(1000);
    cluster.network.filter = () => true;
    await cluster.time.until(() => cluster.isConverged('db7.0'));
    expect(cluster.isConverged('db7.0')).toBe(true);
  });

  test('[I1] sends nothing about a write before it is durable, neither data nor acknowledgement', async () => {
    createCluster(['a', 'b']);
    await cluster.link('a', 'b');
    cluster.get('a').engine.commitMs = 500;
    cluster.get('b').engine.commitMs = 700;
    cluster.network.passed.length = 0;
    cluster.get('a').engine.write(DATABASE);
    await cluster.time.advance(490);
    expect(cluster.network.passed.filter(dataTo('b'))).toHaveLength(0);
    await cluster.time.advance(100);
    expect(cluster.network.passed.filter(dataTo('b'))).toHaveLength(1);
    const acks = (): number => cluster.network.passed.filter(({ message }) => message.type === 'ack').length;
    await cluster.time.advance(500);
    expect(acks()).toBe(0);
    expect(cluster.get('a').peers.status().links[0]!.lag.entries).toBe(1);
    await cluster.time.advance(400);
    expect(acks()).toBe(1);
    expect(cluster.get('a').peers.status().links[0]!.lag).toEqual({ entries: 0, bytes: 0, seconds: 0 });
  });

  test('[AE2] catches a peer up from the log, in both directions at once', async () => {
    createCluster(['a', 'b'], { link: { ringBytesMax: 1, snapshotRecordsMin: 1e9 } });
    for (let i = 0; i < 500; i++) {
      cluster.get('a').engine.write(DATABASE, 4, 100);
      cluster.get('b').engine.write(DATABASE, 4, 100);
    }
    await cluster.time.advance(10);
    await cluster.link('a', 'b');
    await cluster.time.until(() => cluster.isConverged(DATABASE));
    expect(cluster.get('a').engine.receivedBatches).toBe(500);
    expect(cluster.get('b').engine.receivedBatches).toBe(500);
    const sizes = cluster.network.passed.filter(dataTo('b')).map(({ frame }) => frame.length);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(66 * 1024);
    expect(sizes.length).toBeLessThan(20);
  });

  test('[AE3] sends dependencies first, so that nothing waits when two logs are intertwined', async () => {
    createCluster(['a', 'b', 'c'], { link: { ringBytesMax: 1, snapshotRecordsMin: 1e9 } });
    await cluster.link('a', 'b');
    for (let i = 0; i < 100; i++) {
      cluster.get(i % 2 === 0 ? 'a' : 'b').engine.write(DATABASE, 1, 2000);
      await cluster.time.advance(30);
    }
    await cluster.link('c', 'a');
    await cluster.time.until(() => cluster.isConverged(DATABASE));
    expect(cluster.network.passed.filter(({ message }) => message.type === 'pull')).toHaveLength(0);
    expect(cluster.get('c').engine.receivedBatches).toBe(100);
  });

  test('[I4] forwards batches byte for byte', async () => {
    createCluster(['a', 'b', 'c']);
    await cluster.link('a', 'b');
    await cluster.link('b', 'c');
    for (let i = 0; i < 20; i++) cluster.get('a').engine.write(DATABASE, 3);
    await cluster.time.until(() => cluster.isConverged(DATABASE) && cluster.get('c').engine.vector(DATABASE).size > 0);
    const { engine } = cluster.get('a');
    expect(cluster.get('c').engine.logOf(DATABASE, engine.origin)).toEqual(engine.logOf(DATABASE, engine.origin));
  });

  test('[AE8] coalesces what arrives while a group is being persisted', async () => {
    createCluster(['a', 'b']);
    await cluster.link('a', 'b');
    cluster.get('b').engine.commitMs = 100;
    for (let i = 0; i < 100; i++) {
      cluster.get('a').engine.write(DATABASE);
      await cluster.time.advance(1);
    }
    await cluster.time.until(() => cluster.isConverged(DATABASE));
    expect(cluster.get('b').engine.receivedBatches).toBe(100);
    expect(cluster.get('b').engine.ingestCalls).toBeLessThanOrEqual(6);
  });
});

describe('flow control', () => {
  test('[I10] a slow peer costs the sender and the receiver one window and 64 KiB at most', async () => {
    const windowBytes = 256 * 1024;
    createCluster(['a', 'b'], {
      link: { windowBytes, ringBytesMax: 100_000, snapshotRecordsMin: 1e9, silenceTicksMax: 1000 },
    });
    await cluster.link('a', 'b');
    cluster.get('b').engine.commitMs = 400;
    let heldMax = 0;
    for (let i = 0; i < 400; i++) {
      cluster.get('a').engine.write(DATABASE, 1, 8000);
      await cluster.time.advance(5);
      for (const node of ['a', 'b']) heldMax = Math.max(heldMax, cluster.get(node).peers.status().links[0]!.heldBytes);
    }
    expect(cluster.get('a').peers.status().links[0]!.lagging).toBe(true);
    expect(heldMax).toBeLessThanOrEqual(windowBytes + 64 * 1024);
    expect(heldMax).toBeGreaterThan(100_000);
    cluster.get('b').engine.commitMs = 2;
    await cluster.time.until(() => cluster.isConverged(DATABASE));
    expect(cluster.get('b').engine.receivedBatches).toBe(400);
    expect(cluster.get('a').peers.status().links[0]!.lagging).toBe(false);
  });

  test('[I11] stops at the window and goes on only after the peer has persisted', async () => {
    createCluster(['a', 'b'], { link: { windowBytes: 128 * 1024, silenceTicksMax: 1000 } });
    await cluster.link('a', 'b');
    cluster.get('b').engine.commitMs = 30_000;
    for (let i = 0; i < 100; i++) cluster.get('a').engine.write(DATABASE, 1, 8000);
    await cluster.time.advance(20_000);
    const sent = (): number =>
      cluster.network.passed.filter(dataTo('b')).reduce((sum, { frame }) => sum + frame.length, 0);
    expect(sent()).toBeLessThanOrEqual(129 * 1024);
    await cluster.time.until(() => sent() > 129 * 1024, 20_000);
    expect(cluster.get('b').engine.vector(DATABASE).size).toBe(1);
  });

  test('[AE33] a database whose batches wait for a damaged document keeps no credit from others', async () => {
    createCluster(['a', 'b'], { link: { windowBytes: 128 * 1024 } });
    await cluster.link('a', 'b');
    const [a, b] = [cluster.get('a').engine, cluster.get('b').engine];
    let release!: () => void;
    b.heldUp.set('damaged.0', new Promise((resolve) => (release = resolve)));
    for (let i = 0; i < 100; i++) a.write('damaged.0', 1, 8000);
    await cluster.time.advance(500);
    a.write('other.0', 1, 8000);
    await cluster.time.until(() => b.vector('other.0').size === 1, 10_000);
    expect(b.vector('damaged.0').size).toBe(0);
    await cluster.time.advance(60_000);
    expect(cluster.get('a').events.filter(({ type }) => type === 'closed')).toEqual([]);
    b.heldUp.clear();
    release();
    await cluster.time.until(() => b.vector('damaged.0').size === 1 && cluster.isConverged('damaged.0'), 20_000);
  });

  test('[AE9] a batch larger than a frame and than the window arrives whole', async () => {
    createCluster(['a', 'b'], { link: { windowBytes: 128 * 1024 } });
    await cluster.link('a', 'b');
    cluster.get('a').engine.write(DATABASE, 1, 700_000);
    cluster.get('a').engine.write(DATABASE, 1, 10);
    await cluster.time.advance(3);
    await cluster.time.until(() => cluster.isConverged(DATABASE));
    expect(cluster.network.passed.filter(({ message }) => message.type === 'part')).toHaveLength(3);
    expect(cluster.get('b').engine.receivedBatches).toBe(2);
  });
});

describe('forwarding', () => {
  test('[AE4] a line of three converges although its ends are not linked', async () => {
    createCluster(['a', 'b', 'c']);
    await cluster.link('a', 'b');
    await cluster.link('b', 'c');
    cluster.get('a').engine.write(DATABASE);
    cluster.get('c').engine.write(DATABASE);
    const ms = await cluster.time.until(
      () => cluster.isConverged(DATABASE) && cluster.get('b').engine.vector(DATABASE).size === 2,
    );
    expect(ms).toBeLessThan(100);
    expect(cluster.get('c').engine.receivedBatches).toBe(1);
  });

  test.each([3, 5])('[AE5] in a mesh of %i every node receives about 1.0 copies', async (size) => {
    createCluster(['a', 'b', 'c', 'd', 'e'].slice(0, size));
    await cluster.mesh();
    let written = 0;
    for (let round = 0; round < 60; round++) {
      for (const node of cluster.nodes.values()) {
        node.engine.write(DATABASE);
        written++;
        await cluster.time.advance(7);
      }
    }
    await cluster.time.until(() => cluster.isConverged(DATABASE));
    await cluster.time.advance(10_000);
    const received = [...cluster.nodes.values()].reduce((sum, { engine }) => sum + engine.receivedBatches, 0);
    const copies = received / (written * (size - 1));
    expect(copies).toBeLessThanOrEqual(1.05);
    expect(copies).toBeGreaterThanOrEqual(1);
  });

  test.each([
    [
      'ring',
      [
        ['a', 'b'],
        ['b', 'c'],
        ['c', 'd'],
        ['d', 'e'],
        ['e', 'a'],
      ],
    ],
    [
      'star',
      [
        ['a', 'b'],
        ['a', 'c'],
        ['a', 'd'],
        ['a', 'e'],
      ],
    ],
    [
      'line',
      [
        ['a', 'b'],
        ['b', 'c'],
        ['c', 'd'],
        ['d', 'e'],
      ],
    ],
  ])('[AE4] a %s of five converges', async (_, links) => {
    createCluster(['a', 'b', 'c', 'd', 'e']);
    for (const [from, to] of links) await cluster.link(from!, to!);
    for (let i = 0; i < 30; i++) {
      for (const node of cluster.nodes.values()) node.engine.write(DATABASE);
      await cluster.time.advance(20);
    }
    await cluster.time.until(() => cluster.isConverged(DATABASE), 5000);
  });

  test('[AE6] a neighbour delivers what the owner of an origin fails to deliver', async () => {
    createCluster(['a', 'b', 'c']);
    await cluster.mesh();
    cluster.network.filter = (passing) =>
      !(passing.from === 'a' && passing.to === 'c' && passing.message.type === 'data');
    cluster.get('a').engine.write(DATABASE);
    const ms = await cluster.time.until(
      () => cluster.isConverged(DATABASE) && cluster.get('c').engine.vector(DATABASE).size > 0,
    );
    expect(ms).toBeGreaterThan(300);
    expect(ms).toBeLessThan(1500);
  });
});

describe('loss', () => {
  test('[AE7] the loss of any single message heals', async () => {
    const total = await countMessages(-1);
    expect(total).toBeGreaterThan(20);
    for (let lost = 0; lost < total; lost++) await countMessages(lost);
  }, 60_000);

  test('[AE7] heavy loss heals once it ends', async () => {
    createCluster(['a', 'b', 'c']);
    await cluster.mesh();
    let n = 0;
    cluster.network.filter = () => (n = (n * 1_103_515_245 + 12_345) % 2_147_483_648) % 10 >= 3;
    for (let i = 0; i < 100; i++) {
      for (const node of cluster.nodes.values()) node.engine.write(DATABASE);
      await cluster.time.advance(50);
    }
    cluster.network.filter = () => true;
    await cluster.time.until(() => cluster.isConverged(DATABASE), 20_000);
  });

  test('[AE10] [OB60] a blocked batch waits for what it misses, which the status tells, and asks for it after a short delay', async () => {
    createCluster(['a', 'b']);
    await cluster.link('a', 'b');
    cluster.get('a').engine.write(DATABASE);
    await cluster.time.advance(100);
    let isLost = false;
    cluster.network.filter = ({ message }) => isLost || message.type !== 'data' || !(isLost = true);
    cluster.get('a').engine.write(DATABASE);
    await cluster.time.advance(20);
    cluster.get('a').engine.write(DATABASE);
    const waiting = (): number => cluster.get('b').peers.status().links[0]!.waiting;
    await cluster.time.until(() => waiting() === 1);
    const ms = await cluster.time.until(() => cluster.isConverged(DATABASE));
    expect(ms).toBeLessThan(400);
    expect(waiting()).toBe(0);
    expect(cluster.network.passed.filter(({ message }) => message.type === 'pull')).toHaveLength(1);
  });
});

describe('snapshots', () => {
  test('[AE12] what the log no longer holds comes as a snapshot', async () => {
    createCluster(['a', 'b'], { link: { ringBytesMax: 1 } });
    await cluster.link('a', 'b');
    cluster.get('a').engine.write(DATABASE);
    await cluster.time.advance(100);
    cluster.network.cut.add('a|b');
    await cluster.time.advance(20_000);
    cluster.get('a').engine.write(DATABASE);
    await cluster.time.advance(100);
    cluster.get('a').engine.truncate(DATABASE);
    cluster.network.cut.clear();
    await cluster.time.until(() => cluster.isConverged(DATABASE), 30_000);
    expect(cluster.get('a').engine.snapshotsGiven).toBe(1);
    cluster.get('a').engine.write(DATABASE);
    await cluster.time.until(() => cluster.isConverged(DATABASE), 1000);
  });

  test('[AE13] a snapshot that loses a chunk is asked for again', async () => {
    createCluster(['a', 'b'], { link: { ringBytesMax: 1 } });
    for (let i = 0; i < 100; i++) cluster.get('a').engine.write(DATABASE, 20);
    await cluster.time.advance(10);
    let chunks = 0;
    cluster.network.filter = ({ message }) => message.type !== 'snapshot-chunk' || ++chunks !== 5;
    await cluster.link('a', 'b');
    await cluster.time.until(() => cluster.isConverged(DATABASE), 30_000);
    expect(cluster.get('a').engine.snapshotsGiven).toBe(2);
  });

  test('[AE13] a request for a snapshot that arrives twice is answered once', async () => {
    createCluster(['a', 'b'], { link: { ringBytesMax: 1 } });
    for (let i = 0; i < 100; i++) cluster.get('a').engine.write(DATABASE, 20);
    await cluster.time.advance(10);
    cluster.network.isDoubled = ({ message }) => message.type === 'snapshot-request';
    await cluster.link('a', 'b');
    await cluster.time.until(() => cluster.isConverged(DATABASE), 30_000);
    expect(cluster.get('a').engine.snapshotsGiven).toBe(1);
  });

  test('[AE14] a snapshot whose link closes is forgotten at both ends, and another is asked for', async () => {
    createCluster(['a', 'b'], { link: { ringBytesMax: 1 } });
    for (let i = 0; i < 100; i++) cluster.get('a').engine.write(DATABASE, 20);
    await cluster.time.advance(10);
    const [a, b] = [cluster.get('a'), cluster.get('b')];
    let chunks = 0;
    cluster.network.filter = ({ message }) => message.type !== 'snapshot-chunk' || ++chunks < 8 || chunks > 30;
    await cluster.link('a', 'b');
    await cluster.time.until(() => chunks > 8);
    cluster.network.cut.add('a|b');
    await cluster.time.advance(20_000);
    expect(b.engine.snapshotsEnded).toBe(1);
    expect(a.engine.snapshotsClosed).toBe(1);
    expect(b.engine.vector(DATABASE).size).toBe(0);
    chunks = 100;
    cluster.network.cut.clear();
    await cluster.time.until(() => cluster.isConverged(DATABASE), 30_000);
    expect(a.engine.snapshotsGiven).toBe(2);
    expect(a.engine.snapshotsClosed).toBe(2);
  });

  test('[AE19] a peer that misses much gets documents when they cost less, and records when not', async () => {
    for (const isCoalescing of [true, false]) {
      createCluster(['a', 'b'], { link: { coalesceRecordsMin: 100 } });
      await cluster.link('a', 'b');
      const [a, b] = [cluster.get('a'), cluster.get('b')];
      a.engine.isCoalescing = isCoalescing;
      a.engine.write(DATABASE);
      await cluster.time.advance(1000);
      cluster.network.cut.add('a|b');
      await cluster.time.advance(20_000);
      for (let i = 0; i < 20; i++) a.engine.write(DATABASE, 10);
      await cluster.time.advance(100);
      const before = b.engine.receivedBatches;
      cluster.network.cut.clear();
      await cluster.time.until(() => cluster.isConverged(DATABASE), 30_000);
      expect(a.engine.snapshotsGiven).toBe(isCoalescing ? 1 : 0);
      expect(b.engine.receivedBatches - before).toBe(isCoalescing ? 0 : 20);
      expect(a.engine.estimates).toBeGreaterThan(0);
      a.engine.write(DATABASE);
      await cluster.time.until(() => cluster.isConverged(DATABASE), 1000);
      cluster.close();
    }
  });

  test('[AE19] a peer that takes no documents gets records in the end', async () => {
    createCluster(['a', 'b'], { link: { coalesceRecordsMin: 100 } });
    await cluster.link('a', 'b');
    const [a, b] = [cluster.get('a'), cluster.get('b')];
    a.engine.write(DATABASE);
    await cluster.time.advance(1000);
    cluster.network.cut.add('a|b');
    await cluster.time.advance(20_000);
    a.engine.isCoalescing = true;
    for (let i = 0; i < 20; i++) a.engine.write(DATABASE, 10);
    await cluster.time.advance(100);
    b.engine.merging.add(DATABASE);
    cluster.network.cut.clear();
    await cluster.time.until(() => cluster.isConverged(DATABASE), 30_000);
    expect(a.engine.snapshotsGiven).toBe(0);
  });

  test('[AE15] who merges a snapshot neither asks for another nor offers one', async () => {
    createCluster(['a', 'b', 'c'], { link: { ringBytesMax: 1 } });
    for (let i = 0; i < 100; i++) cluster.get('a').engine.write(DATABASE, 20);
    await cluster.time.advance(10);
    const [a, b, c] = [cluster.get('a'), cluster.get('b'), cluster.get('c')];
    b.engine.merging.add(DATABASE);
    await cluster.link('a', 'b');
    await cluster.time.advance(10_000);
    expect(a.engine.snapshotsGiven).toBe(0);
    b.engine.merging.clear();
    await cluster.time.until(() => cluster.isConverged(DATABASE, ['a', 'b']), 10_000);
    b.engine.merging.add(DATABASE);
    await cluster.link('b', 'c');
    await cluster.time.advance(10_000);
    expect(b.engine.snapshotsGiven).toBe(0);
    b.engine.merging.clear();
    await cluster.time.until(() => cluster.isConverged(DATABASE, ['b', 'c']), 10_000);
    expect(c.engine.chunksIngested).toBe(20);
  });
});

/** A small history over a lossless network but for one message; the count of messages until it converged. */
async function countMessages(lost: number): Promise<number> {
  createCluster(['a', 'b', 'c'], { link: { redialMsMax: 1000 } });
  let n = 0;
  cluster.network.filter = () => n++ !== lost;
  await cluster.link('a', 'b');
  await cluster.link('b', 'c');
  for (let i = 0; i < 4; i++) {
    for (const node of cluster.nodes.values()) node.engine.write(DATABASE);
    await cluster.time.advance(40);
  }
  const isDone = (): boolean =>
    [...cluster.nodes.values()].every(
      ({ engine }) => [...engine.vector(DATABASE)].filter(([, { seq }]) => seq === 4).length === 3,
    );
  await cluster.time.until(isDone, 30_000).catch((error: unknown) => {
    throw new Error(`message ${lost} lost: ${String(error)}`);
  });
  const total = n;
  cluster.close();
  return total;
}

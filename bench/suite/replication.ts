/**
 * @module
 * Owns what replication costs where it should cost little: an empty node that joins, replicas that are equal already, a mesh in
 * which everybody could send everything, and a peer that has stopped reading.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { TARGET } from '../config.ts';
import { packLines, uploadBulk } from '../harness/bulk-upload.ts';
import { awaitEqual } from '../harness/convergence.ts';
import { NodeProcess } from '../harness/node-process.ts';
import { TcpProxy } from '../harness/tcp-proxy.ts';
import type { Measure } from '../report.ts';
import { cityLines, loadCities } from '../workload/city.ts';
import { createFlatRecord } from '../workload/record.ts';
import { SeededRandom } from '../workload/seeded-random.ts';
import type { Suite, SuiteContext } from './suite.ts';

const EQUAL_TIMEOUT_MS = 120_000;
const QUIET_MS = 2_000;
/** Long enough for a handshake and the exchange of vectors, shorter than the next heartbeat. */
const RECONNECTION_MS = 500;
const MESH_NODES = 5;

export const replicationSuite: Suite = {
  name: 'replication',
  question: 'What does replication cost where it should cost little?',
  async run(context) {
    return [...(await measureJoin(context)), await measureMesh(context), await measureStuckPeer(context)];
  },
};

/** An empty node joins; then both are equal and meet again. */
async function measureJoin({ config, directory, progress }: SuiteContext): Promise<Measure[]> {
  const { documents } = config.replication;
  progress(`an empty node joins one with ${documents} documents`);
  const cities = loadCities().slice(0, documents);
  const a = await NodeProcess.start({ name: 'join-a', directory });
  const proxy = await TcpProxy.listen(a.port);
  let b: NodeProcess | null = null;
  try {
    await a.client().database('app').create();
    await uploadBulk(a.url, '/v1/app/cities/bulk', packLines(cityLines(cities)), cities.length);
    const firstByte = proxy.firstByte();
    b = await NodeProcess.start({ name: 'join-b', directory, join: [proxy.url] });
    await firstByte;
    const startMs = performance.now();
    const before = [a.server.cpuSeconds(), b.server.cpuSeconds()] as const;
    const clients = [a.client(), b.client()];
    await awaitEqual(clients, { database: 'app', timeoutMs: EQUAL_TIMEOUT_MS, pollMs: 10, documents: cities.length });
    const seconds = (performance.now() - startMs) / 1000;
    const donorMicroseconds = ((a.server.cpuSeconds() - before[0]) * 1e6) / cities.length;
    const joinerMicroseconds = ((b.server.cpuSeconds() - before[1]) * 1e6) / cities.length;
    const { forwardBytes, backwardBytes } = proxy.counts();
    return [
      {
        name: `an empty node joins: ${cities.length.toLocaleString('en-US')} documents, durable`,
        value: cities.length / seconds,
        unit: '/s',
        target: { of: 'value', atLeast: TARGET.joinPerSecondMin },
        detail:
          `${seconds.toFixed(2)} s, ${(forwardBytes + backwardBytes).toLocaleString('en-US')} B; ` +
          `processor: ${donorMicroseconds.toFixed(0)} µs a document on the donor, ${joinerMicroseconds.toFixed(0)} µs on the node that joins`,
      },
      ...(await measureReconnection(proxy, cities.length)),
    ];
  } finally {
    await Promise.all([a.stop(), b?.stop()]);
    await proxy.close();
  }
}

/** The HTTP upgrade is not the protocol's, and is counted by a connection that is cut right after it. */
async function measureReconnection(proxy: TcpProxy, documents: number): Promise<Measure[]> {
  await delay(QUIET_MS);
  proxy.resetCounts();
  const firstByte = proxy.firstByte();
  proxy.reset();
  await firstByte;
  await delay(RECONNECTION_MS);
  const { forwardBytes, backwardBytes, upgradeBytes } = proxy.counts();
  return [
    {
      name: `reconnection of equal replicas with ${documents.toLocaleString('en-US')} documents, the larger direction`,
      value: Math.max(forwardBytes - upgradeBytes.forward, backwardBytes - upgradeBytes.backward),
      unit: 'B',
      target: { of: 'value', atMost: TARGET.reconnectionBytesMax },
      detail: `HTTP upgrade not counted: ${upgradeBytes.forward} B and ${upgradeBytes.backward} B`,
    },
  ];
}

/** Everybody is linked to everybody and could send what it hears. */
async function measureMesh({ config, directory, progress }: SuiteContext): Promise<Measure> {
  const { meshWrites } = config.replication;
  progress(`a mesh of ${MESH_NODES} nodes`);
  const nodes: NodeProcess[] = [];
  try {
    for (let i = 0; i < MESH_NODES; i++) {
      const join = nodes.map(({ url }) => url);
      nodes.push(await NodeProcess.start({ name: `mesh-${i}`, directory, join }));
    }
    const clients = nodes.map((node) => node.client());
    await clients[0]!.database('app').create();
    await awaitEqual(clients, { database: 'app', timeoutMs: EQUAL_TIMEOUT_MS });
    await delay(QUIET_MS);
    const before = await countReceived(nodes);
    const lines = cityLines(loadCities().slice(0, meshWrites));
    const share = Math.ceil(lines.length / nodes.length);
    await Promise.all(
      nodes.map(async ({ url }, i) => {
        const part = lines.slice(i * share, (i + 1) * share);
        await uploadBulk(url, '/v1/app/cities/bulk', packLines(part), part.length);
      }),
    );
    await awaitEqual(clients, { database: 'app', timeoutMs: EQUAL_TIMEOUT_MS, documents: lines.length });
    await delay(QUIET_MS);
    const after = await countReceived(nodes);
    const useful = after.batches - before.batches;
    const duplicates = after.duplicates - before.duplicates;
    return {
      name: `payload copies a node of a full mesh of ${MESH_NODES} receives`,
      value: (useful + duplicates) / useful,
      unit: '×',
      target: { of: 'value', atMost: TARGET.payloadCopiesMax },
      detail: `${duplicates} of ${useful + duplicates} batches were there already`,
    };
  } finally {
    await Promise.all(nodes.map((node) => node.stop()));
  }
}

interface Received {
  readonly batches: number;
  readonly duplicates: number;
}

async function countReceived(nodes: readonly NodeProcess[]): Promise<Received> {
  const statuses = await Promise.all(nodes.map((node) => node.client().cluster()));
  let [batches, duplicates] = [0, 0];
  for (const { links } of statuses) {
    for (const link of links) {
      batches += link.applied;
      duplicates += link.duplicates;
    }
  }
  return { batches, duplicates };
}

/** A peer is frozen while its partner takes many writes. */
async function measureStuckPeer({ config, directory, progress }: SuiteContext): Promise<Measure> {
  const { stuckBytes } = config.replication;
  progress('a peer that stops reading');
  const b = await NodeProcess.start({ name: 'stuck-b', directory });
  const a = await NodeProcess.start({ name: 'stuck-a', directory, join: [b.url] });
  try {
    const clients = [a.client(), b.client()];
    await clients[0]!.database('app').create();
    await awaitEqual(clients, { database: 'app', timeoutMs: EQUAL_TIMEOUT_MS });
    b.server.freeze();
    const random = new SeededRandom(config.seed);
    const count = Math.ceil(stuckBytes / config.http.documentBytes);
    const lines = Array.from({ length: count }, (_, i) =>
      JSON.stringify({ id: `s${i}`, doc: createFlatRecord(random, config.http.documentBytes) }),
    );
    let heldBytes = 0;
    let isWriting = true;
    const watch = (async () => {
      for (; isWriting; await delay(20)) {
        const { links } = await a.client().cluster();
        heldBytes = Math.max(heldBytes, ...links.map((link) => link.heldBytes));
      }
    })();
    await uploadBulk(a.url, '/v1/app/stuck/bulk', packLines(lines), lines.length);
    isWriting = false;
    await watch;
    b.server.thaw();
    await awaitEqual(clients, { database: 'app', timeoutMs: EQUAL_TIMEOUT_MS, documents: count });
    return {
      name: `held for a peer that does not read, while ${(stuckBytes / 1e6).toFixed(0)} MB are written`,
      value: heldBytes / 1024 / 1024,
      unit: 'MiB',
      target: { of: 'value', atMost: TARGET.stuckPeerMebibytesMax },
      detail: 'nothing was lost: equal after it went on',
    };
  } finally {
    b.server.thaw();
    await Promise.all([a.stop(), b.stop()]);
  }
}

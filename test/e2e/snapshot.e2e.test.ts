import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { AtollClient, type JsonObject } from '../../cli/client.ts';
import { freePorts } from '../helper/port.ts';
import { cli, eventually, Leftovers } from './cli-process.ts';

const COUNT = 12_000;
const leftovers = new Leftovers();
let full: string;
let donorData: string;
let receiverData: string;
let port: number;
let portOfReceiver: number;

interface Cluster {
  readonly databases: readonly { readonly name: string; readonly merging: boolean; readonly documents: number }[];
  readonly links: readonly { readonly snapshots: readonly string[] }[];
}

type Node = Awaited<ReturnType<Leftovers['startNode']>>;

const startDonor = (): Promise<Node> => leftovers.startNode(['--listen', `127.0.0.1:${port}`], donorData);
const startReceiver = (): Promise<Node> =>
  leftovers.startNode(['--listen', `127.0.0.1:${portOfReceiver}`, '--join', `ws://127.0.0.1:${port}`], receiverData);

async function clusterOf(node: Node): Promise<Cluster> {
  return (await (await fetch(`${node.url}/v1/_cluster`)).json()) as Cluster;
}

async function isFetching(node: Node): Promise<boolean> {
  const { databases, links } = await clusterOf(node);
  return databases.length > 0 && links.some(({ snapshots }) => snapshots.includes('app.0'));
}

async function expectEqual(nodes: readonly Node[], documents: number): Promise<void> {
  const digests = (): Promise<readonly { digest: string; documents: number }[]> =>
    Promise.all(nodes.map(({ url }) => new AtollClient({ endpoints: url }).database('app').digest()));
  await eventually(async () => {
    const [first, ...rest] = await digests().catch(() => []);
    return first?.documents === documents && rest.every(({ digest }) => digest === first.digest);
  }, 40_000);
}

/** A directory full of documents. */
beforeAll(async () => {
  full = join(await leftovers.directory(), 'full');
  const donor = await leftovers.startNode([], full);
  const lines = Array.from({ length: COUNT }, (_, i): JsonObject => ({ id: `d${i}`, n: i, text: `${i} `.repeat(120) }));
  await new AtollClient({ endpoints: donor.url }).database('app').create();
  const end = await cli(['import', '-', 'app/items', '--quiet', '--url', donor.url], {
    stdin: lines.map((line) => JSON.stringify(line)).join('\n'),
  });
  expect(end.stderr).toBe('');
  await donor.stop();
});
afterAll(() => leftovers.clear());

beforeEach(async () => {
  [port, portOfReceiver] = (await freePorts(2)) as [number, number];
  const directory = await leftovers.directory();
  donorData = join(directory, 'donor');
  receiverData = join(directory, 'receiver');
  await cp(full, donorData, { recursive: true });
});

test('[AE14] a donor killed in the middle of a snapshot leaves nothing behind, and its next life gives another', async () => {
  let donor = await startDonor();
  const receiver = await startReceiver();
  await eventually(() => isFetching(receiver));
  await donor.stop('SIGKILL');
  const cluster = await clusterOf(receiver);
  expect(cluster.databases.map(({ documents, merging }) => ({ documents, merging }))).toEqual([
    { documents: 0, merging: false },
  ]);
  const items = new AtollClient({ endpoints: receiver.url }).database('app').collection('items');
  await items.put('mine', { written: 'alone' });
  donor = await startDonor();
  await expectEqual([donor, receiver], COUNT + 1);
});

test('[AE15] a receiver killed while it fetches, and again while it merges, is filled all the same', async () => {
  const donor = await startDonor();
  let receiver = await startReceiver();
  await eventually(() => isFetching(receiver));
  await receiver.stop('SIGKILL');
  receiver = await startReceiver();
  await eventually(async () => (await clusterOf(receiver)).databases.some(({ merging }) => merging));
  await receiver.stop('SIGKILL');
  await donor.stop('SIGKILL');
  receiver = await startReceiver();
  // Nobody is there to ask: what is durable is enough.
  await eventually(async () => {
    const [app] = (await clusterOf(receiver)).databases;
    return app?.merging === false && app.documents === COUNT;
  });
  await expectEqual([await startDonor(), receiver], COUNT);
});

import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { AtollClient, type JsonObject } from '../../cli/client.ts';
import { freePorts } from '../helper/port.ts';
import { cli, eventually, Leftovers } from './cli-process.ts';

const COUNT = 4000;
const CHANGED = 300;
const leftovers = new Leftovers();

type Node = Awaited<ReturnType<Leftovers['startNode']>>;

interface Cluster {
  readonly databases: readonly { readonly name: string; readonly logBytes: number }[];
  readonly links: readonly { readonly receivedBytes: number }[];
}

/** Does not compress to nothing. */
function textOf(seed: number): string {
  let state = seed;
  let text = '';
  while (text.length < 1000) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    text += state.toString(36);
  }
  return text;
}

afterAll(() => leftovers.clear());

async function clusterOf(node: Node): Promise<Cluster> {
  return (await (await fetch(`${node.url}/v1/_cluster`)).json()) as Cluster;
}

const logBytesOf = async (node: Node): Promise<number> =>
  (await clusterOf(node)).databases.find(({ name }) => name === 'app')?.logBytes ?? 0;

async function importInto(node: Node, documents: readonly JsonObject[]): Promise<void> {
  const stdin = documents.map((document) => JSON.stringify(document)).join('\n');
  expect((await cli(['import', '-', 'app/items', '--quiet', '--url', node.url], { stdin })).stderr).toBe('');
}

async function expectEqual(nodes: readonly Node[]): Promise<void> {
  await eventually(async () => {
    const digests = await Promise.all(
      nodes.map(({ url }) => new AtollClient({ endpoints: url }).database('app').digest()),
    ).catch(() => []);
    return digests.length === nodes.length && new Set(digests.map(({ digest }) => digest)).size === 1;
  }, 30_000);
}

test('[I7] a node that comes back behind a log that was cut gets the documents that changed, and nothing else', async () => {
  const directory = await leftovers.directory();
  const [port, portThere] = (await freePorts(2)) as [number, number];
  const listen = ['--listen', `127.0.0.1:${port}`, '--log-bytes-max', '1048576'];
  const startHere = (): Promise<Node> => leftovers.startNode(listen, join(directory, 'here'));
  let here = await startHere();
  const startThere = (): Promise<Node> =>
    leftovers.startNode(
      ['--listen', `127.0.0.1:${portThere}`, '--join', `ws://127.0.0.1:${port}`],
      join(directory, 'there'),
    );
  let there = await startThere();
  await new AtollClient({ endpoints: here.url }).database('app').create();
  const documents = Array.from({ length: COUNT }, (_, i): JsonObject => ({
    id: `d${i}`,
    n: i,
    text: textOf(i),
  }));
  await importInto(here, documents);
  await expectEqual([here, there]);
  await there.stop();
  const changed = documents.slice(0, CHANGED) as { n: number }[];
  for (let round = 1; round <= 8; round++) {
    await importInto(
      here,
      changed.map((document) => ({ ...document, n: -round, text: textOf(round * COUNT + document.n) })),
    );
  }
  // The other member lacks it, and so it would stay were it not for the limit.
  await eventually(async () => (await logBytesOf(here)) <= 1_048_576);
  // And what it has in memory of its history would do as well.
  await here.stop();
  here = await startHere();
  there = await startThere();
  await expectEqual([here, there]);
  const { links } = await clusterOf(there);
  const receivedBytes = links.reduce((sum, link) => sum + link.receivedBytes, 0);
  expect(receivedBytes).toBeLessThan((COUNT * 1000) / 5);
  await new AtollClient({ endpoints: there.url }).database('app').collection('items').put('after', { all: true });
  await expectEqual([here, there]);
});

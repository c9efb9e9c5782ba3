import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { AtollClient, type ClusterDatabase } from '../../cli/client.ts';
import { RocksDbStore } from '../../server/storage/rocksdb-store.ts';
import { documentOf, rangeOf } from '../../sync/key.ts';
import { freePorts } from '../helper/port.ts';
import { eventually, Leftovers } from './cli-process.ts';

const EDITS = 100_000;
const EDITS_PER_REQUEST = 1000;
const TEXT_MAX = 4000;
const leftovers = new Leftovers();

type Node = Awaited<ReturnType<Leftovers['startNode']>>;

afterAll(() => leftovers.clear());

async function compactionOf({ url }: Node): Promise<NonNullable<ClusterDatabase['compaction']>> {
  const { databases } = await new AtollClient({ endpoints: url }).cluster();
  return databases.find(({ name }) => name === 'app')!.compaction!;
}

async function digestsOf(nodes: readonly Node[]): Promise<readonly string[]> {
  const digests = nodes.map(({ url }) => new AtollClient({ endpoints: url }).database('app').digest());
  return (await Promise.all(digests)).map(({ digest }) => digest);
}

const areEqual = async (nodes: readonly Node[]): Promise<boolean> =>
  new Set(await digestsOf(nodes).catch((error: unknown) => [String(error), ''])).size === 1;

/** Bytes of the view and the base of the document on a node that is not running. */
async function storedBytes(directory: string): Promise<number> {
  const store = await RocksDbStore.open(directory);
  let bytes = 0;
  for (const kind of ['j', 'y']) {
    for await (const entries of store.range(rangeOf(kind, 2))) {
      // What is remembered of the client's requests lies beside it.
      for (const [key, value] of entries) if (documentOf(key).collection === 'c') bytes += value.length;
    }
  }
  await store.close();
  return bytes;
}

/** Text edits at random places, and the text that they make. */
function* edits(): Generator<readonly object[], string> {
  let state = 7;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  let text = '';
  for (let left = EDITS; left > 0; left -= EDITS_PER_REQUEST) {
    const operations: object[] = [];
    for (let i = 0; i < EDITS_PER_REQUEST; i++) {
      const index = random(text.length);
      if (text.length > TEXT_MAX || (text.length > 1000 && random(2) === 0)) {
        operations.push({ op: 'text-delete', path: '/body', index, length: 1 });
        text = text.slice(0, index) + text.slice(index + 1);
      } else {
        const value = random(36).toString(36);
        operations.push({ op: 'text-insert', path: '/body', index, value });
        text = text.slice(0, index) + value + text.slice(index);
      }
    }
    yield operations;
  }
  return text;
}

test('[CP5] a document with a long history leaves it behind on all nodes, also if one is killed meanwhile', async () => {
  const directory = await leftovers.directory();
  const ports = await freePorts(3);
  const start = (i: number): Promise<Node> => {
    const joins = ports.slice(0, i).flatMap((port) => ['--join', `ws://127.0.0.1:${port}`]);
    const own = ['--listen', `127.0.0.1:${ports[i]}`, '--compact-after', '3', '--name', `n${i}`];
    return leftovers.startNode([...own, ...joins], join(directory, `n${i}`));
  };
  const nodes: Node[] = [];
  for (let i = 0; i < 3; i++) nodes.push(await start(i));
  const client = new AtollClient({ endpoints: nodes.map(({ url }) => url) });
  await client.database('app').create();
  await eventually(() => areEqual(nodes), 30_000);
  const documents = client.database('app').collection('c');
  const made = edits();
  let text = '';
  for (;;) {
    const { value, done } = made.next();
    if (done === true) {
      text = value;
      break;
    }
    await documents.apply('x', value as never);
  }
  await eventually(() => areEqual(nodes), 60_000);
  const compacted = async (): Promise<number> =>
    (await Promise.all(nodes.map(compactionOf))).reduce((sum, each) => sum + each.compacted, 0);
  await nodes[1]!.stop('SIGKILL');
  nodes[1] = await start(1);
  await eventually(async () => (await compacted()) > 0, 60_000);
  await eventually(() => areEqual(nodes), 60_000);
  for (const { url } of nodes) {
    const found = await new AtollClient({ endpoints: url }).database('app').collection<{ body: string }>('c').get('x');
    expect(found!.doc.body).toBe(text);
  }
  for (const node of nodes) await node.stop();
  for (let i = 0; i < 3; i++) {
    // Each run of characters takes a dozen bytes, and most are one character here; with its history it was a megabyte.
    expect(await storedBytes(join(directory, `n${i}`))).toBeLessThan(22 * text.length + 4000);
  }
}, 330_000);

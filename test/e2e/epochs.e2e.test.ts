import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { freePorts } from '../helper/port.ts';
import { eventually, Leftovers } from './cli-process.ts';

const RESTARTS = 12;
const leftovers = new Leftovers();

type Node = Awaited<ReturnType<Leftovers['startNode']>>;

interface Change {
  readonly id: string;
  readonly cursor: string;
}

afterAll(() => leftovers.clear());

/** Returns the session token of the answer. */
async function put(node: Node, id: string): Promise<string> {
  const response = await fetch(`${node.url}/v1/app/items/docs/${id}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ id }),
  });
  expect(response.ok).toBe(true);
  return response.headers.get('session-token')!;
}

async function changesOf(node: Node, query: string): Promise<Change[]> {
  const text = await (await fetch(`${node.url}/v1/app/items/changes?${query}`)).text();
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as Change).filter(({ id }) => id !== undefined);
}

async function read(node: Node, id: string, session: string): Promise<number> {
  const headers = { 'session-token': session, prefer: 'wait=20' };
  return (await fetch(`${node.url}/v1/app/items/docs/${id}`, { headers })).status;
}

test(
  '[GC10] [GC12] [GC14] a node that is started anew again and again leaves tokens and cursors short, and what was given before goes on',
  { timeout: 240_000 },
  async () => {
    const directory = await leftovers.directory();
    const [port, portThere] = (await freePorts(2)) as [number, number];
    const here = await leftovers.startNode(['--listen', `127.0.0.1:${port}`], join(directory, 'here'));
    const startThere = (): Promise<Node> =>
      leftovers.startNode(
        ['--listen', `127.0.0.1:${portThere}`, '--join', `ws://127.0.0.1:${port}`],
        join(directory, 'there'),
      );
    let there = await startThere();
    await fetch(`${here.url}/v1/app`, { method: 'PUT' });
    const oldest = await put(here, 'first');
    await eventually(async () => (await read(there, 'first', oldest)) === 200, 30_000);
    const [{ cursor }] = (await changesOf(here, 'limit=1')) as [Change];
    const lengths: number[] = [];
    for (let n = 1; n <= RESTARTS; n++) {
      await there.stop();
      there = await startThere();
      const session = await put(there, `d${n}`);
      lengths.push(session.length);
      // On the other node.
      expect(await read(here, `d${n}`, session)).toBe(200);
      expect(await read(there, 'first', oldest)).toBe(200);
    }
    expect(Math.max(...lengths.slice(-5))).toBeLessThan(100);
    for (const node of [here, there]) {
      const changes = await changesOf(node, `since=${cursor}&limit=${RESTARTS}`);
      expect(changes.map(({ id }) => id).sort()).toEqual(
        Array.from({ length: RESTARTS }, (_, i) => `d${i + 1}`).sort(),
      );
      expect(Math.max(...changes.map((change) => change.cursor.length))).toBeLessThan(200);
      const { databases } = (await (await fetch(`${node.url}/v1/_cluster`)).json()) as {
        databases: { name: string; epochs: { listed: number; folded: number } }[];
      };
      const { epochs } = databases.find(({ name }) => name === 'app')!;
      expect(epochs.listed).toBeLessThan(4);
      expect(epochs.folded).toBeGreaterThan(RESTARTS - 4);
    }
  },
);

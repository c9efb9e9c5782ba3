import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import WebSocket from 'ws';
import * as Y from 'yjs';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { openClient, VERSIONS, type SharedClient, type Version } from '../helper/yjs-client.ts';
import { eventually, Leftovers } from './cli-process.ts';

const leftovers = new Leftovers();
const clients: SharedClient[] = [];
let secret: string;
let nodes: { readonly url: string }[];

beforeAll(async () => {
  secret = join(await leftovers.directory(), 'secret');
  await writeFile(secret, 'a-cluster-secret-of-a-test');
  const first = await leftovers.startNode(['--cluster-secret-file', secret]);
  const second = await leftovers.startNode(['--cluster-secret-file', secret, '--join', first.url]);
  nodes = [first, second];
  await fetch(`${first.url}/v1/app`, { method: 'PUT' });
  await eventually(async () => (await fetch(`${second.url}/v1/app`)).status === 200);
});
afterEach(() => {
  for (const client of clients.splice(0)) client.destroy();
});
afterAll(() => leftovers.clear());

function client(version: Version, node: number, name: string, doc?: Y.Doc): SharedClient {
  const opened = openClient(version, { url: nodes[node]!.url, name: `app/notes/${name}`, ...(doc && { doc }) });
  clients.push(opened);
  return opened;
}

const text = ({ doc }: SharedClient): string => doc.getText('body').toString();

async function read(node: number, id: string): Promise<unknown> {
  const answer = await fetch(`${nodes[node]!.url}/v1/app/notes/docs/${id}`);
  return answer.status === 200 ? answer.json() : answer.status;
}

async function digests(): Promise<unknown[]> {
  const answers = await Promise.all(nodes.map(({ url }) => fetch(`${url}/v1/app/_digest`)));
  const bodies = (await Promise.all(answers.map((answer) => answer.json()))) as { digest: string }[];
  return bodies.map(({ digest }) => digest);
}

test.each(VERSIONS)('[YJ7] %s: clients of two nodes edit one document, and nodes are equal', async (version) => {
  const name = version.replace(' ', '-');
  const [a, b] = [client(version, 0, name), client('y-websocket 3.1', 1, name)];
  a.doc.getText('body').insert(0, 'left');
  await eventually(async () => text(b) === 'left');
  b.doc.getText('body').insert(4, ' right');
  a.doc.getMap('settings').set('wide', true);
  await eventually(async () => text(a) === 'left right' && b.doc.getMap('settings').get('wide') === true);
  const expected = { body: 'left right', settings: { wide: true } };
  await eventually(async () => JSON.stringify(await read(0, name)) === JSON.stringify(expected));
  await eventually(async () => JSON.stringify(await read(1, name)) === JSON.stringify(expected));
  await eventually(async () => new Set(await digests()).size === 1);
});

test('[FE3] a feed of what editors write ends at its limit, and at once with wait=0, from the start, a cursor and now, on every node', async () => {
  for (let i = 0; i < 6; i++) {
    const editor = client('y-websocket 3.1', i % 2, `fed-${i}`);
    await eventually(async () => editor.isSynced());
    for (const word of ['one ', 'two ', 'three ']) editor.doc.getText('body').insert(0, word);
    editor.doc.getMap('settings').set('n', i);
    editor.doc.getXmlFragment('rich').insert(0, [new Y.XmlText('x')]);
  }
  await eventually(async () => new Set(await digests()).size === 1 && (await read(1, 'fed-5')) !== 404);
  const feed = async (node: number, query: string): Promise<{ id?: string; cursor: string; doc?: unknown }[]> => {
    const signal = AbortSignal.timeout(5_000);
    const answer = await fetch(`${nodes[node]!.url}/v1/app/_changes?${query}`, { signal });
    const lines = (await answer.text()).split('\n').filter((line) => line !== '');
    return lines.map((line) => JSON.parse(line) as { id?: string; cursor: string });
  };
  for (const node of [0, 1]) {
    const first = await feed(node, 'limit=3');
    expect(first).toHaveLength(3);
    for (const include of ['doc', 'doc,conflicts'])
      expect(await feed(node, `limit=5&include=${include}`)).toHaveLength(5);
    const since = first.at(-1)!.cursor;
    // A cursor in the middle of the documents goes on behind them, on the other node too.
    for (const other of [0, 1]) {
      const next = await feed(other, `limit=3&since=${since}`);
      expect(next.map(({ id }) => id).filter((id) => first.some((change) => change.id === id))).toEqual([]);
      const all = await feed(other, 'wait=0&include=doc');
      expect(all.filter(({ id }) => id?.startsWith('fed-'))).toHaveLength(6);
      // With fewer changes than the limit only `wait` ends it.
      expect((await feed(other, `limit=1000&wait=0&since=${all.at(-1)!.cursor}`)).filter(({ id }) => id)).toEqual([]);
      expect((await feed(other, 'limit=5&wait=0&since=now')).filter(({ id }) => id)).toEqual([]);
    }
  }
});

test('[YJ5] clients of two nodes see each other, and a third one sees both when it comes', async () => {
  const [a, b] = [client('y-websocket 3.1', 0, 'seen'), client('hocuspocus 4', 1, 'seen')];
  a.awareness.setLocalStateField('user', 'Ada');
  b.awareness.setLocalStateField('user', 'Bob');
  const users = ({ awareness }: SharedClient): unknown[] =>
    [...awareness.getStates().values()].flatMap((state) => ('user' in state ? [state['user']] : [])).sort();
  await eventually(async () => users(a).join() === 'Ada,Bob' && users(b).join() === 'Ada,Bob');
  const c = client('y-websocket 2.1', 1, 'seen');
  await eventually(async () => users(c).join() === 'Ada,Bob');
  a.destroy();
  await eventually(async () => users(b).join() === 'Bob' && users(c).join() === 'Bob');
});

test('[SH2] what HTTP writes on one node shows in an editor on the other, and the other way round', async () => {
  const a = client('y-websocket 3.1', 0, 'doors');
  a.doc.getText('body').insert(0, 'typed');
  a.doc.getArray('list').push(['one']);
  await eventually(async () => JSON.stringify(await read(1, 'doors')) === '{"body":"typed","list":["one"]}');
  const path = `${nodes[1]!.url}/v1/app/notes/docs/doors`;
  const operations = [
    { op: 'text-insert', path: '/body', index: 5, value: ' and posted' },
    { op: 'append', path: '/list', value: 'two' },
  ];
  const headers = { 'content-type': 'application/vnd.atoll.ops+json' };
  const patched = await fetch(path, { method: 'PATCH', headers, body: JSON.stringify(operations) });
  expect(patched.status).toBe(200);
  await eventually(async () => text(a) === 'typed and posted' && a.doc.getArray('list').length === 2);
  const before = (await fetch(path)).headers.get('etag');
  const body = JSON.stringify(await read(1, 'doors'));
  await fetch(path, { method: 'PUT', headers: { 'content-type': 'application/json' }, body });
  expect((await fetch(path)).headers.get('etag')).toBe(before);
  const replaced = JSON.stringify({ body: 'put', title: 'kept by Atoll' });
  await fetch(path, { method: 'PUT', headers: { 'content-type': 'application/json' }, body: replaced });
  await eventually(async () => text(a) === 'put' && a.doc.getArray('list').length === 0);
  await eventually(async () => JSON.stringify(await read(0, 'doors')) === replaced);
});

test('[YJ8] what was deleted is empty for who opens it, and begins anew with the next change', async () => {
  const a = client('y-websocket 3.1', 0, 'deleted');
  a.doc.getText('body').insert(0, 'old');
  await eventually(async () => JSON.stringify(await read(1, 'deleted')) === '{"body":"old"}');
  expect((await fetch(`${nodes[1]!.url}/v1/app/notes/docs/deleted`, { method: 'DELETE' })).status).toBe(204);
  await eventually(async () => a.closes.includes(4410));
  const [b, c] = [client('y-websocket 3.1', 0, 'deleted'), client('hocuspocus 3', 1, 'deleted')];
  await eventually(async () => b.isSynced() && c.isSynced());
  expect([text(b), text(c)]).toEqual(['', '']);
  b.doc.getText('body').insert(0, 'new');
  await eventually(async () => text(c) === 'new');
  c.doc.getText('body').insert(3, 'er');
  await eventually(async () => text(b) === 'newer');
  await eventually(async () => JSON.stringify(await read(0, 'deleted')) === '{"body":"newer"}');
  await eventually(async () => new Set(await digests()).size === 1);
});

test('[YJ9] what was acknowledged is there after a crash', { timeout: 90_000 }, async () => {
  const data = join(await leftovers.directory(), 'data');
  let node = await leftovers.startNode([], data);
  const { port } = new URL(node.url);
  await fetch(`${node.url}/v1/app`, { method: 'PUT' });
  const doc = new Y.Doc();
  const name = 'app/notes/crash';
  const acknowledged: string[] = [];
  // Told apart from what the client still has: a document of its own that hears only what the node says.
  const writer = openClient('hocuspocus 3', { url: node.url, name, doc });
  const watcher = openClient('y-websocket 3.1', { url: node.url, name });
  clients.push(writer, watcher);
  await eventually(async () => writer.isSynced() && watcher.isSynced());
  for (let round = 0; round < 3; round++) {
    for (let count = 0; count < 100; count++) {
      const word = `${round}.${count};`;
      doc.getText('body').insert(doc.getText('body').length, word);
      if (count % 20 === 19) await eventually(async () => writer.unsynced() === 0);
      if (count % 20 === 19) acknowledged.push(text(writer));
    }
    await node.stop('SIGKILL');
    node = await leftovers.startNode(['--listen', `127.0.0.1:${port}`], data);
    // Nobody has connected yet that could bring it back.
    const stored = (await (await fetch(`${node.url}/v1/app/notes/docs/crash`)).json()) as { body: string };
    expect(stored.body.startsWith(acknowledged.at(-1)!)).toBe(true);
    await eventually(async () => writer.isSynced() && watcher.isSynced() && text(watcher) === text(writer));
  }
});

test('[YJ10] a client that does not read costs bounded memory and is let go', { timeout: 60_000 }, async () => {
  const name = 'app/notes/slow';
  const socket = new WebSocket(`${nodes[0]!.url.replace('http', 'ws')}/yjs/${name}`);
  const closed = new Promise<number>((resolve) => socket.once('close', resolve));
  socket.on('error', () => undefined);
  await new Promise((resolve) => socket.once('open', resolve));
  socket.pause();
  const a = client('y-websocket 3.1', 0, 'slow');
  await eventually(async () => a.isSynced());
  const rounds = Array.from({ length: 24 }, (_, index) => index);
  for (const round of rounds) {
    a.doc.getText('body').delete(0, a.doc.getText('body').length);
    a.doc.getText('body').insert(0, String(round % 10).repeat(500_000));
    await eventually(async () => JSON.stringify(await read(0, 'slow')).length > 500_000);
  }
  socket.resume();
  expect([4508, 1006]).toContain(await closed);
  expect(a.closes).toEqual([]);
});

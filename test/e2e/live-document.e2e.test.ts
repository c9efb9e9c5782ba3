/**
 * Pages that write JSON through unmodified providers, on nodes that REST writes to as well and whose links can be cut.
 */
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import * as Y from 'yjs';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { openDocument, type LiveDocument, type LiveEvent } from '../../crdt/index.ts';
import { openClient, VERSIONS, type SharedClient, type Version } from '../helper/yjs-client.ts';
import { eventually, Leftovers } from './cli-process.ts';
import { request, startDevNodes, type DevNodes } from './dev-nodes.ts';

interface Task {
  title: string;
  done: boolean;
  visits: number;
  steps: { text: string; done: boolean }[];
  tags: string[];
  body: string;
}

const leftovers = new Leftovers();
const clients: SharedClient[] = [];
let nodes: DevNodes;

beforeAll(async () => {
  nodes = await startDevNodes(leftovers);
  await nodes.ready();
});
afterEach(() => {
  for (const client of clients.splice(0)) client.destroy();
});
afterAll(() => leftovers.clear());

class Page {
  readonly doc: Y.Doc;
  readonly live: LiveDocument<Task>;
  readonly events: LiveEvent[] = [];
  readonly #id: string;
  #client: SharedClient | null = null;

  constructor(id: string, doc: Y.Doc = new Y.Doc()) {
    this.#id = id;
    this.doc = doc;
    this.live = openDocument<Task>(doc);
    this.live.observe((event) => this.events.push(event));
  }

  connect(version: Version, node: number): SharedClient {
    const { doc } = this;
    this.#client = openClient(version, { url: nodes.urls[node]!, name: `app/tasks/${this.#id}`, doc });
    clients.push(this.#client);
    return this.#client;
  }

  leave(): void {
    this.#client?.destroy();
    this.#client = null;
  }
}

const path = (id: string, more = ''): string => `/v1/app/tasks/docs/${id}${more}`;

async function operate(node: number, id: string, ...operations: object[]): Promise<void> {
  const type = { 'content-type': 'application/vnd.atoll.ops+json' };
  const { status } = await request(nodes.urls[node]!, 'PATCH', path(id), operations, type);
  expect(status).toBeLessThan(300);
}

/** Everybody shows this. */
async function agree(id: string, pages: readonly Page[], expected: unknown): Promise<void> {
  const text = JSON.stringify(expected);
  const shown = async (): Promise<string[]> => {
    const answers = await Promise.all(nodes.urls.map((url) => request(url, 'GET', path(id))));
    return [...answers.map(({ body }) => JSON.stringify(body)), ...pages.map(({ live }) => JSON.stringify(live.json))];
  };
  await eventually(async () => (await shown()).every((each) => each === text)).catch(async () => {
    expect(await shown()).toEqual((await shown()).map(() => text));
  });
}

test.each(VERSIONS)('[VW1] %s: pages of two nodes and REST write one document', async (version) => {
  const id = version.replace(' ', '-');
  const [a, b] = [new Page(id), new Page(id)];
  a.connect(version, 0);
  b.connect('y-websocket 3.1', 1);
  a.live.set('/title', 'Shop');
  a.live.append('/steps', { text: 'milk', done: false });
  await eventually(async () => b.live.get('/steps/0/text') === 'milk');
  await operate(2, id, { op: 'increment', path: '/visits', value: 2 }, { op: 'set-add', path: '/tags', value: 'home' });
  b.live.increment('/visits', 3);
  b.live.set('/steps/0/done', true);
  b.live.textInsert('/body', 0, 'Hello');
  await eventually(async () => a.live.text('/body')?.toString() === 'Hello');
  a.doc.getText('body').insert(5, ' you');
  const steps = [{ done: true, text: 'milk' }];
  await agree(id, [a, b], { body: 'Hello you', steps, tags: ['home'], title: 'Shop', visits: 5 });
  expect(a.live.conflicts).toEqual([]);
  expect(a.events.some(({ isLocal, changes }) => !isLocal && changes.some((change) => change.path === '/visits'))).toBe(
    true,
  );
  const { body } = await request(nodes.urls[0]!, 'GET', path(id, '/history'));
  const written = (body as { changes: { paths: string[] }[] }).changes.flatMap(({ paths }) => paths);
  expect(written).toEqual(expect.arrayContaining(['/title', '/steps', '/visits', '/body']));
});

test('[VW8] a page that was offline and loaded anew comes to another node, and conflicts are shown', async () => {
  const id = 'offline';
  const [first, other] = [new Page(id), new Page(id)];
  first.connect('hocuspocus 4', 0);
  other.connect('y-websocket 3.1', 2);
  first.live.set('', { title: 'a', done: false, visits: 0, steps: [], tags: [], body: '' });
  await eventually(async () => other.live.get('/title') === 'a');
  first.leave();
  first.live.set('/title', 'offline');
  first.live.increment('/visits', 5);
  const saved = Y.encodeStateAsUpdate(first.doc);
  other.live.set('/title', 'online');
  await operate(1, id, { op: 'increment', path: '/visits', value: 1 });
  const doc = new Y.Doc();
  Y.applyUpdate(doc, saved, 'y-indexeddb');
  const again = new Page(id, doc);
  again.live.increment('/visits', 10);
  again.connect('y-websocket 2.1', 1);
  await agree(id, [again, other], { body: '', done: false, steps: [], tags: [], title: 'online', visits: 16 });
  const { body } = await request(nodes.urls[0]!, 'GET', path(id, '/conflicts'));
  expect(body).toMatchObject({ conflicts: [{ path: '/title', shown: 'online', others: [{ value: 'offline' }] }] });
  expect(again.live.conflicts).toMatchObject([{ path: '/title', shown: 'online', others: [{ value: 'offline' }] }]);
  const [{ others }] = (body as { conflicts: [{ others: [{ at: string; replica: string }] }] }).conflicts;
  const { status } = await request(nodes.urls[0]!, 'POST', path(id, '/conflicts'), {
    path: '/title',
    restore: others[0],
  });
  expect(status).toBe(200);
  await agree(id, [again, other], { body: '', done: false, steps: [], tags: [], title: 'offline', visits: 16 });
});

test('[YJ60] a page that comes to a node that is behind is waited for, not cut off', { timeout: 60_000 }, async () => {
  const id = 'ahead';
  const page = new Page(id);
  page.connect('y-websocket 3.1', 0);
  page.live.set('/title', 'a');
  await agree(id, [page], { title: 'a' });
  for (const cut of ['cut 1 2', 'cut 1 3']) await nodes.command(cut);
  await operate(0, id, { op: 'increment', path: '/visits', value: 1 });
  await eventually(async () => page.live.get('/visits') === 1);
  page.leave();
  page.live.set('/done', true);
  const moved = page.connect('y-websocket 3.1', 1);
  // It is closed for a while, and comes again by itself.
  await eventually(async () => moved.closes.length > 0);
  expect(moved.closes).toContain(4503);
  expect(moved.closes).not.toContain(4403);
  for (const heal of ['heal 1 2', 'heal 1 3']) await nodes.command(heal);
  await agree(id, [page], { done: true, title: 'a', visits: 1 });
});

test('[VW4] a page that forges is closed with 4403, and nothing of it is stored', async () => {
  const id = 'forged';
  const witness = new Page(id);
  witness.connect('y-websocket 3.1', 0);
  witness.live.set('/title', 'fine');
  await operate(0, id, { op: 'increment', path: '/visits', value: 5 });
  await eventually(async () => witness.live.get('/visits') === 5);
  const hostile = new Page(id);
  const client = hostile.connect('y-websocket 3.1', 0);
  await eventually(async () => hostile.live.get('/visits') === 5);
  const rows = hostile.doc.getArray('~');
  rows.delete(
    rows.toArray().findIndex((row) => Array.isArray(row) && row[0] === 'visits'),
    1,
  );
  await eventually(async () => client.closes.includes(4403));
  hostile.leave();
  witness.live.set('/done', true);
  await agree(id, [witness], { done: true, title: 'fine', visits: 5 });
});

test('[CL36] the page of README.md runs as it stands', async () => {
  const block = /^```js\n(import \* as Y from 'yjs';[\s\S]*?)^```$/m.exec(readFileSync('README.md', 'utf8'))![1]!;
  const paths = {
    "'atolldb/crdt'": './dist/crdt/index.js',
    "'y-websocket'": './node_modules/y-websocket/src/y-websocket.js',
  };
  let program = block.replace(':7400', `:${new URL(nodes.urls[0]!).port}`);
  for (const [name, file] of Object.entries(paths)) program = program.replace(name, JSON.stringify(resolve(file)));
  program = program.replace("'yjs'", JSON.stringify(resolve('node_modules/yjs/dist/yjs.mjs')));
  const file = join(await leftovers.directory(), 'page.mjs');
  const socket = `import WebSocket from ${JSON.stringify(resolve('node_modules/ws/wrapper.mjs'))};\n`;
  writeFileSync(file, `${socket}globalThis.WebSocket = WebSocket;\n${program}`);
  const page = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'inherit'] });
  let printed = '';
  page.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  try {
    const expected = { note: 'Hello', steps: [{ done: true, text: 'milk' }], title: 'Shop', visits: 1 };
    await agree('shop', [], expected);
    expect(printed).toContain('[{"op":"add","path":"/visits","value":1}]\n');
    expect(printed).toContain('Shop 0\n');
  } finally {
    page.kill();
  }
});

/**
 * @module
 * Owns the proof that a replica runs in a real browser: on IndexedDB, over the browser's websocket, offline, and across a reload.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, Leftovers } from '../e2e/cli-process.ts';
import { findChromium } from '../helper/chromium.ts';
import { serveScript, type PageSite } from '../helper/page-site.ts';

const SECRET = 'a-cluster-secret-of-a-test';

/** What a page does, in terms of documents. */
const PAGE = `
import { createReplica, IndexedDbStore } from './dist/sync/index.js';
let replica;
globalThis.script = {
  async start(peers, secret) {
    const store = await IndexedDbStore.open('todo');
    replica = await createReplica({ store, peers, secret, name: 'page' });
    return replica.nodeId;
  },
  async put(id, value) {
    await replica.database('app').write('todos', id, { kind: 'replace', value });
  },
  async read(id) {
    if (!replica.databases().includes('app')) return null;
    const stored = await replica.database('app').get('todos', id);
    return stored === null ? null : JSON.parse(new TextDecoder().decode(stored.json));
  },
  digest: () => replica.database('app').digest().digest,
  async startAgain() {
    return IndexedDbStore.open('todo', { inUseMs: 50 }).then(() => 'opened', ({ code }) => code);
  },
};
`;

interface Script {
  start(peers: readonly string[], secret: string): Promise<string>;
  put(id: string, value: object): Promise<void>;
  read(id: string): Promise<unknown>;
  digest(): string;
  startAgain(): Promise<string>;
}

const leftovers = new Leftovers();
let browser: Browser;
let site: PageSite;
let node: { readonly url: string };

beforeAll(async () => {
  const executablePath = findChromium();
  site = await serveScript(PAGE);
  const secret = join(await leftovers.directory(), 'secret');
  await writeFile(secret, SECRET);
  node = await leftovers.startNode(['--cluster-secret-file', secret, '--allow-origin', site.origin]);
  await fetch(`${node.url}/v1/app`, { method: 'PUT' });
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
});
afterAll(async () => {
  await browser?.close();
  site?.close();
  await leftovers.clear();
});

/** In the page. */
declare const script: Script;
const startIn = (page: Page, peers: readonly string[]): Promise<string> =>
  page.evaluate(([urls, secret]) => script.start(urls, secret), [peers, SECRET] as const);
const readIn = (page: Page, id: string): Promise<unknown> => page.evaluate((name) => script.read(name), id);
const putIn = (page: Page, id: string, value: object): Promise<void> =>
  page.evaluate(([name, content]) => script.put(name, content), [id, value] as const);

async function load(page: Page): Promise<void> {
  await page.goto(site.origin);
  await page.waitForFunction(() => 'script' in globalThis);
}

async function onNode(id: string): Promise<unknown> {
  const answer = await fetch(`${node.url}/v1/app/todos/docs/${id}`);
  return answer.status === 200 ? answer.json() : answer.status;
}

async function putOnNode(id: string, value: object): Promise<number> {
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify(value);
  return (await fetch(`${node.url}/v1/app/todos/docs/${id}`, { method: 'PUT', headers, body })).status;
}

test('[EM1] [EM2] a page syncs, is edited offline, is loaded anew, and converges', async () => {
  const page = await (await browser.newContext()).newPage();
  await load(page);
  const id = await startIn(page, [node.url]);
  expect(await putOnNode('t1', { title: 'milk' })).toBe(201);
  await eventually(async () => (await readIn(page, 't1')) !== null);
  await putIn(page, 't2', { title: 'bread' });
  await eventually(async () => (await onNode('t2')) !== 404);
  expect(await page.evaluate(() => script.startAgain())).toBe('STORAGE_IN_USE');

  // Nobody to reach: what is written here and there meets later.
  await load(page);
  expect(await startIn(page, [])).toBe(id);
  expect(await readIn(page, 't2')).toEqual({ title: 'bread' });
  await putIn(page, 't3', { title: 'salt' });
  await putIn(page, 't1', { title: 'oat milk' });
  await putOnNode('t4', { title: 'tea' });
  expect(await onNode('t3')).toBe(404);

  await load(page);
  expect(await startIn(page, [node.url])).toBe(id);
  await eventually(async () => (await readIn(page, 't4')) !== null && (await onNode('t3')) !== 404);
  await eventually(async () => JSON.stringify(await onNode('t1')) === '{"title":"oat milk"}');
  await eventually(async () => {
    const answer = (await (await fetch(`${node.url}/v1/app/_digest`)).json()) as { digest: string };
    return answer.digest === (await page.evaluate(() => script.digest()));
  });
});

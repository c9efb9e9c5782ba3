/**
 * @module
 * Owns the proof that a leaf runs in a real browser: on IndexedDB, let in by a token, offline, across a reload, and with another node.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { NewAccessTokenAnswer } from '../../server/api/index.ts';
import { eventually as poll, Leftovers } from '../e2e/cli-process.ts';
import { findChromium } from '../helper/chromium.ts';
import { serveScript, type PageSite } from '../helper/page-site.ts';

/** What a page does, in terms of documents. */
const PAGE = `
import { createLeaf, IndexedDbStore, leafQueries } from './dist/sync/index.js';
let leaf;
const todos = () => leaf.collection('app', 'todos');
globalThis.script = {
  async start(urls, token) {
    const store = await IndexedDbStore.open('todo');
    const subscribe = [{ database: 'app', collection: 'todos', filter: { owner: 'ada' } }];
    leaf = await createLeaf({ urls, token, store, subscribe, queries: leafQueries });
  },
  put: (id, value) => todos().put(id, value),
  read: (id) => todos().get(id)?.doc ?? null,
  ids: () => todos().list().map(({ id }) => id),
  status: () => leaf.status(),
};
`;

interface Script {
  start(urls: readonly string[], token: string): Promise<void>;
  put(id: string, value: object): Promise<void>;
  read(id: string): unknown;
  ids(): readonly string[];
  status(): { readonly state: string; readonly unsent: number; readonly isSettled: boolean };
}

/** Machines that run tests may be slow. */
const eventually = (check: () => Promise<boolean>): Promise<void> => poll(check, 60_000);
const leftovers = new Leftovers();
let browser: Browser;
let site: PageSite;
let nodes: { readonly url: string }[];
let admin = '';
let token: string;

beforeAll(async () => {
  const executablePath = findChromium();
  site = await serveScript(PAGE);
  const secret = join(await leftovers.directory(), 'secret');
  await writeFile(secret, 'a-cluster-secret-of-a-test');
  const args = ['--cluster-secret-file', secret, '--allow-origin', site.origin];
  const first = await leftovers.startNode(args);
  nodes = [first, await leftovers.startNode([...args, '--join', first.url])];
  admin = await tokenOf({ role: 'admin' });
  token = await tokenOf({ role: 'write', databases: ['app'] });
  await send(0, 'PUT', '/v1/app');
  await eventually(async () => (await send(1, 'GET', '/v1/app')).status === 200);
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
});
afterAll(async () => {
  await browser?.close();
  site?.close();
  await leftovers.clear();
});

function send(node: number, method: string, path: string, body?: object): Promise<Response> {
  const headers = {
    ...(body && { 'content-type': 'application/json' }),
    ...(admin !== '' && { authorization: `Bearer ${admin}` }),
  };
  return fetch(`${nodes[node]!.url}${path}`, { method, headers, ...(body && { body: JSON.stringify(body) }) });
}

async function tokenOf(request: object): Promise<string> {
  return ((await (await send(0, 'POST', '/v1/_admin/tokens', request)).json()) as NewAccessTokenAnswer).token;
}

async function onNode(node: number, id: string): Promise<unknown> {
  const answer = await send(node, 'GET', `/v1/app/todos/docs/${id}`);
  return answer.status === 200 ? answer.json() : answer.status;
}

/** In the page. */
declare const script: Script;
const readIn = (page: Page, id: string): Promise<unknown> => page.evaluate((name) => script.read(name), id);
const putIn = (page: Page, id: string, value: object): Promise<void> =>
  page.evaluate(([name, content]) => script.put(name, content), [id, value] as const);

async function load(page: Page, urls: readonly string[], by: string): Promise<void> {
  await page.goto(site.origin);
  await page.waitForFunction(() => 'script' in globalThis);
  await page.evaluate(([addresses, text]) => script.start(addresses, text), [urls, by] as const);
}

test('[LF1] [LF2] [LF8] a page syncs, is edited offline, is loaded anew, and goes on with another node', async () => {
  const page = await (await browser.newContext()).newPage();
  await send(0, 'PUT', '/v1/app/todos/docs/t1', { owner: 'ada', title: 'milk' });
  await send(0, 'PUT', '/v1/app/todos/docs/t0', { owner: 'bob', title: 'beer' });
  await load(page, [nodes[0]!.url], token);
  await eventually(async () => (await readIn(page, 't1')) !== null);
  await putIn(page, 't2', { owner: 'ada', title: 'bread' });
  await eventually(async () => (await onNode(1, 't2')) !== 404);
  expect(await page.evaluate(() => script.ids())).toEqual(['t1', 't2']);

  // Nobody to reach.
  await load(page, ['http://127.0.0.1:9'], token);
  expect(await readIn(page, 't2')).toEqual({ owner: 'ada', title: 'bread' });
  await putIn(page, 't3', { owner: 'ada', title: 'salt' });
  await putIn(page, 't1', { owner: 'ada', title: 'oat milk' });
  await send(0, 'PUT', '/v1/app/todos/docs/t4', { owner: 'ada', title: 'tea' });
  await send(0, 'DELETE', '/v1/app/todos/docs/t2');
  expect(await page.evaluate(() => script.status())).toMatchObject({ unsent: 2, isSettled: false });
  expect(await onNode(0, 't3')).toBe(404);

  await load(page, [nodes[1]!.url], token);
  await eventually(async () => (await page.evaluate(() => script.status())).isSettled);
  await eventually(async () => (await readIn(page, 't4')) !== null && (await readIn(page, 't2')) === null);
  expect(await page.evaluate(() => script.ids())).toEqual(['t1', 't3', 't4']);
  await eventually(async () => (await onNode(0, 't3')) !== 404);
  await eventually(async () => JSON.stringify(await onNode(0, 't1')) === '{"owner":"ada","title":"oat milk"}');

  await load(page, [nodes[0]!.url], 'atoll_not_a_token');
  await eventually(async () => (await page.evaluate(() => script.status())).state === 'refused');
  expect(await page.evaluate(() => script.ids())).toEqual(['t1', 't3', 't4']);
});

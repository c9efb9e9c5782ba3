/**
 * @module
 * Owns the proof that the JSON of a Y.Doc is read and written in a real browser: through an unmodified provider, offline, across a reload,
 * and on another node.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { JsonChange } from '../../crdt/index.ts';
import { eventually as poll, Leftovers } from '../e2e/cli-process.ts';
import { findChromium } from '../helper/chromium.ts';
import { serveScript, type PageSite } from '../helper/page-site.ts';

/** What a page does. The Y.Doc is all that it saves. */
const PAGE = `
import * as Y from 'yjs';
import { WebsocketProvider } from 'y-websocket';
import { openDocument } from './dist/crdt/index.js';

const doc = new Y.Doc();
const saved = localStorage.getItem('doc');
if (saved !== null) Y.applyUpdate(doc, Uint8Array.from(JSON.parse(saved)));
doc.on('update', () => localStorage.setItem('doc', JSON.stringify([...Y.encodeStateAsUpdate(doc)])));
const live = openDocument(doc);
const told = [];
live.observe(({ changes, isLocal }) => told.push(...(isLocal ? [] : changes)));
let provider;
globalThis.script = {
  connect(url) {
    provider = new WebsocketProvider(url, 'app/tasks/shop', doc, { disableBc: true });
  },
  disconnect: () => provider.destroy(),
  isSynced: () => provider.synced,
  call: (method, ...parameters) => void live[method](...parameters),
  read: () => ({ json: live.json ?? null, conflicts: live.conflicts }),
  takeTold: () => told.splice(0),
};
`;

interface Script {
  connect(url: string): void;
  disconnect(): void;
  isSynced(): boolean;
  call(method: string, ...parameters: readonly unknown[]): void;
  read(): {
    readonly json: unknown;
    readonly conflicts: readonly { readonly path: string; readonly shown?: unknown }[];
  };
  takeTold(): readonly JsonChange[];
}

/** In the page. */
declare const script: Script;

/** Machines that run tests may be slow. */
const eventually = (check: () => Promise<boolean>): Promise<void> => poll(check, 60_000);
const DOCUMENT = '/v1/app/tasks/docs/shop';
const leftovers = new Leftovers();
let browser: Browser;
let site: PageSite;
let nodes: { readonly url: string }[];

beforeAll(async () => {
  site = await serveScript(PAGE);
  const secret = join(await leftovers.directory(), 'secret');
  await writeFile(secret, 'a-cluster-secret-of-a-test');
  const options = ['--cluster-secret-file', secret, '--allow-origin', site.origin];
  const first = await leftovers.startNode(options);
  nodes = [first, await leftovers.startNode([...options, '--join', first.url])];
  await fetch(`${first.url}/v1/app`, { method: 'PUT' });
  await eventually(async () => (await fetch(`${nodes[1]!.url}/v1/app`)).status === 200);
  browser = await chromium.launch({ executablePath: findChromium(), args: ['--no-sandbox'] });
});
afterAll(async () => {
  await browser?.close();
  site?.close();
  await leftovers.clear();
});

/** The people of a test. */
class Person {
  readonly page: Page;

  private constructor(page: Page) {
    this.page = page;
  }

  static async come(): Promise<Person> {
    const person = new Person(await (await browser.newContext()).newPage());
    await person.load();
    return person;
  }

  async load(): Promise<void> {
    await this.page.goto(site.origin);
    await this.page.waitForFunction(() => 'script' in globalThis);
  }

  async connect(node: number): Promise<void> {
    await this.page.evaluate((url) => script.connect(url), `${nodes[node]!.url.replace('http', 'ws')}/yjs`);
    await eventually(() => this.page.evaluate(() => script.isSynced()));
  }

  disconnect(): Promise<void> {
    return this.page.evaluate(() => script.disconnect());
  }

  call(method: string, ...parameters: readonly unknown[]): Promise<void> {
    return this.page.evaluate(([name, rest]) => script.call(name, ...rest), [method, parameters] as const);
  }

  read(): Promise<ReturnType<Script['read']>> {
    return this.page.evaluate(() => script.read());
  }

  takeTold(): Promise<readonly JsonChange[]> {
    return this.page.evaluate(() => script.takeTold());
  }
}

async function operate(node: number, ...operations: readonly object[]): Promise<void> {
  const headers = { 'content-type': 'application/vnd.atoll.ops+json' };
  const body = JSON.stringify(operations);
  const { status } = await fetch(`${nodes[node]!.url}${DOCUMENT}`, { method: 'PATCH', headers, body });
  expect(status).toBeLessThan(300);
}

/** All nodes, and all these pages, show this. */
async function agree(people: readonly Person[], expected: object): Promise<void> {
  const shown = async (): Promise<unknown[]> => [
    ...(await Promise.all(nodes.map(async ({ url }) => (await fetch(`${url}${DOCUMENT}`)).json()))),
    ...(await Promise.all(people.map(async (person) => (await person.read()).json))),
  ];
  const text = JSON.stringify(expected);
  await eventually(async () => (await shown()).every((each) => JSON.stringify(each) === text)).catch(async () => {
    expect(await shown()).toEqual([...nodes, ...people].map(() => expected));
  });
}

test('[VW1] [VW2] [VW8] pages on two nodes and REST write one document, offline and after a reload', async () => {
  const [ada, bob] = [await Person.come(), await Person.come()];
  await ada.connect(0);
  await bob.connect(1);
  await ada.call('set', '/title', 'Shop');
  await ada.call('append', '/steps', { text: 'milk', done: false });
  await ada.call('textInsert', '/note', 0, 'Hello');
  await agree([ada, bob], { note: 'Hello', steps: [{ done: false, text: 'milk' }], title: 'Shop' });
  await bob.takeTold();

  await operate(0, { op: 'increment', path: '/visits', value: 2 });
  await bob.call('set', '/steps/0/done', true);
  await agree([ada, bob], { note: 'Hello', steps: [{ done: true, text: 'milk' }], title: 'Shop', visits: 2 });
  expect(await bob.takeTold()).toEqual([{ op: 'add', path: '/visits', value: 2 }]);

  // Ada is offline, and her page is loaded anew.
  await ada.disconnect();
  await ada.call('increment', '/visits');
  await ada.call('set', '/title', 'Ada’s list');
  await ada.call('textInsert', '/note', 5, ', world');
  await ada.load();
  expect((await ada.read()).json).toMatchObject({ title: 'Ada’s list', visits: 3, note: 'Hello, world' });
  await ada.call('append', '/steps', { text: 'salt', done: false });
  await bob.call('increment', '/visits', 4);
  await bob.call('set', '/title', 'Bob’s list');
  await operate(1, { op: 'text-insert', path: '/note', index: 0, value: '> ' });
  await ada.connect(1);

  const merged = {
    note: '> Hello, world',
    steps: [
      { done: true, text: 'milk' },
      { done: false, text: 'salt' },
    ],
    visits: 7,
  };
  await eventually(async () => (await bob.read()).conflicts.length === 1);
  const { conflicts } = await bob.read();
  expect(conflicts).toMatchObject([{ path: '/title' }]);
  await agree([ada, bob], { note: merged.note, steps: merged.steps, title: conflicts[0]!.shown, visits: 7 });
  await bob.call('resolve', { path: '/title', value: 'Our list' });
  await agree([ada, bob], { note: merged.note, steps: merged.steps, title: 'Our list', visits: 7 });
  expect((await ada.read()).conflicts).toEqual([]);
});

/**
 * @module
 * Owns the proof that the examples run as they are: the pages in Chromium, the service in Node, on real nodes that fail.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { NewAccessTokenAnswer } from '../../server/api/index.ts';
import { eventually, Leftovers } from '../e2e/cli-process.ts';
import { findChromium } from '../helper/chromium.ts';
import { EXAMPLES, serveExample } from '../helper/example-site.ts';
import type { PageSite } from '../helper/page-site.ts';

const SECRET = 'a-cluster-secret-of-a-test';
/** A directory gets a picture of each page: to look at. */
const PICTURES = process.env['ATOLL_TEST_PICTURES'];

const leftovers = new Leftovers();
const sites: PageSite[] = [];
let browser: Browser;
let secretFile: string;

beforeAll(async () => {
  browser = await chromium.launch({ executablePath: findChromium(), args: ['--no-sandbox'] });
  secretFile = join(await leftovers.directory(), 'secret');
  await writeFile(secretFile, SECRET);
});
afterEach(async () => {
  for (const context of browser.contexts()) await context.close();
  for (const site of sites.splice(0)) site.close();
});
afterAll(async () => {
  await browser?.close();
  await leftovers.clear();
});

interface TestNode {
  readonly url: string;
  stop(signal?: NodeJS.Signals): Promise<unknown>;
}

/** A node that is found at the same address when it is started again. */
class Node {
  readonly #data: string;
  readonly #options: readonly string[];
  #running: TestNode;

  private constructor(data: string, options: readonly string[], running: TestNode) {
    this.#data = data;
    this.#options = options;
    this.#running = running;
  }

  static async start(options: readonly string[] = []): Promise<Node> {
    const all = ['--cluster-secret-file', secretFile, ...options];
    const data = join(await leftovers.directory(), 'data');
    return new Node(data, all, await leftovers.startNode(all, data));
  }

  get url(): string {
    return this.#running.url;
  }

  async kill(): Promise<void> {
    await this.#running.stop('SIGKILL');
  }

  async restart(): Promise<void> {
    const { host } = new URL(this.url);
    this.#running = await leftovers.startNode(['--listen', host, ...this.#options], this.#data);
  }

  async read(path: string): Promise<unknown> {
    const answer = await fetch(`${this.url}/v1/app/${path}`);
    return answer.status === 200 ? answer.json() : answer.status;
  }
}

async function serve(name: string): Promise<PageSite> {
  const site = await serveExample(name);
  sites.push(site);
  return site;
}

async function open(url: string): Promise<Page> {
  const page = await (await browser.newContext({ viewport: { width: 800, height: 520 } })).newPage();
  await page.goto(url);
  return page;
}

async function picture(page: Page, name: string): Promise<void> {
  if (PICTURES !== undefined) await page.screenshot({ path: join(PICTURES, `${name}.png`) });
}

/** What stands in the editor, without the names at the cursors of others. */
function textOf(page: Page): Promise<string> {
  return page.locator('.cm-content').evaluate((content) => {
    const copy = content.cloneNode(true) as typeof content;
    for (const caret of copy.querySelectorAll('.cm-ySelectionCaret')) caret.remove();
    return copy.textContent;
  });
}

test('[EX1] the shared editor: two people on two nodes, one of which is killed while they type', async () => {
  const { origin } = await serve('editor');
  const first = await Node.start(['--allow-origin', origin]);
  const second = await Node.start(['--allow-origin', origin, '--join', first.url]);
  await fetch(`${first.url}/v1/app`, { method: 'PUT' });
  await eventually(async () => (await fetch(`${second.url}/v1/app`)).status === 200);
  const hosts = [first, second].map(({ url }) => new URL(url).host) as [string, string];
  const ada = await open(`${origin}/?name=Ada&nodes=${hosts[0]}`);
  const bob = await open(`${origin}/?name=Bob&nodes=${hosts[1]},${hosts[0]}`);
  await ada.locator('.cm-content').click();
  await ada.keyboard.type('Ada was here.');
  await eventually(async () => (await textOf(bob)).includes('Ada was here.'));
  await bob.locator('.cm-content').click();
  await bob.keyboard.press('Control+End');
  await bob.keyboard.type(' Bob, too.');
  await eventually(async () => (await textOf(ada)).includes('Ada was here. Bob, too.'));
  await ada.locator('.cm-ySelectionInfo', { hasText: 'Bob' }).waitFor({ state: 'attached' });
  await picture(ada, 'editor');

  await second.kill();
  await bob.keyboard.type(' And still.');
  await ada.keyboard.press('Control+Home');
  await ada.keyboard.type('Yes: ');
  const expected = 'Yes: Ada was here. Bob, too. And still.';
  await eventually(async () => (await textOf(ada)) === expected && (await textOf(bob)) === expected);
  await second.restart();
  for (const node of [first, second])
    await eventually(
      async () => JSON.stringify(await node.read('notes/docs/welcome')) === JSON.stringify({ body: expected }),
    );
});

test('[EX2] the to-do list: two browsers, both offline and loaded anew, come to the same list', async () => {
  const { origin } = await serve('todo');
  const node = await Node.start(['--allow-origin', origin]);
  await fetch(`${node.url}/v1/app`, { method: 'PUT' });
  const url = `${origin}/#node=${node.url}&token=${await writeTokenOf(node)}`;
  const [ada, bob] = [await open(url), await open(url)];
  const titlesOf = (page: Page): Promise<string[]> => page.locator('li label').allInnerTexts();
  const add = async (page: Page, title: string): Promise<void> => {
    await page.locator('input[type=text]').fill(title);
    await page.getByRole('button', { name: 'Add' }).click();
    await page.locator('li', { hasText: title }).waitFor();
  };
  const isInSync = async (page: Page): Promise<boolean> => (await page.locator('#state').innerText()) === 'in sync';
  await eventually(async () => (await isInSync(ada)) && (await isInSync(bob)));
  await add(ada, 'Buy milk');
  await eventually(async () => (await titlesOf(bob)).join() === 'Buy milk');

  await node.kill();
  await add(ada, 'Water the plants');
  await add(bob, 'Call the dentist');
  await bob.getByLabel('Buy milk').check();
  for (const page of [ada, bob]) await page.reload();
  await eventually(async () => (await titlesOf(ada)).join() === 'Buy milk,Water the plants');
  await eventually(async () => (await titlesOf(bob)).join() === 'Buy milk,Call the dentist');
  await picture(bob, 'todo-offline');

  await node.restart();
  const expected = 'Buy milk,Water the plants,Call the dentist';
  for (const page of [ada, bob]) {
    // It may be some seconds until a page tries again.
    await eventually(async () => (await titlesOf(page)).join() === expected, 60_000);
    await eventually(async () => (await page.locator('li.done').allInnerTexts()).length === 1);
  }
  await picture(ada, 'todo');
});

/** What lets a page in; from now on the node asks everybody for a token. */
async function writeTokenOf(node: Node): Promise<string> {
  const create = async (request: object, by?: string): Promise<string> => {
    const headers = { 'content-type': 'application/json', ...(by !== undefined && { authorization: `Bearer ${by}` }) };
    const options = { method: 'POST', headers, body: JSON.stringify(request) };
    return ((await (await fetch(`${node.url}/v1/_admin/tokens`, options)).json()) as NewAccessTokenAnswer).token;
  };
  return create({ role: 'write', databases: ['app'] }, await create({ role: 'admin' }));
}

test('[EX3] the service: it counts while the cluster is away, and both have counted when it is back', async () => {
  const node = await Node.start();
  await fetch(`${node.url}/v1/app`, { method: 'PUT' });
  const directory = join(await leftovers.directory(), 'service');
  const service = await startService([directory, '0', node.url, SECRET]);
  const count = async (method: string): Promise<unknown> => {
    const answer = await fetch(`${service.url}/visits/home`, { method });
    return ((await answer.json()) as { count?: number }).count;
  };
  await eventually(async () => (await count('POST')) === 1);
  await eventually(async () => JSON.stringify(await node.read('visits/docs/home')) === '{"count":1}');
  await node.kill();
  expect([await count('POST'), await count('POST')]).toEqual([2, 3]);
  await node.restart();
  const headers = { 'content-type': 'application/vnd.atoll.ops+json' };
  const body = JSON.stringify([{ op: 'increment', path: '/count', value: 10 }]);
  await fetch(`${node.url}/v1/app/visits/docs/home`, { method: 'PATCH', headers, body });
  await eventually(async () => (await count('GET')) === 13);
  await eventually(async () => JSON.stringify(await node.read('visits/docs/home')) === '{"count":13}');
  await service.stop();
});

async function startService(args: readonly string[]): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const child = spawn(process.execPath, [join(EXAMPLES, 'service/service.js'), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return {
    url: (JSON.parse(line) as { url: string }).url,
    stop: async () => {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
    },
  };
}

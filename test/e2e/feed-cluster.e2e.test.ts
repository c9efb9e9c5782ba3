import { afterAll, expect, test } from 'vitest';
import { TcpProxy } from '../../bench/harness/tcp-proxy.ts';
import { FeedClient, type FeedLine } from '../helper/feed-client.ts';
import { eventually, Leftovers } from './cli-process.ts';

const leftovers = new Leftovers();
const proxies: TcpProxy[] = [];
const clients: FeedClient[] = [];
afterAll(async () => {
  for (const client of clients) client.close();
  for (const proxy of proxies) await proxy.close();
  await leftovers.clear();
});

type Node = Awaited<ReturnType<Leftovers['startNode']>>;

function follow(node: Node, query: string, headers?: Record<string, string>): FeedClient {
  const client = new FeedClient(`${node.url}/v1/app/_changes?${query}`, headers);
  clients.push(client);
  return client;
}

async function put(node: Node, id: string, doc: object): Promise<void> {
  const answer = await fetch(`${node.url}/v1/app/x/docs/${id}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(doc),
  });
  if (!answer.ok) throw new Error(`${id}: ${answer.status} ${await answer.text()}`);
  await answer.arrayBuffer();
}

/** Writes without pause until it is stopped; keeps what was acknowledged. */
class Writer {
  readonly acknowledged: string[] = [];
  readonly #node: Node;
  readonly #name: string;
  #isStopped = false;
  readonly #done: Promise<void>;

  constructor(node: Node, name: string) {
    this.#node = node;
    this.#name = name;
    this.#done = this.#run();
  }

  async #run(): Promise<void> {
    for (let n = 0; !this.#isStopped; n++) {
      const own = `${this.#name}-${n}`;
      try {
        await Promise.all([put(this.#node, own, { n }), put(this.#node, `shared-${n % 20}`, { [this.#name]: n })]);
      } catch (error) {
        // The node was killed: what it was asked last may have been done or not.
        if (!(error instanceof TypeError)) throw error;
        return;
      }
      this.acknowledged.push(own);
    }
  }

  async stop(): Promise<readonly string[]> {
    this.#isStopped = true;
    await this.#done;
    return this.acknowledged;
  }

  async until(count: number): Promise<void> {
    await eventually(() => Promise.resolve(this.acknowledged.length >= count), 60_000);
  }
}

/** What a reader of feeds knows, from whichever node. */
class Mirror {
  readonly etags = new Map<string, string>();
  cursor: string | null = null;
  #feed: FeedClient | null = null;
  #read = 0;

  attach(node: Node): void {
    this.take();
    this.#feed?.close();
    this.#feed = follow(node, this.cursor === null ? 'heartbeat=1' : `heartbeat=1&since=${this.cursor}`);
    this.#read = 0;
  }

  /** Takes what has come; the last line of a connection that broke may be half a line, which is not among them. */
  take(): void {
    const lines = this.#feed?.text ?? [];
    for (; this.#read < lines.length; this.#read++) {
      const text = lines[this.#read]!;
      if (text === '') continue;
      const line = JSON.parse(text) as FeedLine;
      this.cursor = line.cursor;
      if (line.id === undefined) continue;
      if (line.deleted) this.etags.delete(line.id);
      else this.etags.set(line.id, line.etag);
    }
  }
}

async function documentsOf(node: Node): Promise<Map<string, string>> {
  const etags = new Map<string, string>();
  let cursor = '';
  do {
    const answer = await fetch(`${node.url}/v1/app/x/docs?limit=1000${cursor === '' ? '' : `&cursor=${cursor}`}`);
    const page = (await answer.json()) as { items: { id: string; etag: string }[]; cursor: string | null };
    for (const { id, etag } of page.items) etags.set(id, etag);
    cursor = page.cursor ?? '';
  } while (cursor !== '');
  return etags;
}

const digestOf = async (node: Node): Promise<string> =>
  ((await (await fetch(`${node.url}/v1/app/_digest`)).json()) as { digest: string }).digest;

test('[FE2] a reader that goes from node to node through a partition and a kill ends with all that was acknowledged', async () => {
  const directory = await leftovers.directory();
  let a = await leftovers.startNode(['--name', 'a'], `${directory}/a`);
  const port = Number(new URL(a.url).port);
  const proxy = await TcpProxy.listen(port);
  proxies.push(proxy);
  const b = await leftovers.startNode(['--name', 'b', '--join', proxy.url], `${directory}/b`);
  expect((await fetch(`${a.url}/v1/app`, { method: 'PUT' })).status).toBe(201);
  await eventually(async () => (await fetch(`${b.url}/v1/app`)).status === 200);
  const mirror = new Mirror();
  mirror.attach(a);
  const writers = [new Writer(a, 'wa'), new Writer(b, 'wb')] as const;
  for (const writer of writers) await writer.until(40);
  proxy.cut();
  for (const writer of writers) await writer.until(120);
  // The reader has seen writes that only this node holds. It dies without a word.
  mirror.take();
  expect(mirror.etags.has('wa-100')).toBe(true);
  await a.stop('SIGKILL');
  const ofA = await writers[0].stop();
  mirror.attach(b);
  await writers[1].until(writers[1].acknowledged.length + 60);
  const meanwhile = writers[1].acknowledged.at(-20)!;
  await eventually(async () => {
    mirror.take();
    return mirror.etags.has(meanwhile);
  });
  // It comes back, with what it had acknowledged.
  a = await leftovers.startNode(['--name', 'a', '--listen', `127.0.0.1:${port}`], `${directory}/a`);
  proxy.heal();
  await writers[1].until(writers[1].acknowledged.length + 40);
  const ofB = await writers[1].stop();
  await eventually(async () => (await digestOf(a)) === (await digestOf(b)), 60_000);
  const held = await documentsOf(b);
  for (const id of [...ofA, ...ofB]) expect(held.has(id), id).toBe(true);
  await eventually(async () => {
    mirror.take();
    return mirror.etags.size >= held.size && [...held].every(([id, etag]) => mirror.etags.get(id) === etag);
  }, 30_000);
  expect(mirror.etags).toEqual(held);
  // The cursor of one node, at the end of everything, leaves nothing to tell on the other.
  await eventually(async () => {
    const rest = await (await fetch(`${a.url}/v1/app/_changes?wait=0&since=${mirror.cursor}`)).text();
    mirror.take();
    return rest === '';
  });
});

test('[FE7] SIGTERM ends feeds with when to come back, and the process at once', async () => {
  const node = await leftovers.startNode();
  await fetch(`${node.url}/v1/app`, { method: 'PUT' });
  const feeds = Array.from({ length: 20 }, () => follow(node, 'since=now', { accept: 'text/event-stream' }));
  await Promise.all(feeds.map(({ response }) => response));
  await put(node, 'last', {});
  await Promise.all(feeds.map((feed) => feed.until(({ text }) => text.some((line) => line.startsWith('data: ')))));
  const begun = performance.now();
  const { code } = await node.stop('SIGTERM');
  expect(code).toBe(0);
  expect(performance.now() - begun).toBeLessThan(10_000);
  for (const feed of feeds) {
    await feed.end();
    expect(feed.text.filter((line) => line === 'retry: 1000')).toHaveLength(2);
  }
});

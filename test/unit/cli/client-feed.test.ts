import { expect, test } from 'vitest';
import type { Change } from '../../../cli/client.ts';
import { FakeCluster, problem, settle, type SeenRequest } from './fake-cluster.ts';

/** A feed that a test writes line by line. */
class FakeFeed {
  readonly response: Response;
  #controller!: ReadableStreamDefaultController<Uint8Array>;

  constructor(signal: AbortSignal, cursor = 'start') {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#controller = controller;
      },
    });
    signal.addEventListener('abort', () => this.fail(new DOMException('aborted', 'AbortError')));
    this.response = new Response(body, { headers: { 'atoll-cursor': cursor } });
  }

  say(line: object | ''): void {
    this.#controller.enqueue(Buffer.from(line === '' ? '\n' : `${JSON.stringify(line)}\n`));
  }

  end(): void {
    this.#controller.close();
  }

  fail(error: unknown = new TypeError('terminated')): void {
    this.#controller.error(error);
  }
}

const change = (n: number): object => ({
  cursor: `c${n}`,
  collection: 'people',
  id: `p${n}`,
  etag: '"1"',
  deleted: false,
});

function cluster() {
  const fake = new FakeCluster();
  const feeds: FakeFeed[] = [];
  const serve = (_request: SeenRequest, signal: AbortSignal): Response => {
    feeds.push(new FakeFeed(signal, `at-${feeds.length}`));
    return feeds.at(-1)!.response;
  };
  for (const host of ['a:1', 'b:2']) fake.node(host, serve);
  const queries = (): string[] => fake.seen.splice(0).map(({ host, path }) => `${host} ${decodeURIComponent(path)}`);
  return { fake, feeds, queries, serve };
}

test('[CC8] a feed that breaks goes on from another node behind the last change', async () => {
  const { fake, feeds, queries } = cluster();
  const feed = fake.people().changes({ include: ['doc'] });
  const first = feed.next();
  await settle();
  feeds[0]!.say(change(1));
  expect((await first).value).toEqual(change(1));
  const second = feed.next();
  await settle();
  feeds[0]!.fail();
  await settle();
  feeds[1]!.say(change(2));
  expect((await second).value).toEqual(change(2));
  const third = feed.next();
  await settle();
  feeds[1]!.say({ cursor: 'c5', retryMs: 1000 });
  feeds[1]!.end();
  await settle();
  feeds[2]!.say(change(6));
  expect((await third).value).toEqual(change(6));
  expect(queries()).toEqual([
    'a:1 /v1/app/people/changes?include=doc&heartbeat=5',
    'b:2 /v1/app/people/changes?since=c1&include=doc&heartbeat=5',
    'a:1 /v1/app/people/changes?since=c5&include=doc&heartbeat=5',
  ]);
  await feed.return();
  expect(fake.timers).toBe(0);
});

test('[CC8] a feed from now on misses nothing when the node goes away before the first change', async () => {
  const { fake, feeds, queries } = cluster();
  const feed = fake.client().database('app').changes({ since: 'now' });
  const first = feed.next();
  await settle();
  feeds[0]!.say('');
  feeds[0]!.fail();
  await settle();
  feeds[1]!.say(change(1));
  await first;
  expect(queries().map((query) => query.split('?')[1])).toEqual(['since=now&heartbeat=5', 'since=at-0&heartbeat=5']);
  await feed.return();
});

test('[CC8] a stream without a sign of life is given up, but not while nobody reads', async () => {
  const { fake, feeds } = cluster();
  const feed = fake.people().changes();
  const first = feed.next();
  for (let i = 0; i < 5; i++) {
    await fake.advance(10_000);
    feeds[0]!.say('');
  }
  await settle();
  expect(feeds).toHaveLength(1);
  feeds[0]!.say(change(1));
  await first;
  await fake.advance(60_000);
  const second = feed.next();
  await fake.advance(14_000);
  expect(feeds).toHaveLength(1);
  await fake.advance(1_500);
  expect(feeds).toHaveLength(2);
  feeds[1]!.say(change(2));
  await second;
  await feed.return();
  expect(fake.timers).toBe(0);
});

test('[CC8] a feed ends at an abort, at an error that stays, and with follow: false behind the last change', async () => {
  const { fake, feeds, queries, serve } = cluster();
  const abort = new AbortController();
  const aborted = fake.people().changes({ signal: abort.signal });
  const waiting = aborted.next();
  await settle();
  abort.abort();
  await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
  queries();

  const caughtUp = fake.people().changes({ follow: false });
  const seen: Change[] = [];
  const reading = (async () => {
    for await (const each of caughtUp) seen.push(each);
  })();
  await settle();
  feeds.at(-1)!.say(change(1));
  feeds.at(-1)!.say({ cursor: 'c9', retryMs: 1000 });
  feeds.at(-1)!.end();
  await settle();
  feeds.at(-1)!.say(change(10));
  feeds.at(-1)!.end();
  await reading;
  expect(seen.map(({ id }) => id)).toEqual(['p1', 'p10']);
  expect(queries().map((query) => query.split('?')[1])).toEqual(['wait=0', 'since=c9&wait=0']);

  const lost = { type: '', title: '', status: 410, detail: 'gone', code: 'SYNC_CURSOR_FOREIGN', retryable: false };
  const failing = fake.people().changes();
  const next = failing.next();
  next.catch(() => undefined);
  await settle();
  feeds.at(-1)!.say({ error: lost });
  await expect(next).rejects.toMatchObject({ code: 'SYNC_CURSOR_FOREIGN', status: 410 });
  fake.node('a:1', () => problem(400, 'SYNC_CURSOR_INVALID'));
  await expect(fake.people().changes({ since: 'x' }).next()).rejects.toMatchObject({ code: 'SYNC_CURSOR_INVALID' });
  fake.node('a:1', serve);
});

test('[CC8] a feed begins with what the session has seen, goes on without, and what it told is seen', async () => {
  const { fake, feeds } = cluster();
  const client = fake.client({ session: { app: 'seen' } });
  const feed = client.database('app').changes();
  const first = feed.next();
  await settle();
  feeds[0]!.say({ ...change(1), cursor: 'c1~scan' });
  await first;
  expect(client.session.export()).toEqual({ app: 'c1' });
  const second = feed.next();
  await settle();
  feeds[0]!.fail();
  await settle();
  feeds[1]!.say(change(2));
  await second;
  expect(client.session.token('app')).toBe('c2');
  expect(fake.seen.map(({ headers }) => headers.get('session-token'))).toEqual(['seen', null]);
  await feed.return();
  const without = fake.client({ session: false });
  const other = without.database('app').changes();
  const next = other.next();
  await settle();
  feeds.at(-1)!.say(change(3));
  await next;
  expect(without.session.export()).toEqual({});
  await other.return();
});

test('[CC8] between streams that bring nothing there is a wait', async () => {
  const fake = new FakeCluster();
  let streams = 0;
  fake.node('a:1', () => {
    streams++;
    return new Response('');
  });
  const abort = new AbortController();
  const next = fake.people().changes({ signal: abort.signal }).next();
  next.catch(() => undefined);
  await fake.advance(10_000);
  expect(streams).toBeGreaterThan(3);
  expect(streams).toBeLessThan(30);
  abort.abort();
  await expect(next).rejects.toMatchObject({ name: 'AbortError' });
});

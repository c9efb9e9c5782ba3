import { afterAll, expect, test } from 'vitest';
import { Leftovers } from './cli-process.ts';
import { request, startDevNodes } from './dev-nodes.ts';
import type { Answer } from './dev-nodes.ts';

const leftovers = new Leftovers();
afterAll(() => leftovers.clear());

/** A client that goes round the nodes with one token, and on to the next when one is behind. */
class Session {
  token: string | null = null;
  /** Answers by node. */
  readonly behind: number[] = [0, 0, 0];
  readonly served: number[] = [0, 0, 0];
  readonly #urls: readonly string[];
  #turn = 0;

  constructor(urls: readonly string[]) {
    this.#urls = urls;
  }

  async send(method: string, path: string, body?: unknown, prefer: string = 'wait=0.2'): Promise<Answer> {
    for (;;) {
      const node = this.#turn++ % this.#urls.length;
      const headers = { prefer, ...(this.token !== null && { 'session-token': this.token }) };
      const answer = await request(this.#urls[node]!, method, path, body, headers);
      if (answer.status === 503) {
        expect(answer.body).toMatchObject({ code: 'SYNC_REPLICA_BEHIND', retryable: true, title: 'replica-behind' });
        expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
        this.behind[node]!++;
        continue;
      }
      this.served[node]!++;
      this.token = answer.headers.get('session-token') ?? this.token;
      return answer;
    }
  }
}

test('[SE1] [SE2] a session round three nodes never reads older than it wrote or read, with a partition in between', async () => {
  const nodes = await startDevNodes(leftovers);
  await nodes.ready();
  const session = new Session(nodes.urls);
  const other = new Session(nodes.urls);
  let seenOfOther = -1;
  const step = async (i: number): Promise<void> => {
    const written = await session.send('PUT', '/v1/app/c/docs/mine', { i });
    expect([200, 201]).toContain(written.status);
    expect((await session.send('GET', '/v1/app/c/docs/mine')).body).toEqual({ i });
    // Writes of somebody else: what was read once does not get older, nor is it missing from a list.
    if (i % 5 === 0) await other.send('PUT', '/v1/app/c/docs/theirs', { i });
    const read = await session.send('GET', '/v1/app/c/docs/theirs');
    const theirs = read.status === 404 ? -1 : (read.body as { i: number }).i;
    expect(theirs).toBeGreaterThanOrEqual(seenOfOther);
    seenOfOther = theirs;
    const list = (await session.send('GET', '/v1/app/c/docs?prefix=mine')).body as { items: { doc: unknown }[] };
    expect(list.items.map(({ doc }) => doc)).toEqual([{ i }]);
  };
  for (let i = 0; i < 40; i++) await step(i);
  expect(session.served.every((count) => count > 0)).toBe(true);
  await nodes.command('cut n1 n3');
  await nodes.command('cut n2 n3');
  const before = session.served[2]!;
  for (let i = 40; i < 60; i++) await step(i);
  // Cut off, the third node takes nothing that follows what it has not seen, and shows nothing older.
  expect(session.behind[2]).toBeGreaterThan(0);
  expect(session.served[2]).toBeLessThanOrEqual(before + 1);
  // Whoever has seen nothing is served there all the time.
  const alone = await request(nodes.urls[2]!, 'PUT', '/v1/app/c/docs/alone', { here: true });
  expect(alone.status).toBe(201);
  await nodes.command('heal n1 n3');
  await nodes.command('heal n2 n3');
  const token = session.token!;
  const waited = await request(nodes.urls[2]!, 'GET', '/v1/app/c/docs/mine', undefined, {
    'session-token': token,
    prefer: 'wait=30',
  });
  expect(waited.body).toEqual({ i: 59 });
  for (let i = 60; i < 80; i++) await step(i);
  expect(session.served[2]).toBeGreaterThan(before + 1);
});

test('[SE3] what is no token of this cluster or database is refused with a code', async () => {
  const nodes = await startDevNodes(leftovers);
  await nodes.ready();
  const [url] = nodes.urls as [string];
  const code = async (path: string, token: string): Promise<unknown> => {
    const { status, body } = await request(url, 'GET', path, undefined, { 'session-token': token });
    return [status, (body as { code: string }).code];
  };
  const { headers } = await request(url, 'PUT', '/v1/app/c/docs/x', { a: 1 });
  const token = headers.get('session-token')!;
  expect(await code('/v1/app/c/docs/x', 'nonsense')).toEqual([400, 'SYNC_TOKEN_INVALID']);
  await request(url, 'PUT', '/v1/other');
  expect(await code('/v1/other/c/docs/x', token)).toEqual([400, 'SYNC_TOKEN_INVALID']);
  const alone = await leftovers.startNode();
  await request(alone.url, 'PUT', '/v1/app');
  const foreign = await request(alone.url, 'GET', '/v1/app/c/docs/x', undefined, { 'session-token': token });
  expect([foreign.status, foreign.body]).toEqual([409, expect.objectContaining({ code: 'SYNC_TOKEN_FOREIGN' })]);
  await request(url, 'DELETE', '/v1/app');
  expect(await code('/v1/app/c/docs/x', token)).toEqual([410, 'SYNC_TOKEN_EXPIRED']);
  const again = await request(url, 'PUT', '/v1/app', undefined, { 'session-token': token });
  expect(again.status).toBe(201);
  // The other node has to hear of it first.
  const elsewhere = await request(nodes.urls[1]!, 'GET', '/v1/app/c/docs', undefined, {
    'session-token': again.headers.get('session-token')!,
    prefer: 'wait=30',
  });
  expect([elsewhere.status, elsewhere.body]).toEqual([200, { items: [], cursor: null }]);
});

test('[SE6] a write says how many members hold it, and waits for as many as it is asked to', async () => {
  const nodes = await startDevNodes(leftovers);
  await nodes.ready();
  const [url] = nodes.urls as [string];
  const put = (prefer: string): Promise<Answer> => request(url, 'PUT', '/v1/app/c/docs/x', { prefer }, { prefer });
  const all = await put('replicas=3, wait=20');
  expect([all.status, all.headers.get('atoll-replicas')]).toEqual([201, '3/3']);
  expect(all.headers.get('preference-applied')).toBe('replicas=3');
  const more = await put('replicas=4, wait=20');
  expect([more.status, more.headers.get('atoll-replicas')]).toEqual([202, '3/3']);
  expect(more.headers.get('preference-applied')).toBeNull();
  const plain = await put('wait=1');
  expect([plain.status, plain.headers.get('atoll-replicas')]).toEqual([200, null]);
  await nodes.command('kill n3');
  const two = await put('replicas=2, wait=20, return=representation');
  expect([two.status, two.body]).toEqual([200, { prefer: 'replicas=2, wait=20, return=representation' }]);
  expect(two.headers.get('preference-applied')).toBe('return=representation, replicas=2');
  const missed = await put('replicas=3, wait=0.3');
  expect([missed.status, missed.headers.get('atoll-replicas')]).toEqual([202, '2/3']);
  await nodes.command('start n3');
  const deleted = await request(url, 'DELETE', '/v1/app/c/docs/x', undefined, { prefer: 'replicas=3, wait=30' });
  expect([deleted.status, deleted.headers.get('atoll-replicas')]).toEqual([204, '3/3']);
  expect((await request(nodes.urls[2]!, 'GET', '/v1/app/c/docs/x')).status).toBe(404);
});

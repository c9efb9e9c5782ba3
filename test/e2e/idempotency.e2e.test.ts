import { afterAll, expect, test } from 'vitest';
import { eventually, Leftovers } from './cli-process.ts';
import { request, startDevNodes } from './dev-nodes.ts';
import type { Answer } from './dev-nodes.ts';

const leftovers = new Leftovers();
afterAll(() => leftovers.clear());

const OPS = 'application/vnd.atoll.ops+json';
const REQUESTS = [
  ['PATCH', '/v1/app/c/docs/count', [{ op: 'increment', path: '/n', value: 5 }], OPS],
  ['PATCH', '/v1/app/c/docs/list', [{ op: 'append', path: '/l', value: 'new' }], OPS],
  [
    'PATCH',
    '/v1/app/c/docs/list',
    [{ op: 'add', path: '/l/-', value: { by: 'patch' } }],
    'application/json-patch+json',
  ],
  ['PATCH', '/v1/app/c/docs/text', [{ op: 'text-insert', path: '/t', index: 0, value: 'once ' }], OPS],
  ['PUT', '/v1/app/c/docs/put', { v: 1 }, 'application/json'],
  ['POST', '/v1/app/posts/docs', { v: 1 }, 'application/json'],
  [
    'POST',
    '/v1/app/_batch',
    { writes: ['b1', 'b2'].map((id) => ({ collection: 'c', id, ops: [{ op: 'increment', path: '/n', value: 1 }] })) },
    'application/json',
  ],
] as const;

const sendAll = (url: string, round: string): Promise<Answer[]> =>
  Promise.all(
    REQUESTS.map(([method, path, body, type], i) =>
      request(url, method, path, body, { 'content-type': type, 'idempotency-key': `${round}-${i}` }),
    ),
  );

async function digests(urls: readonly string[]): Promise<Set<unknown>> {
  const answers = await Promise.all(urls.map((url) => request(url, 'GET', '/v1/app/_digest')));
  return new Set(answers.map(({ body }) => (body as { digest: string }).digest));
}

test('[SE7] what a node had done before it was killed counts once, although another one was asked again', async () => {
  const nodes = await startDevNodes(leftovers);
  await nodes.ready();
  const [first, second, third] = nodes.urls as [string, string, string];
  for (let round = 1; round <= 2; round++) {
    // The first node acknowledges, and nobody hears of it before it is killed.
    await nodes.command('cut n1 n2');
    await nodes.command('cut n1 n3');
    const done = await sendAll(first, `r${round}`);
    expect(done.every(({ status }) => status < 300)).toBe(true);
    await nodes.command('kill n1');
    // The load balancer asks the next one, which does it; and a third one, which knows of that.
    const repeated = await sendAll(second, `r${round}`);
    expect(repeated.map(({ status }) => status)).toEqual(done.map(({ status }) => status));
    expect(repeated.every(({ headers }) => headers.get('idempotency-replayed') === null)).toBe(true);
    const token = repeated.at(-1)!.headers.get('session-token')!;
    const [, path, , type] = REQUESTS[0];
    const once = { 'idempotency-key': `r${round}-0`, 'content-type': type, 'session-token': token, prefer: 'wait=30' };
    const known = await request(third, 'PATCH', path, REQUESTS[0][2], once);
    expect([known.status, known.headers.get('idempotency-replayed')]).toEqual([repeated[0]!.status, 'true']);
    await nodes.command('heal n1 n2');
    await nodes.command('heal n1 n3');
    await nodes.command('start n1');
    await eventually(async () => {
      const list = await request(second, 'GET', '/v1/app/c/docs/list', undefined);
      return (await digests(nodes.urls)).size === 1 && JSON.stringify(list.body).split('new').length === round + 1;
    }, 60_000);
    for (const url of nodes.urls) {
      const read = async (id: string): Promise<unknown> => (await request(url, 'GET', `/v1/app/c/docs/${id}`)).body;
      expect(await read('count')).toEqual({ n: 5 * round });
      const { l } = (await read('list')) as { l: unknown[] };
      expect(l.filter((element) => element === 'new')).toHaveLength(round);
      expect(l).toHaveLength(2 * round);
      expect(await read('text')).toEqual({ t: 'once '.repeat(round) });
      expect([await read('put'), await read('b1'), await read('b2')]).toEqual([{ v: 1 }, { n: round }, { n: round }]);
      const { items } = (await request(url, 'GET', '/v1/app/posts/docs')).body as { items: unknown[] };
      expect(items).toHaveLength(round);
      const again = await sendAll(url, `r${round}`);
      expect(again.every(({ headers }) => headers.get('idempotency-replayed') === 'true')).toBe(true);
    }
  }
  // And after a crash the node remembers by itself.
  const alone = await sendAll(first, 'last');
  await nodes.command('kill n1');
  await nodes.command('start n1');
  await eventually(async () => (await request(first, 'GET', '/readyz')).status === 200);
  const again = await sendAll(first, 'last');
  expect(again.map(({ body }) => body)).toEqual(alone.map(({ body }) => body));
  expect((await request(first, 'GET', '/v1/app/c/docs/count')).body).toEqual({ n: 15 });
});

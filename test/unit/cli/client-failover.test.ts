import { expect, test } from 'vitest';
import type { CollectionClient, Policy } from '../../../cli/client.ts';
import { Endpoint } from '../../../cli/client/endpoint.ts';
import { EndpointPool } from '../../../cli/client/endpoint-pool.ts';
import { ExpiringSet } from '../../../cli/client/expiring-set.ts';
import { createBalancer } from '../../../cli/client/policy.ts';
import { FakeCluster, hang, json, problem, refuse, reset, settle, written } from './fake-cluster.ts';

const HOSTS = ['a:1', 'b:2', 'c:3'] as const;

function cluster(): FakeCluster {
  const fake = new FakeCluster();
  for (const host of HOSTS) fake.node(host, () => written());
  return fake;
}

const nodes = (...weights: number[]): Endpoint[] =>
  weights.map((weight, index) => new Endpoint({ url: `http://${'abc'[index]}`, weight }, index));
const names = (policy: Policy, endpoints: readonly Endpoint[], count: number): string => {
  const balancer = createBalancer(policy);
  return Array.from({ length: count }, () => balancer.choose(endpoints).url.at(-1)).join('');
};

test('[CC3] round-robin takes turns, weighted takes turns by weight, failover stays', () => {
  expect(names('round-robin', nodes(1, 1, 1), 7)).toBe('abcabca');
  expect(names('weighted', nodes(3, 1, 0), 8)).toBe('aabaaaba');
  expect(names('weighted', nodes(0, 0, 0), 3)).toBe('aaa');
  expect(names('failover', nodes(1, 1, 1), 3)).toBe('aaa');
  const balancer = createBalancer('failover');
  const [a, b, c] = nodes(1, 1, 1) as [Endpoint, Endpoint, Endpoint];
  expect([[a, b, c], [b, c], [a, b, c], [a, c], [a, b, c], [a]].map((some) => balancer.choose(some))).toEqual([
    a,
    b,
    b,
    c,
    c,
    a,
  ]);
});

test('[CC3] least-connections takes the least busy node, and turns among equals', () => {
  const endpoints = nodes(1, 1, 1);
  expect(names('least-connections', endpoints, 4)).toBe('abca');
  endpoints[0]!.inflight = 2;
  endpoints[1]!.inflight = 1;
  expect(names('least-connections', endpoints, 2)).toBe('cc');
  endpoints[2]!.inflight = 1;
  expect(names('least-connections', endpoints, 3)).toBe('bcb');
});

test('[CC3] nearest takes the node that answers fastest, and does not alternate between equals', () => {
  const balancer = createBalancer('nearest');
  const [a, b, c] = nodes(1, 1, 1) as [Endpoint, Endpoint, Endpoint];
  const all = [a, b, c];
  expect(balancer.choose(all)).toBe(a);
  a.measure(20);
  b.measure(5);
  expect(balancer.choose(all)).toBe(b);
  a.measure(0);
  a.latencyMs = 4.5;
  expect(balancer.choose(all)).toBe(b);
  a.latencyMs = 2;
  expect(balancer.choose(all)).toBe(a);
  expect(balancer.choose([b, c])).toBe(b);
});

test('[CC3] nearest measures by probes', async () => {
  const fake = cluster();
  const delays = { 'a:1': 30, 'b:2': 5, 'c:3': 60 };
  for (const host of HOSTS) {
    fake.node(
      host,
      () => written(),
      () => new Promise((resolve) => fake.ports.after(delays[host], () => resolve(json({})))),
    );
  }
  const people = fake.people({ policy: 'nearest' });
  await people.put('x', {});
  await fake.advance(100);
  fake.takeHosts();
  for (let i = 0; i < 3; i++) await people.put('x', {});
  expect(fake.takeHosts()).toEqual(['b:2', 'b:2', 'b:2']);
});

test('[CC4] a node that refuses is out until a probe says that it is ready; nothing runs while no requests are made', async () => {
  const fake = cluster();
  fake.node('b:2', refuse);
  const people = fake.people({ policy: 'round-robin' });
  for (let i = 0; i < 4; i++) await people.put('x', {});
  expect(fake.takeHosts()).toEqual(['a:1', 'b:2', 'c:3', 'a:1', 'c:3']);
  expect(fake.timers).toBe(0);
  await fake.advance(60_000);
  expect(fake.probes).toEqual([]);
  // A probe that fails keeps it out, and the next one comes later.
  await people.put('x', {});
  await settle();
  expect(fake.probes.toSorted()).toEqual(['a:1', 'b:2', 'c:3']);
  fake.node('b:2', () => written());
  await people.put('x', {});
  await settle();
  expect(fake.takeHosts()).not.toContain('b:2');
  await fake.advance(300);
  await people.put('x', {});
  await settle();
  fake.takeHosts();
  for (let i = 0; i < 3; i++) await people.put('x', {});
  expect(fake.takeHosts().toSorted()).toEqual([...HOSTS]);
});

test('[CC4] one broken connection is no proof: the node is asked at once', async () => {
  const fake = cluster();
  let calls = 0;
  fake.node('a:1', (request, signal) => (calls++ === 0 ? reset(request, signal) : written()));
  const people = fake.people({ policy: 'round-robin' });
  await people.put('x', {});
  await people.put('x', {});
  await settle();
  expect(fake.probes).toEqual(['a:1']);
  fake.takeHosts();
  for (let i = 0; i < 3; i++) await people.put('x', {});
  expect(fake.takeHosts()).toContain('a:1');
});

test('[CC4] a node that drains is left before it refuses', async () => {
  const fake = cluster();
  const people = fake.people({ policy: 'round-robin' });
  await people.put('x', {});
  fake.node(
    'a:1',
    () => written(),
    () => problem(503, 'HTTP_DRAINING'),
  );
  await fake.advance(6_000);
  await people.put('x', {});
  await settle();
  fake.takeHosts();
  for (let i = 0; i < 4; i++) await people.put('x', {});
  expect(fake.takeHosts()).not.toContain('a:1');
});

test('[CC4] an answer that was on its way does not bring a node back that drains', async () => {
  const fake = cluster();
  const people = fake.people({ policy: 'round-robin' });
  const slow = new Promise<Response>((resolve) => fake.ports.after(7_000, () => resolve(written())));
  fake.node(
    'a:1',
    () => slow,
    () => problem(503, 'HTTP_DRAINING'),
  );
  const early = people.put('x', {});
  await fake.advance(6_000);
  await people.put('x', {});
  await fake.advance(1_500);
  await early;
  fake.takeHosts();
  for (let i = 0; i < 4; i++) await people.put('x', {});
  expect(fake.takeHosts()).not.toContain('a:1');
  fake.node('a:1', () => written());
  await fake.advance(6_000);
  await people.put('x', {});
  await settle();
  fake.takeHosts();
  for (let i = 0; i < 3; i++) await people.put('x', {});
  expect(fake.takeHosts()).toContain('a:1');
});

test('[CC4] a node that falls silent is left after two seconds, by all requests that may be sent again', async () => {
  const fake = cluster();
  fake.node('a:1', hang);
  const people = fake.people();
  const results = [people.put('x', {}), people.get('x'), people.apply('x', [])];
  const unkeyed = people.create({}, { idempotencyKey: null });
  let isUnkeyedOver = false;
  void unkeyed.catch(() => undefined).finally(() => (isUnkeyedOver = true));
  await fake.advance(1_900);
  expect(fake.takeHosts()).toEqual(['a:1', 'a:1', 'a:1', 'a:1']);
  await fake.advance(200);
  await Promise.all(results);
  expect(fake.takeHosts()).toEqual(['b:2', 'b:2', 'b:2']);
  expect(fake.probes).toEqual(['a:1']);
  expect(isUnkeyedOver).toBe(false);
  await fake.advance(30_000);
  await expect(unkeyed).rejects.toMatchObject({ code: 'CLIENT_TIMEOUT', endpoint: 'http://a:1' });
});

test('[CC4] a probe that never ends does not keep a node out, even when nothing comes of its abort', async () => {
  const fake = cluster();
  const deaf = () => new Promise<Response>(() => undefined);
  fake.node('a:1', deaf, deaf);
  const put = fake.people().put('x', {});
  await fake.advance(3_000);
  await put;
  expect(fake.takeHosts()).toEqual(['a:1', 'b:2']);
  fake.node('a:1', () => written());
  for (let i = 0; i < 12; i++) {
    await fake.people().put('x', {});
    await fake.advance(1_000);
  }
  expect(fake.takeHosts().at(-1)).toBe('a:1');
});

test('[CC4] a node that is slow but alive is waited for', async () => {
  const fake = cluster();
  fake.node('a:1', () => new Promise((resolve) => fake.ports.after(20_000, () => resolve(written()))));
  const put = fake.people().put('x', {});
  await fake.advance(20_000);
  await put;
  expect(fake.takeHosts()).toEqual(['a:1']);
});

test('[CC4] when every node is out the request is tried nevertheless', async () => {
  const fake = cluster();
  for (const host of HOSTS) fake.node(host, refuse);
  const people = fake.people({ retries: 0 });
  await expect(people.put('x', {})).rejects.toMatchObject({ code: 'CLIENT_UNREACHABLE' });
  fake.node('b:2', () => written());
  await people.put('x', {});
  expect(fake.takeHosts().at(-1)).toBe('b:2');
});

test('[CC1] what is sent again carries the same key, and another call another one', async () => {
  const fake = cluster();
  fake.node('a:1', reset);
  const people = fake.people();
  const writes: ((on: CollectionClient) => Promise<unknown>)[] = [
    (on) => on.put('x', {}),
    (on) => on.create({}),
    (on) => on.mergePatch('x', {}),
    (on) => on.apply('x', [{ op: 'increment', path: '/n', value: 1 }]),
    (on) => on.delete('x', { ifMatch: '"1"' }),
  ];
  const keys = new Set<string>();
  for (const write of writes) {
    fake.node('a:1', reset);
    await write(fake.people());
    const sent = fake.seen.splice(0).map(({ headers }) => headers.get('idempotency-key'));
    expect(sent).toHaveLength(2);
    expect(sent[0]).toMatch(/^key-/);
    expect(sent[1]).toBe(sent[0]);
    keys.add(sent[0]!);
  }
  expect(keys.size).toBe(writes.length);
  await people.get('x');
  await people.put('x', {}, { idempotencyKey: 'mine' });
  await people.writeMany([]).catch(() => undefined);
  expect(fake.seen.splice(0).map(({ headers }) => headers.get('idempotency-key'))).toEqual([null, null, 'mine', null]);
});

test('[CC1] without a key only what cannot have been applied is sent again', async () => {
  const sends = async (first: typeof refuse, options: object, call: 'put' | 'get'): Promise<number> => {
    const fake = cluster();
    fake.node('a:1', first);
    const people = fake.people(options);
    await (call === 'put' ? people.put('x', {}) : people.get('x')).catch(() => undefined);
    return fake.seen.length;
  };
  const answering = (status: number, code: string, retryable: boolean) => () => problem(status, code, { retryable });
  const cases: [first: typeof refuse, keyed: number, unkeyed: number, read: number][] = [
    [refuse, 2, 2, 2],
    [reset, 2, 1, 2],
    [answering(503, 'HTTP_DRAINING', true), 2, 2, 2],
    [answering(421, 'SYNC_DATABASE_ELSEWHERE', true), 2, 2, 2],
    [answering(429, 'HTTP_RATE_LIMITED', true), 2, 2, 2],
    [answering(503, 'STORAGE_FAILED', true), 2, 1, 2],
    [() => new Response('bad gateway', { status: 502 }), 2, 1, 2],
    [answering(412, 'SYNC_PRECONDITION_FAILED', false), 1, 1, 1],
    [answering(400, 'CRDT_VALUE_INVALID', false), 1, 1, 1],
    [answering(500, 'HTTP_INTERNAL', false), 1, 1, 1],
  ];
  for (const [first, keyed, unkeyed, read] of cases) {
    expect([
      await sends(first, {}, 'put'),
      await sends(first, { idempotencyKeys: 'none' }, 'put'),
      await sends(first, {}, 'get'),
    ]).toEqual([keyed, unkeyed, read]);
  }
});

test('[CC2] every node is tried once without waiting, then again after a growing wait with jitter', async () => {
  const fake = cluster();
  const startedMs = fake.ports.now();
  const at: number[] = [];
  const busy = () => {
    at.push(fake.ports.now() - startedMs);
    return problem(503, 'HTTP_OVERLOADED', { retryable: true });
  };
  for (const host of HOSTS) fake.node(host, busy);
  const put = fake.people({ retries: 3 }).put('x', {});
  await Promise.all([expect(put).rejects.toMatchObject({ code: 'HTTP_OVERLOADED', status: 503 }), fake.advance(1_000)]);
  // Half of 50, 100 and 200 ms, as the random number says.
  expect(at).toEqual([0, 0, 0, 25, 25, 25, 75, 75, 75, 175, 175, 175]);
});

test('[CC2] a request that may be sent again is, for as long as there is time; without a limit it ends', async () => {
  const fake = cluster();
  const behind = () => problem(503, 'SYNC_REPLICA_BEHIND', { retryable: true }, { 'retry-after': '1' });
  for (const host of HOSTS) fake.node(host, behind);
  const put = fake.people({ timeoutMs: 240_000 }).put('x', {});
  await fake.advance(180_000);
  fake.node('b:2', () => written());
  await fake.advance(5_000);
  await put;
  for (const host of HOSTS) fake.node(host, behind);
  const endless = fake.people({ timeoutMs: 0 }).put('x', {});
  await Promise.all([expect(endless).rejects.toMatchObject({ code: 'SYNC_REPLICA_BEHIND' }), fake.advance(120_000)]);
});

test('[CC6] a node that is out is asked when all others are behind what the session has seen', async () => {
  const fake = cluster();
  const deaf = () => new Promise<Response>(() => undefined);
  const people = fake.people();
  fake.node('a:1', () => written({ 'session-token': 'seen' }), deaf);
  // Its probes are not answered, which is all that is wrong with it.
  for (let i = 0; i < 10; i++) {
    await people.put('x', {});
    await fake.advance(1_000);
  }
  const behind = () => problem(503, 'SYNC_REPLICA_BEHIND', { retryable: true }, { 'retry-after': '1' });
  for (const host of HOSTS.slice(1)) fake.node(host, behind);
  fake.takeHosts();
  const put = people.put('x', {});
  await fake.advance(4_000);
  await put;
  expect(fake.takeHosts().toSorted().at(0)).toBe('a:1');
});

test('[CC2] Retry-After is waited for, and the time limit ends everything with what a node said last', async () => {
  const fake = new FakeCluster();
  fake.node('a:1', () => problem(429, 'HTTP_RATE_LIMITED', { retryable: true }, { 'retry-after': '3' }));
  const put = fake.people({ timeoutMs: 10_000 }).put('x', {});
  put.catch(() => undefined);
  await fake.advance(2_900);
  expect(fake.seen).toHaveLength(1);
  await fake.advance(200);
  expect(fake.seen).toHaveLength(2);
  await fake.advance(7_000);
  await expect(put).rejects.toMatchObject({ code: 'HTTP_RATE_LIMITED', status: 429, retryable: true });
  expect(fake.timers).toBe(0);
});

test('[CC2] an abort ends a call while it waits to be sent again', async () => {
  const fake = new FakeCluster();
  fake.node('a:1', refuse);
  const abort = new AbortController();
  const put = fake.people().put('x', {}, { signal: abort.signal });
  await fake.advance(10);
  abort.abort();
  await expect(put).rejects.toMatchObject({ name: 'AbortError' });
  expect(fake.timers).toBe(0);
});

test('[CC2] an abort ends a call although fetch does not hear of it', async () => {
  const fake = new FakeCluster();
  const deaf = new Promise<Response>(() => undefined);
  let body = deaf;
  fake.node('a:1', () => body);
  const calls = [
    (signal: AbortSignal) => fake.people().get('x', { signal }),
    (signal: AbortSignal) => fake.people().changes({ signal }).next(),
  ];
  for (const call of calls) {
    for (const answer of [deaf, Promise.resolve(new Response(new ReadableStream()))]) {
      body = answer;
      const abort = new AbortController();
      const result = call(abort.signal);
      await settle();
      abort.abort();
      await expect(result).rejects.toMatchObject({ name: 'AbortError' });
    }
  }
  expect(fake.timers).toBe(0);
});

test('[CC5] a node that does not hold a database is not asked for it again, others are', async () => {
  const fake = cluster();
  fake.node('a:1', ({ path }) =>
    path.startsWith('/v1/app') ? problem(421, 'SYNC_DATABASE_ELSEWHERE', { retryable: true }) : written(),
  );
  const client = fake.client();
  for (let i = 0; i < 2; i++) await client.database('app').collection('c').put('x', {});
  await client.database('other').collection('c').put('x', {});
  expect(fake.takeHosts()).toEqual(['a:1', 'b:2', 'b:2', 'b:2']);
});

test('[CC5] when no endpoint holds it, the members that do are found', async () => {
  const fake = new FakeCluster();
  const member = (name: string, databases: string[] | null, state = 'live') => ({
    node: name,
    name,
    url: `http://${name}`,
    state,
    databases,
  });
  const elsewhere = problem.bind(null, 421, 'SYNC_DATABASE_ELSEWHERE', { retryable: true });
  fake.node('a:1', ({ path }) =>
    path === '/v1/_cluster/members'
      ? json({
          members: [member('a:1', []), member('d:4', ['x', 'app']), member('e:5', null, 'removed'), member('f:6', [])],
        })
      : elsewhere(),
  );
  fake.node('d:4', () => written());
  const options = { endpoints: 'http://a:1', token: 'secret' };
  const people = fake.people(options);
  await people.put('x', {});
  await people.put('x', {});
  expect(fake.takeHosts()).toEqual(['a:1', 'a:1', 'd:4', 'd:4']);
  await expect(fake.people({ ...options, discover: false }).put('x', {})).rejects.toMatchObject({ status: 421 });
  const none = fake.client(options).database('none').collection('c');
  await expect(none.put('x', {})).rejects.toMatchObject({ code: 'SYNC_DATABASE_ELSEWHERE' });
});

test('[CC5] what is remembered of nodes is bounded', () => {
  const set = new ExpiringSet(3);
  for (let i = 0; i < 10; i++) set.add(`name-${i}`, 100);
  expect(set.size).toBe(3);
  expect(set.has('name-9', 99)).toBe(true);
  expect(set.has('name-9', 100)).toBe(false);
  expect(set.has('name-6', 0)).toBe(false);
  const fake = cluster();
  const pool = new EndpointPool([{ url: 'http://a:1' }], 'failover', fake.ports);
  pool.noteHolders(
    'app',
    Array.from({ length: 100 }, (_, index) => `http://n${index}`),
  );
  expect(pool.candidates('app', new Set())).toHaveLength(65);
  expect(pool.candidates('other', new Set())).toHaveLength(1);
  const encrypted = new EndpointPool([{ url: 'https://a:1' }], 'failover', fake.ports);
  encrypted.noteHolders('app', ['http://b', 'https://c']);
  expect(encrypted.candidates('app', new Set()).map(({ url }) => url)).toEqual(['https://a:1', 'https://c']);
});

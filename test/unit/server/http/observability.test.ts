import { Writable } from 'node:stream';
import { pino, type Logger } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hashToken } from '../../../../server/http/auth.ts';
import { Health } from '../../../../server/http/health.ts';
import { Overload } from '../../../../server/http/overload.ts';
import { RequestRecord } from '../../../../server/http/request-record.ts';
import { EventLoop } from '../../../../server/metrics/event-loop.ts';
import { openTestApp, type TestApp } from '../../../helper/http-app.ts';

type Line = Record<string, unknown>;

/** A log that keeps its lines. */
function keepLog(level = 'info'): { log: Logger; lines: Line[]; text: () => string } {
  let text = '';
  const lines: Line[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString();
      lines.push(JSON.parse(chunk.toString()) as Line);
      done();
    },
  });
  return { log: pino({ level, base: {} }, stream), lines, text: () => text };
}

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
  await app.send('PUT', '/v1/app');
});
afterAll(() => app.close());

describe('metrics', () => {
  const samples = async (): Promise<Map<string, number>> => {
    const answer = await app.send('GET', '/metrics');
    expect([answer.statusCode, answer.headers['content-type']]).toEqual([
      200,
      'text/plain; version=0.0.4; charset=utf-8',
    ]);
    const found = new Map<string, number>();
    const types = new Map<string, string>();
    for (const line of answer.body.split('\n').filter((each) => each !== '')) {
      const type = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(line);
      if (type !== null) types.set(type[1]!, type[2]!);
      if (line.startsWith('#')) continue;
      const sample = /^([a-z_]+)((?:\{(?:[a-z]+="[^"\\]*",?)+\})?) (\S+)$/.exec(line);
      expect(line, 'a sample').toSatisfy(() => sample !== null);
      const [, name, labels, value] = sample!;
      expect(name).toMatch(/^atoll_/);
      const family = name!.replace(/_(?:bucket|sum|count)$/, '');
      expect(types.has(name!) || types.get(family) === 'histogram', `${name} has a type`).toBe(true);
      expect(Number.isFinite(Number(value))).toBe(true);
      if (name!.endsWith('_total')) expect([name, types.get(name!)]).toEqual([name, 'counter']);
      found.set(name! + labels, Number(value));
    }
    return found;
  };

  test('[OB1] requests are counted by route, method and class of status, and ids of documents appear nowhere', async () => {
    const name = 'atoll_http_request_duration_seconds';
    const labels = (method: string, status: string): string =>
      `{route="/v1/:db/:collection/docs/:id",method="${method}",status="${status}"}`;
    await app.send('PUT', '/v1/app/things/docs/unique-secret-id', { a: 1 });
    for (let count = 0; count < 3; count++) await app.send('GET', '/v1/app/things/docs/unique-secret-id');
    await app.send('GET', '/v1/app/things/docs/missing-secret-id');
    await app.send('GET', '/nowhere/secret-path');
    const found = await samples();
    expect(found.get(`${name}_count${labels('GET', '2xx')}`)).toBe(3);
    expect(found.get(`${name}_count${labels('GET', '4xx')}`)).toBe(1);
    expect(found.get(`${name}_count${labels('PUT', '2xx')}`)).toBe(1);
    expect(found.get(`${name}_count{route="none",method="other",status="4xx"}`)).toBe(1);
    const infinite = `${name}_bucket${labels('GET', '2xx').replace('}', ',le="+Inf"}')}`;
    expect(found.get(infinite)).toBe(3);
    expect([...found.keys()].join()).not.toContain('secret');
  });

  test('[OB1] buckets are cumulative and the number of series does not grow with what clients send', async () => {
    const before = (await samples()).size;
    for (let id = 0; id < 50; id++) await app.send('GET', `/v1/app/things/docs/${id}?x=${id}`);
    for (let id = 0; id < 20; id++) await app.send('GET', `/path/${id}`);
    const found = await samples();
    expect(found.size).toBe(before);
    const buckets = [...found].filter(([name]) => name.includes('_bucket{route="/v1/:db"'));
    expect(buckets.length).toBeGreaterThan(10);
    for (const [index, [, value]] of buckets.entries()) {
      if (index % 16 > 0) expect(value).toBeGreaterThanOrEqual(buckets[index - 1]![1]);
    }
  });

  test('[OB1] [OB2] what operators need is there', async () => {
    const names = new Set([...(await samples()).keys()].map((key) => key.split('{')[0]!));
    for (const name of [
      'build_info',
      'ready',
      'event_loop_lag_seconds',
      'http_requests_in_flight',
      'http_requests_refused_total',
      'process_memory_bytes',
      'process_cpu_seconds_total',
      'wal_sync_seconds_count',
      'divergent_documents',
      'quarantined_documents',
      'database_documents',
      'log_bytes',
    ]) {
      expect(names).toContain(`atoll_${name}`);
    }
  });
});

describe('overload', () => {
  test('[OB3] too many requests in flight are 503 for documents, while probes and administration are served', async () => {
    const health = new Health();
    const loop = { lagMs: 0 };
    const busy = await openTestApp({
      health,
      overload: new Overload({ inflight: 3, lagMs: 100, inflightBytes: 1000 }, health, loop),
    });
    await busy.send('PUT', '/v1/app');
    const status = async (method: string, url: string): Promise<number> => (await busy.send(method, url)).statusCode;
    health.enter();
    health.enter();
    expect(await status('GET', '/v1/app')).toBe(200);
    health.enter();
    const refused = await busy.send('GET', '/v1/app/things/docs/a');
    expect([refused.statusCode, refused.json().code, refused.headers['retry-after']]).toEqual([
      503,
      'HTTP_OVERLOADED',
      '1',
    ]);
    expect(refused.json()).toMatchObject({ retryable: true, errors: [{ limit: 'inflight', max: 3 }] });
    for (const url of ['/livez', '/readyz', '/metrics', '/v1/_cluster', '/v1/_admin/tokens']) {
      expect([url, await status('GET', url)]).toEqual([url, 200]);
    }
    expect(await status('PUT', '/v1/other')).toBe(201);
    health.leave();
    expect(await status('GET', '/v1/app')).toBe(200);
    loop.lagMs = 101;
    const late = await busy.send('GET', '/v1/app');
    expect([late.statusCode, late.json().errors[0].limit]).toEqual([503, 'lagMs']);
    loop.lagMs = 100;
    expect(await status('GET', '/v1/app')).toBe(200);
    expect((await busy.send('GET', '/metrics')).body).toContain(
      'atoll_http_requests_refused_total{reason="overload"} 2',
    );
    await busy.close();
  });

  test('[OB3] a single stall is no overload, two in a row are, and one good sample ends it', () => {
    const loop = new EventLoop();
    const lags = [0, 5000, 0, 2000, 3000, 4000, 10, 0].map((lag) => {
      loop.note(lag);
      return loop.lagMs;
    });
    expect(lags).toEqual([0, 0, 0, 0, 2000, 3000, 10, 0]);
  });

  test('[OB3] bodies are held up to a limit all together; one byte more is a 503, and what has been served counts no more', async () => {
    const health = new Health();
    const overload = new Overload({ inflight: 10, lagMs: 100, inflightBytes: 1000 }, health, { lagMs: 0 });
    const full = await openTestApp({ health, overload });
    await full.send('PUT', '/v1/app');
    const put = (bytes: number): ReturnType<TestApp['send']> =>
      full.send('PUT', '/v1/app/things/docs/a', `{"a":"${'x'.repeat(bytes - 8)}"}`);
    const other = new RequestRecord('other', 0);
    expect(overload.holdBody(other, 400)).toBeNull();
    expect((await put(600)).statusCode).toBe(201);
    const refused = await put(601);
    expect([refused.statusCode, refused.json().code]).toEqual([503, 'HTTP_OVERLOADED']);
    expect(refused.json().errors).toMatchObject([{ limit: 'inflightBytes', max: 1000 }]);
    expect((await put(600)).statusCode).toBe(200);
    overload.releaseBody(other);
    expect((await put(1000)).statusCode).toBe(200);
    await full.close();
  });

  test('[OB3] requests that last by design do not count', async () => {
    const health = new Health();
    const overload = new Overload({ inflight: 1, lagMs: 100, inflightBytes: 1000 }, health, { lagMs: 0 });
    for (let feed = 0; feed < 50; feed++) {
      health.enter();
      overload.lasting++;
    }
    const calm = await openTestApp({ health, overload });
    await calm.send('PUT', '/v1/app');
    expect((await calm.send('GET', '/v1/app')).statusCode).toBe(200);
    await calm.close();
  });
});

describe('request ids', () => {
  test('[OB4] the id of the client comes back, and one that is not harmless is replaced', async () => {
    const idOf = async (given?: string, url = '/v1/app/things/docs/a'): Promise<string> => {
      const answer = await app.send('GET', url, undefined, given === undefined ? {} : { 'x-request-id': given });
      return String(answer.headers['x-request-id']);
    };
    for (const id of ['abc', 'a'.repeat(128), '00-4bf92f3577b34da6a3ce929d0e0e4736-01', 'urn:uuid:1']) {
      expect(await idOf(id)).toBe(id);
    }
    const own: string[] = [];
    for (const id of [undefined, '', 'a'.repeat(129), 'a b', '<script>', 'a\u00e9', '{"a":1}'])
      own.push(await idOf(id));
    for (const id of own) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-z]+$/);
    expect(new Set(own).size).toBe(own.length);
    await app.send('PUT', '/v1/app/things/docs/hot', {});
    for (const url of ['/v1/app/things/docs/hot', '/v1', '/nowhere', '/livez', '/v1/app/things/docs', '/metrics']) {
      expect([url, await idOf('mine', url)]).toEqual([url, 'mine']);
    }
  });

  test('[OB4] an unexpected error and a slow request are logged with the id and the route, not the path', async () => {
    const { log, lines, text } = keepLog();
    const watched = await openTestApp({ logging: { log, slowMs: 1 } });
    const { replica } = watched.context;
    await watched.send('PUT', '/v1/app');
    lines.length = 0;
    const database = replica.database.bind(replica);
    replica.database = () => {
      const endMs = performance.now() + 5;
      while (performance.now() < endMs);
      throw new Error('broken on purpose');
    };
    const answer = await watched.send('GET', '/v1/app/things/docs/private', undefined, { 'x-request-id': 'req-7' });
    replica.database = database;
    expect([answer.statusCode, answer.json().code]).toEqual([500, 'HTTP_INTERNAL']);
    const route = '/v1/:db/:collection/docs/:id';
    expect(lines.find(({ msg }) => msg === 'request failed')).toMatchObject({ requestId: 'req-7', route });
    expect(lines.find(({ msg }) => msg === 'slow request')).toMatchObject({ requestId: 'req-7', route, status: 500 });
    expect(text()).not.toContain('private');
    await watched.close();
  });
});

describe('the trail of administration', () => {
  test('[AC9] what is changed and what is refused is told with who and the outcome, not what is read, nor without a token', async () => {
    const file = 'a-token-from-a-file';
    const { log, lines, text } = keepLog();
    const watched = await openTestApp({ access: { adminTokenHash: hashToken(file) }, logging: { auditLog: log } });
    const send = (method: string, url: string, token: string | null, body?: object) =>
      watched.send(method, url, body, token === null ? {} : { authorization: `Bearer ${token}` });
    const reader = (await send('POST', '/v1/_admin/tokens', file, { role: 'read', name: 'a private name' })).json();
    await send('PUT', '/v1/app', file);
    await send('PUT', '/v1/app/things/docs/a', file, { private: 'content' });
    await send('GET', '/v1/_admin/tokens', file);
    await send('DELETE', '/v1/app', reader.token);
    await send('DELETE', '/v1/app', null);
    await send('DELETE', '/v1/app?secret=1', file);
    const { entries } = (await send('GET', '/v1/_admin/audit', file)).json();
    const told = (entries as Line[]).map(({ by, method, target, status }) => [by, method, target, status]).reverse();
    expect(told).toEqual([
      ['file', 'POST', '/v1/_admin/tokens', 201],
      ['file', 'PUT', '/v1/app', 201],
      [reader.id, 'DELETE', '/v1/app', 403],
      ['file', 'DELETE', '/v1/app', 400],
    ]);
    expect(lines.map(({ audit, target }) => [audit, target])).toEqual(told.map(([, , target]) => [true, target]));
    for (const secret of [file, reader.token, 'private', 'secret=']) expect(text()).not.toContain(secret);
    expect(lines[0]!['requestId']).toMatch(/./);
    await watched.close();
  });

  test('[AC9] the trail keeps the last thousand entries', async () => {
    const watched = await openTestApp();
    for (let count = 0; count < 2100; count++) {
      watched.context.observability.audit.note({
        at: new Date(0).toISOString(),
        requestId: String(count),
        by: 'local',
        from: null,
        method: 'PUT',
        target: '/v1/app',
        status: 200,
      });
    }
    const { entries } = (await watched.send('GET', '/v1/_admin/audit')).json();
    expect([entries.length, entries[0].requestId, entries.at(-1).requestId]).toEqual([1000, '2099', '1100']);
    await watched.close();
  });

  test('[OB4] diagnostics tell of the process', async () => {
    const answer = (await app.send('GET', '/v1/_admin/diagnostics')).json();
    expect(answer).toMatchObject({ name: 'test', runtime: { pid: process.pid }, requests: { inFlight: 1 } });
    expect(answer.memory.rss).toBeGreaterThan(1_000_000);
    expect(answer.version).toMatch(/^\d+\.\d+\.\d+/);
  });
});

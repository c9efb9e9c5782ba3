import fastify from 'fastify';
import { createServer } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { NewAccessTokenAnswer, NewAccessTokenRequest } from '../../../../server/api/index.ts';
import { hashToken } from '../../../../server/http/auth.ts';
import { addGate } from '../../../../server/http/gate.ts';
import { MethodTable } from '../../../../server/http/method.ts';
import { RateLimit } from '../../../../server/http/rate-limit.ts';
import { policiesOf, type RouteAccess } from '../../../../server/http/route-policy.ts';
import { UpgradeDoors } from '../../../../server/http/upgrade.ts';
import { MemoryStore, Replica } from '../../../../sync/index.ts';
import { cryptoRandom, systemTimers } from '../../../../server/system-ports.ts';
import { openTestApp, type TestApp } from '../../../helper/http-app.ts';

const TOKENS = '/v1/_admin/tokens';
let app: TestApp;
let root: string;

beforeAll(async () => {
  app = await openTestApp();
  root = (await make({ role: 'admin', name: 'root' })).token;
  await app.send('PUT', '/v1/app', undefined, bearer(root));
  await app.send('PUT', '/v1/other', undefined, bearer(root));
});
afterAll(() => app.close());

async function make(request: NewAccessTokenRequest, by: string = root): Promise<NewAccessTokenAnswer> {
  const answer = await app.send('POST', TOKENS, request, by === undefined ? {} : bearer(by));
  expect([answer.statusCode, answer.body]).toEqual([201, expect.any(String)]);
  return answer.json();
}

function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}

/** Any value for the parameters of a route. */
function pathOf(pattern: string): string {
  return pattern.replace(':db', 'app').replaceAll(/:[a-z]+/gi, 'x');
}

describe('policies', () => {
  /** Everything that may be called without a token, and with any. A route that joins them is a decision. */
  const OPEN = ['/docs', '/livez', '/openapi.json', '/readyz'];
  const ANY_TOKEN = ['/v1', '/v1/_limits', '/sync'];

  test('[AC1] what is open, and what any token may call, is listed here; nothing in a database is either', () => {
    const open = new Set<string>();
    const any = new Set<string>();
    for (const [route, access] of policiesOf(app.app)) {
      const [method, url] = route.split(' ') as [string, string];
      // Methods that a path does not take are refused to whoever may send anything.
      if (access === 'open') open.add(url);
      if (access === 'token' && method === 'GET' && !url.includes(':')) any.add(url);
      if (url.includes('/:db') && app.app.hasRoute({ method: method as 'GET', url }) && access === 'open')
        throw new Error(`${route} is open`);
    }
    expect([...open].sort()).toEqual(OPEN);
    expect([...any].filter((url) => ANY_TOKEN.includes(url)).sort()).toEqual([...ANY_TOKEN].sort());
  });

  test('[AC1] a route without a policy is refused when it is registered, and the error says what to add', async () => {
    const bare = fastify();
    const methods = new MethodTable();
    addGate(bare, app.context, methods);
    expect(() => bare.get('/v1/new', async () => ({}))).toThrow(/GET \/v1\/new has no access policy.*access: 'read'/);
    expect(() => bare.get('/v1/odd', { config: { access: 'all' as RouteAccess } }, async () => ({}))).toThrow(
      /no access policy/,
    );
    expect(() => bare.get('/v1/own', { config: { access: 'protocol' } }, async () => ({}))).toThrow(/upgrades only/);
    await bare.close();
  });

  test('[AC1] a websocket without a policy is refused when it is registered', () => {
    const doors = new UpgradeDoors(createServer(), app.context);
    const door = { path: '/new', origins: 'none', connectionsMax: 1, payloadMax: 1, open: () => {} } as const;
    expect(() => doors.add(door as never)).toThrow(/\/new has no access policy/);
    doors.add({ ...door, access: 'read' });
    expect([...doors.policies]).toEqual([['/new', 'read']]);
  });

  test('[AC2] every route of the table lets in who its policy names, and nobody else', async () => {
    const tokens: Record<string, string> = { root };
    for (const role of ['read', 'write', 'admin'] as const) {
      tokens[role] = (await make({ role })).token;
      tokens[`${role} app`] = (await make({ role, databases: ['app'] })).token;
      tokens[`${role} other`] = (await make({ role, databases: ['other'] })).token;
    }
    const ranks = { read: 1, write: 2, admin: 3 };
    let decisions = 0;
    for (const [route, access] of policiesOf(app.app)) {
      const [method, url] = route.split(' ') as [string, string];
      const needed = ranks[access as 'read'] ?? 0;
      for (const [name, token] of [...Object.entries(tokens), ['nobody', null] as const]) {
        const [role, database] = name === 'root' ? ['admin'] : name.split(' ');
        const isFit = ranks[role as 'read'] >= needed;
        const isThere = needed === 0 || database === undefined || (url.includes('/:db') && database === 'app');
        const expected = access === 'open' ? 'in' : token === null ? 401 : isFit && isThere ? 'in' : 403;
        // The body is refused after access was decided, so that nothing is changed by those who get in.
        const headers = { ...(token !== null && bearer(token)), 'content-encoding': 'none' };
        const answer = await app.send(method, pathOf(url), undefined, headers);
        const isIn = answer.statusCode !== 401 && answer.statusCode !== 403;
        expect([route, name, isIn ? 'in' : answer.statusCode]).toEqual([route, name, expected]);
        if (!isIn) expect(answer.headers['www-authenticate']).toMatch(/^Bearer realm="atoll"/);
        decisions++;
      }
    }
    expect(decisions).toBeGreaterThan(200);
  });

  test('[AC5] the challenge says what is wrong with the token', async () => {
    const { token } = await make({ role: 'read' });
    const none = await app.send('GET', '/v1');
    const wrong = await app.send('GET', '/v1', undefined, bearer(`${token.slice(0, -1)}x`));
    const weak = await app.send('PUT', '/v1/app/c/docs/a', {}, bearer(token));
    expect([none, wrong, weak].map(({ headers }) => headers['www-authenticate'])).toEqual([
      'Bearer realm="atoll"',
      'Bearer realm="atoll", error="invalid_token"',
      'Bearer realm="atoll", error="insufficient_scope", scope="write"',
    ]);
    expect(weak.json()).toMatchObject({ code: 'HTTP_FORBIDDEN', retryable: false });
    expect(weak.json().detail).toContain('read');
    expect((await app.send('GET', '/v1/app/c/docs/a', undefined, bearer(root))).statusCode).toBe(404);
  });

  test('[AC2] a token for some databases is told of no others', async () => {
    const { token } = await make({ role: 'read', databases: ['other'] });
    expect((await app.send('GET', '/v1', undefined, bearer(token))).json()).toEqual({ databases: [{ name: 'other' }] });
    expect((await app.send('GET', '/v1', undefined, bearer(root))).json().databases).toHaveLength(2);
  });
});

describe('tokens', () => {
  test('[AC3] a token is shown once, listed without its text, and kept as a hash', async () => {
    const made = await make({ role: 'write', databases: ['other', 'app', 'app'], name: 'a job', expiresSeconds: 60 });
    expect(made.token).toMatch(/^atoll_[0-9a-f]{16}_[0-9a-f]{48}$/);
    expect(made).toMatchObject({ role: 'write', databases: ['app', 'other'], name: 'a job', state: 'valid' });
    expect(Date.parse(made.expiresAt!) - Date.parse(made.createdAt)).toBe(60_000);
    const listed = await app.send('GET', TOKENS, undefined, bearer(root));
    expect(listed.body).not.toContain(made.token);
    const { token: _text, ...rest } = made;
    expect(listed.json().tokens).toContainEqual(rest);
    const entry = app.context.replica.accessTokens.entries.get(made.id)!;
    expect(entry.hash).toBe(hashToken(made.token).toString('hex'));
  });

  test('[AC3] a revoked token is refused at once, says so, and stays revoked', async () => {
    const { token, id } = await make({ role: 'read' });
    expect((await app.send('GET', '/v1', undefined, bearer(token))).statusCode).toBe(200);
    expect((await app.send('DELETE', `${TOKENS}/${id}`, undefined, bearer(root))).statusCode).toBe(204);
    const refused = await app.send('GET', '/v1', undefined, bearer(token));
    expect([refused.statusCode, refused.json().detail]).toEqual([401, 'the token was revoked']);
    expect((await app.send('DELETE', `${TOKENS}/${id}`, undefined, bearer(root))).statusCode).toBe(204);
    const listed = (await app.send('GET', TOKENS, undefined, bearer(root))).json().tokens as { id: string }[];
    expect(listed.find((each) => each.id === id)).toMatchObject({ state: 'revoked' });
    const missing = await app.send('DELETE', `${TOKENS}/none`, undefined, bearer(root));
    expect([missing.statusCode, missing.json().code]).toEqual([404, 'SYNC_ACCESS_TOKEN_NOT_FOUND']);
  });

  test('[AC3] a token that has expired is refused', async () => {
    let now = Date.now();
    const ports = { clock: { now: () => now }, timers: systemTimers, random: cryptoRandom };
    const replica = await Replica.open({ store: new MemoryStore(), ...ports });
    const late = await openTestApp({ replica });
    const first = await late.send('POST', TOKENS, { role: 'admin' });
    const admin = bearer(first.json().token);
    const { token } = (await late.send('POST', TOKENS, { role: 'read', expiresSeconds: 10 }, admin)).json();
    now += 9999;
    expect((await late.send('GET', '/v1', undefined, bearer(token))).statusCode).toBe(200);
    now += 1;
    const refused = await late.send('GET', '/v1', undefined, bearer(token));
    expect([refused.statusCode, refused.json().detail]).toEqual([401, 'the token has expired']);
    await late.close();
    await replica.close();
  });

  test('[AC3] a token written on another node holds here as soon as it is heard of', async () => {
    const token = `atoll_${'1'.repeat(16)}_${'2'.repeat(48)}`;
    expect((await app.send('GET', '/v1', undefined, bearer(token))).statusCode).toBe(401);
    // What replication does: a document of the system database.
    const entries = app.context.replica.accessTokens.entries as Map<string, object>;
    const [, like] = [...entries].find(([, entry]) => (entry as { role: string }).role === 'read')!;
    entries.set('1'.repeat(16), { ...like, isRevoked: false, hash: hashToken(token).toString('hex') });
    expect((await app.send('GET', '/v1', undefined, bearer(token))).statusCode).toBe(200);
    entries.delete('1'.repeat(16));
    expect((await app.send('GET', '/v1', undefined, bearer(token))).statusCode).toBe(401);
  });

  test.each([
    [{}, '/role'],
    [{ role: 'root' }, '/role'],
    [{ role: 'read', databases: [] }, '/databases'],
    [{ role: 'read', databases: 'app' }, '/databases'],
    [{ role: 'read', expiresSeconds: 0 }, '/expiresSeconds'],
    [{ role: 'read', expiresSeconds: 1.5 }, '/expiresSeconds'],
    [{ role: 'read', requestsPerSecond: -1 }, '/requestsPerSecond'],
    [{ role: 'read', name: 'x'.repeat(201) }, '/name'],
    [{ role: 'read', scope: 'all' }, '/scope'],
  ])('[AC3] the request %j is a 400 that names %s', async (request, pointer) => {
    const answer = await app.send('POST', TOKENS, request, bearer(root));
    expect([answer.statusCode, answer.json().code]).toEqual([400, 'HTTP_BODY_INVALID']);
    expect(answer.json().errors).toMatchObject([{ pointer }]);
  });

  test('[AC3] a database that no database can be named is refused', async () => {
    const answer = await app.send('POST', TOKENS, { role: 'read', databases: ['_system'] }, bearer(root));
    expect([answer.statusCode, answer.json().code]).toEqual([400, 'SYNC_DATABASE_NAME_INVALID']);
  });
});

describe('the first and the last token', () => {
  test('[AC4] the first token must be for everything and for ever, and turns access control on', async () => {
    const fresh = await openTestApp();
    for (const request of [
      { role: 'read' },
      { role: 'admin', databases: ['app'] },
      { role: 'admin', expiresSeconds: 60 },
    ]) {
      const answer = await fresh.send('POST', TOKENS, request);
      expect([answer.statusCode, answer.json().code]).toEqual([409, 'SYNC_ACCESS_TOKEN_CONFLICT']);
    }
    expect((await fresh.send('GET', '/v1')).statusCode).toBe(200);
    const { token, id } = (await fresh.send('POST', TOKENS, { role: 'admin' })).json();
    expect((await fresh.send('GET', '/v1')).statusCode).toBe(401);
    const last = await fresh.send('DELETE', `${TOKENS}/${id}`, undefined, bearer(token));
    expect([last.statusCode, last.json().code]).toEqual([409, 'SYNC_ACCESS_TOKEN_CONFLICT']);
    // A limited admin token, or one that expires, is no way in for good.
    const second = (await fresh.send('POST', TOKENS, { role: 'admin', databases: ['app'] }, bearer(token))).json();
    expect((await fresh.send('DELETE', `${TOKENS}/${id}`, undefined, bearer(token))).statusCode).toBe(409);
    expect((await fresh.send('DELETE', `${TOKENS}/${second.id}`, undefined, bearer(token))).statusCode).toBe(204);
    await fresh.close();
  });

  test('[AC4] with a token file the last token can be revoked, and tokens are still asked for', async () => {
    const file = 'a-token-from-a-file';
    const fresh = await openTestApp({ access: { adminTokenHash: hashToken(file) } });
    const { token, id } = (await fresh.send('POST', TOKENS, { role: 'admin' }, bearer(file))).json();
    expect((await fresh.send('DELETE', `${TOKENS}/${id}`, undefined, bearer(token))).statusCode).toBe(204);
    expect((await fresh.send('GET', '/v1', undefined, bearer(token))).statusCode).toBe(401);
    expect((await fresh.send('GET', '/v1', undefined, bearer(file))).statusCode).toBe(200);
    // The same cluster seen by a node without the file: nobody is let in because no token is left.
    const other = await openTestApp({ replica: fresh.context.replica });
    expect((await other.send('GET', '/v1')).statusCode).toBe(401);
    await other.close();
    await fresh.close();
  });

  test('[AC4] a node that others can reach asks for tokens before there is any', async () => {
    const exposed = await openTestApp({ access: { isExposed: true } });
    expect((await exposed.send('GET', '/v1')).statusCode).toBe(401);
    expect((await exposed.send('GET', '/livez')).statusCode).toBe(200);
    await exposed.close();
  });
});

describe('rates', () => {
  test('[AC6] a bucket holds one second of requests and fills at its rate', () => {
    const limit = new RateLimit(5, 1000);
    const take = (nowMs: number): boolean => {
      try {
        limit.take(nowMs);
        return true;
      } catch {
        return false;
      }
    };
    expect([1000, 1000, 1000, 1000, 1000, 1000].map(take)).toEqual([true, true, true, true, true, false]);
    expect([1199, 1200, 1200].map(take)).toEqual([false, true, false]);
    expect([9000, 9000, 9000, 9000, 9000, 9000].map(take)).toEqual([true, true, true, true, true, false]);
    expect(() => new RateLimit(1, 0)).not.toThrow();
  });

  test('[AC6] a token at its rate is served, one more is a 429 with Retry-After, and others are not affected', async () => {
    const { token } = await make({ role: 'read', requestsPerSecond: 1 });
    const first = await app.send('GET', '/v1/_limits', undefined, bearer(token));
    const second = await app.send('GET', '/v1/_limits', undefined, bearer(token));
    expect([first.statusCode, second.statusCode]).toEqual([200, 429]);
    expect(second.json()).toMatchObject({ code: 'HTTP_RATE_LIMITED', retryable: true });
    expect(second.json().errors).toMatchObject([{ limit: 'requestsPerSecond', max: 1 }]);
    expect(second.headers['retry-after']).toBe('1');
    expect((await app.send('GET', '/v1/_limits', undefined, bearer(root))).statusCode).toBe(200);
  });

  test('[AC6] the rate of the node holds for tokens without their own, but not for administration', async () => {
    const file = 'a-token-from-a-file';
    const slow = await openTestApp({ access: { adminTokenHash: hashToken(file), requestsPerSecond: 1 } });
    const send = async (url: string): Promise<number> =>
      (await slow.send('GET', url, undefined, bearer(file))).statusCode;
    expect([await send('/v1'), await send('/v1')]).toEqual([200, 429]);
    expect(await send(TOKENS)).toBe(200);
    await slow.close();
  });
});

import type { LightMyRequestResponse } from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hashToken } from '../../../../server/http/auth.ts';
import { OriginPolicy } from '../../../../server/http/origin.ts';
import { openTestApp, type TestApp } from '../../../helper/http-app.ts';

const PAGE = 'https://app.example';
const TOKEN = 'a-token-from-a-file';
const doc = '/v1/app/things/docs/a';

/** Without tokens, and with one. */
let open: TestApp;
let guarded: TestApp;

beforeAll(async () => {
  const origins = new OriginPolicy({ allowedOrigins: [PAGE], allowedHosts: ['db.example'] });
  open = await openTestApp({ origins });
  guarded = await openTestApp({ origins, access: { adminTokenHash: hashToken(TOKEN) } });
  await open.send('PUT', '/v1/app');
});
afterAll(() => Promise.all([open.close(), guarded.close()]));

const send = (method: string, url: string, headers: Record<string, string>): Promise<LightMyRequestResponse> =>
  open.send(method, url, method === 'PUT' ? {} : undefined, headers);

describe('pages', () => {
  test.each([
    'https://evil.example',
    'https://app.example.evil.example',
    'http://app.example',
    'https://app.example:444',
    'null',
    'http://localhost:9999',
    '',
    'garbage',
  ])('[AC7] a request of a page of %j is a 403, whatever its method, and changes nothing', async (origin) => {
    for (const method of ['GET', 'PUT', 'POST', 'DELETE', 'PATCH', 'OPTIONS']) {
      const answer = await send(method, doc, { origin });
      expect([method, answer.statusCode, answer.json().code]).toEqual([method, 403, 'HTTP_FORBIDDEN']);
      expect(answer.json().errors).toMatchObject([{ parameter: 'Origin' }]);
      expect(answer.headers['access-control-allow-origin']).toBeUndefined();
    }
    expect((await send('GET', doc, {})).statusCode).toBe(404);
  });

  test('[AC7] a page of this node and one that was named are served, and only the named one gets CORS', async () => {
    const own = await send('GET', '/v1', { host: 'localhost:7400', origin: 'http://localhost:7400' });
    expect([own.statusCode, own.headers['access-control-allow-origin']]).toEqual([200, undefined]);
    const named = await send('PUT', '/v1/app/things/docs/b', { origin: PAGE });
    expect([named.statusCode, named.headers['access-control-allow-origin']]).toEqual([201, PAGE]);
    // The hot path writes its head past Fastify.
    const read = await send('GET', '/v1/app/things/docs/b', { origin: PAGE });
    expect([read.statusCode, read.headers['access-control-allow-origin'], read.headers['vary']]).toEqual([
      200,
      PAGE,
      'Origin',
    ]);
    expect(read.headers['access-control-expose-headers']).toContain('Session-Token');
    expect(read.headers['access-control-allow-credentials']).toBeUndefined();
    const plain = await send('GET', '/v1/app/things/docs/b', {});
    expect(plain.headers['access-control-allow-origin']).toBeUndefined();
  });

  test('[AC7] the question of a browser is answered without a token, for pages that were named only', async () => {
    const ask = { 'access-control-request-method': 'PATCH', 'access-control-request-headers': 'authorization' };
    const yes = await guarded.send('OPTIONS', doc, undefined, { origin: PAGE, ...ask });
    expect([yes.statusCode, yes.headers['access-control-allow-methods']]).toEqual([
      204,
      'DELETE, GET, HEAD, PATCH, PUT',
    ]);
    expect(yes.headers['access-control-allow-origin']).toBe(PAGE);
    expect(yes.headers['access-control-allow-headers']).toMatch(/Authorization.*Session-Token/);
    const no = await guarded.send('OPTIONS', doc, undefined, { origin: 'https://evil.example', ...ask });
    expect(no.statusCode).toBe(403);
    expect((await guarded.send('OPTIONS', doc, undefined, ask)).statusCode).toBe(401);
    const then = await guarded.send('GET', '/v1', undefined, { origin: PAGE, authorization: `Bearer ${TOKEN}` });
    expect([then.statusCode, then.headers['access-control-allow-origin']]).toEqual([200, PAGE]);
    // A page has to be able to read why it was refused.
    const refused = await guarded.send('GET', '/v1', undefined, { origin: PAGE });
    expect([refused.statusCode, refused.headers['access-control-allow-origin']]).toEqual([401, PAGE]);
  });
});

describe('names of this node', () => {
  test.each(['localhost', 'localhost:7400', 'n1.localhost', '127.0.0.1:1', '[::1]:7400', '10.1.2.3', 'DB.example:80'])(
    '[AC7] without tokens the host %s is served',
    async (host) => {
      expect((await send('GET', '/v1', { host })).statusCode).toBe(200);
    },
  );

  test.each(['evil.example', 'evil.example:7400', 'localhost.evil.example', '127.0.0.1.evil.example', 'xlocalhost'])(
    '[AC7] without tokens the host %s is a 403, also for a page that calls itself the same',
    async (host) => {
      for (const headers of [{ host }, { host, origin: `http://${host}` }]) {
        const answer = await send('GET', '/v1', headers as Record<string, string>);
        expect([answer.statusCode, answer.json().code]).toEqual([403, 'HTTP_FORBIDDEN']);
        expect(answer.json().detail).toContain('--allow-host');
      }
    },
  );

  test('[AC7] with tokens any name will do', async () => {
    const headers = { host: 'any.example', authorization: `Bearer ${TOKEN}` };
    expect((await guarded.send('GET', '/v1', undefined, headers)).statusCode).toBe(200);
  });
});

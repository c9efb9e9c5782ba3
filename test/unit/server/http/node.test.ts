import { createServer } from 'node:http';
import pino from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MemoryStore, Replica, StorageError } from '../../../../sync/index.ts';
import { cryptoRandom, systemClock, systemTimers } from '../../../../server/system-ports.ts';
import { hashToken } from '../../../../server/http/auth.ts';
import { Health } from '../../../../server/http/health.ts';
import { addLeafDoor } from '../../../../server/http/leaf-endpoint.ts';
import { addSyncDoor } from '../../../../server/http/sync-endpoint.ts';
import { UpgradeDoors } from '../../../../server/http/upgrade.ts';
import { addSharedDoors } from '../../../../server/yjs/endpoint.ts';
import { openTestApp, type TestApp } from '../../../helper/http-app.ts';

let app: TestApp;

beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app.close());

describe('databases and collections', () => {
  test('[HT2] PUT creates a database once, GET describes it, DELETE drops it', async () => {
    const created = await app.send('PUT', '/v1/first');
    expect([created.statusCode, created.json().name]).toEqual([201, 'first']);
    expect((await app.send('PUT', '/v1/first')).statusCode).toBe(200);
    await app.send('PUT', '/v1/first/things/docs/a', { a: 1 });
    const info = await app.send('GET', '/v1/first');
    expect(info.json()).toMatchObject({ name: 'first', documents: 1, collections: [{ name: 'things', documents: 1 }] });
    expect(info.json().bytes).toBeGreaterThan(0);
    expect((await app.send('GET', '/v1')).json()).toEqual({ databases: [{ name: 'first' }] });
    const dropped = await app.send('DELETE', '/v1/first');
    expect([dropped.statusCode, dropped.body]).toEqual([204, '']);
    expect((await app.send('GET', '/v1/first')).statusCode).toBe(404);
    expect((await app.send('PUT', '/v1/first')).statusCode).toBe(201);
    expect((await app.send('GET', '/v1/first/things/docs/a')).statusCode).toBe(404);
  });

  test('[HT2] PUT configures a collection, GET describes it, DELETE drops it with its documents', async () => {
    await app.send('PUT', '/v1/app');
    const config = { deletePolicy: 'delete-wins', types: { '/body': 'text' } };
    const created = await app.send('PUT', '/v1/app/notes', config);
    expect([created.statusCode, created.json()]).toMatchObject([201, { name: 'notes', documents: 0, ...config }]);
    expect((await app.send('PUT', '/v1/app/notes', {})).statusCode).toBe(200);
    expect((await app.send('GET', '/v1/app/notes')).json()).toMatchObject({ deletePolicy: 'update-wins', types: {} });
    await app.send('PUT', '/v1/app/notes/docs/a', { body: 'x' });
    expect((await app.send('DELETE', '/v1/app/notes')).statusCode).toBe(204);
    expect((await app.send('GET', '/v1/app/notes/docs/a')).statusCode).toBe(404);
    for (const method of ['GET', 'DELETE']) {
      const missing = await app.send(method, '/v1/app/notes');
      expect([method, missing.statusCode, missing.json().code]).toEqual([method, 404, 'HTTP_COLLECTION_NOT_FOUND']);
    }
  });

  test('[HT2] a collection can be made without a body, and a first write makes one too', async () => {
    expect((await app.send('PUT', '/v1/app/plain')).statusCode).toBe(201);
    await app.send('PUT', '/v1/app/written/docs/a', {});
    expect((await app.send('GET', '/v1/app/written')).json()).toMatchObject({ name: 'written', documents: 1 });
  });

  test.each([
    [{ deletePolicy: 'never' }, '/deletePolicy'],
    [{ types: { '/a': 'blob' } }, '/types/~1a'],
    [{ colour: 'red' }, '/colour'],
  ])('[HT2] the configuration %j is a 400 that names %s', async (config, pointer) => {
    const answer = await app.send('PUT', '/v1/app/bad', config);
    expect([answer.statusCode, answer.json().code]).toEqual([400, 'SYNC_CONFIG_INVALID']);
    expect(answer.json().errors).toMatchObject([{ pointer }]);
  });

  test('[HT2] the digest of a database is equal for equal content only', async () => {
    const digest = async (): Promise<{ digest: string; documents: number; vector: object }> =>
      (await app.send('GET', '/v1/app/_digest')).json();
    const before = await digest();
    await app.send('PUT', '/v1/app/things/docs/d', { d: 1 });
    const after = await digest();
    expect(after.digest).not.toBe(before.digest);
    expect(after.documents).toBe(before.documents + 1);
    expect(await digest()).toEqual(after);
  });

  test('[HT13] conflicts of a document without any are an empty list, and 404 without a document', async () => {
    expect((await app.send('GET', '/v1/app/things/docs/d/conflicts')).json()).toEqual({ conflicts: [] });
    expect((await app.send('GET', '/v1/app/things/docs/none/conflicts')).statusCode).toBe(404);
  });
});

describe('the node', () => {
  test('[HT6] limits are told', async () => {
    expect((await app.send('GET', '/v1/_limits')).json()).toMatchObject({
      bodyBytes: 1_048_576,
      depth: 64,
      idBytes: 256,
      requestMs: 30_000,
    });
  });

  test('[HT14] the cluster as this node sees it, and whether it is insecure', async () => {
    const status = (await app.send('GET', '/v1/_cluster')).json();
    expect(status).toMatchObject({ insecure: false, failure: null, links: [] });
    expect(status.members).toHaveLength(1);
  });

  test('[HT14] a node is live and ready without any peer', async () => {
    expect((await app.send('GET', '/livez')).json()).toEqual({ status: 'live' });
    expect((await app.send('GET', '/readyz')).json()).toEqual({ status: 'ready' });
  });

  test('[HT14] after a storage failure a node is live but not ready, and says why', async () => {
    const health = new Health();
    const failed = await openTestApp({ health });
    health.fail(new StorageError('STORAGE_IO', 'the disk is gone'));
    const answer = await failed.send('GET', '/readyz');
    expect([answer.statusCode, answer.json().code, answer.json().retryable]).toEqual([503, 'STORAGE_IO', true]);
    expect((await failed.send('GET', '/livez')).statusCode).toBe(200);
    await failed.close();
  });

  test('[HT14] a write that storage fails is a 503 with the storage code, and nothing is acknowledged afterwards', async () => {
    const store = new MemoryStore();
    const health = new Health();
    const ports = { clock: systemClock, timers: systemTimers, random: cryptoRandom };
    const replica = await Replica.open({ store, ...ports, onFailure: (error) => health.fail(error) });
    const failed = await openTestApp({ replica, health });
    await failed.send('PUT', '/v1/app');
    store.batch = () => Promise.reject(new StorageError('STORAGE_IO', 'the disk is gone'));
    const answers = await Promise.all(['a', 'b', 'c'].map((id) => failed.send('PUT', `/v1/app/c/docs/${id}`, {})));
    for (const answer of answers) {
      expect([answer.statusCode, answer.json().retryable]).toEqual([503, true]);
      expect(answer.json().code).toMatch(/^STORAGE_/);
    }
    expect((await failed.send('GET', '/readyz')).json().code).toBe('STORAGE_IO');
    expect((await failed.send('PUT', '/v1/app/c/docs/d', {})).statusCode).toBe(503);
    expect((await failed.send('GET', '/v1/app/c/docs/a')).statusCode).toBe(404);
    await failed.close();
  });

  test('[HT15] while draining readiness fails, with 404 on request, and requests are served until they are refused', async () => {
    const health = new Health();
    const draining = await openTestApp({ health });
    await draining.send('PUT', '/v1/app');
    health.drain();
    const answer = await draining.send('GET', '/readyz');
    expect([answer.statusCode, answer.json().code]).toEqual([503, 'HTTP_DRAINING']);
    expect(answer.headers['retry-after']).toBe('1');
    expect((await draining.send('GET', '/readyz?drain=404')).statusCode).toBe(404);
    expect((await draining.send('GET', '/v1/app')).statusCode).toBe(200);
    await health.refuse();
    const refused = await draining.send('GET', '/v1/app');
    expect([refused.statusCode, refused.json().code, refused.json().retryable]).toEqual([503, 'HTTP_DRAINING', true]);
    expect((await draining.send('GET', '/livez')).statusCode).toBe(200);
    await draining.close();
  });

  test('[HT15] refusing waits for the requests in flight', async () => {
    const health = new Health();
    health.enter();
    let isIdle = false;
    const idle = health.refuse().then(() => (isIdle = true));
    await Promise.resolve();
    expect(isIdle).toBe(false);
    health.leave();
    await idle;
    expect(health.inflight).toBe(0);
  });

  test('[HT19] a request to any websocket that asks for no upgrade is a 426', async () => {
    const doors = new UpgradeDoors(createServer(), app.context);
    addSyncDoor(doors, app.context, false);
    addLeafDoor(doors, app.context);
    const shared = addSharedDoors(doors, app.context, pino({ enabled: false }));
    const paths = [...doors.policies.keys()];
    expect(paths).toContain('/hocuspocus');
    for (const path of paths) {
      const answer = await app.send('GET', path.replaceAll(/:[a-z]+/g, 'app').replace('*', 'a%2Fb'));
      const { statusCode, headers } = answer;
      expect([path, statusCode, answer.json().code, headers['upgrade']]).toEqual([
        path,
        426,
        'HTTP_UPGRADE_REQUIRED',
        'websocket',
      ]);
    }
    shared.close();
  });
});

describe('access', () => {
  const token = 'atoll_0123456789abcdef';

  test('[HT16] with a token everything but liveness and readiness asks for it', async () => {
    const guarded = await openTestApp({ access: { adminTokenHash: hashToken(token) } });
    const paths = ['/v1', '/v1/app', '/v1/_cluster', '/v1/_limits', '/v1/app/c/docs/a', '/nowhere', '/sync'];
    const wrong = [
      undefined,
      'Bearer',
      'Bearer wrong',
      `Basic ${token}`,
      `Bearer ${token}x`,
      token,
      `Bearer ${token} x`,
    ];
    for (const path of paths) {
      for (const authorization of wrong) {
        const answer = await guarded.send('GET', path, undefined, authorization === undefined ? {} : { authorization });
        expect([path, answer.statusCode, answer.json().code]).toEqual([path, 401, 'HTTP_UNAUTHORIZED']);
        expect(answer.headers['www-authenticate']).toMatch(/^Bearer realm="atoll"/);
      }
    }
    for (const path of ['/livez', '/readyz']) expect((await guarded.send('GET', path)).statusCode).toBe(200);
    expect((await guarded.send('GET', '/v1', undefined, { authorization: `Bearer ${token}` })).statusCode).toBe(200);
    expect((await guarded.send('PUT', '/v1/app', undefined, { authorization: `bearer  ${token}` })).statusCode).toBe(
      201,
    );
    await guarded.close();
  });

  test('[HT16] without a token only this machine is served, unless the node is insecure', async () => {
    const from = (remoteAddress: string, test: TestApp): Promise<number> =>
      test.app.inject({ method: 'GET', url: '/v1', remoteAddress }).then(({ statusCode }) => statusCode);
    for (const address of ['127.0.0.1', '127.3.2.1', '::1', '::ffff:127.0.0.1'])
      expect(await from(address, app)).toBe(200);
    for (const address of ['10.0.0.1', '::ffff:10.0.0.1', '1270.0.0.1', 'fe80::1'])
      expect(await from(address, app)).toBe(403);
    const insecure = await openTestApp({ access: { insecure: true } });
    expect(await from('10.0.0.1', insecure)).toBe(200);
    await insecure.close();
  });
});

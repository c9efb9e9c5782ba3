import { writeFileSync } from 'node:fs';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import type { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import type { DigestAnswer } from '../../server/api/index.ts';
import type { AtollNode } from '../../server/index.ts';
import { createCertificate } from '../helper/certificate.ts';
import { sendRaw } from '../helper/raw-http.ts';
import { createTestNodes, waitFor } from '../helper/test-node.ts';

const nodes = createTestNodes();
afterAll(() => nodes.close());

const JSON_BODY = { 'content-type': 'application/json' };
const put = (node: AtollNode, path: string, body?: object): Promise<Response> =>
  fetch(`${node.url}${path}`, { method: 'PUT', ...(body && { headers: JSON_BODY, body: JSON.stringify(body) }) });
const statusOf = async (url: string): Promise<number> => {
  const answer = await fetch(url);
  await answer.arrayBuffer();
  return answer.status;
};

describe('starting', () => {
  test('[HT16] a node beyond this machine does not start, and with --insecure it does and says so', async () => {
    await expect(nodes.open({ listen: '0.0.0.0:0' })).rejects.toMatchObject({ code: 'CONFIG_INSECURE' });
    const node = await nodes.open({ listen: '0.0.0.0:0', insecure: true });
    expect(await (await fetch(`${node.url}/v1/_cluster`)).json()).toMatchObject({ insecure: true });
  });

  test('[HT20] a taken port and a taken directory are told, and the directory is free again', async () => {
    const data = nodes.directory();
    const first = await nodes.open({ data });
    await expect(nodes.open({ data })).rejects.toMatchObject({ code: 'STORAGE_IN_USE' });
    const other = nodes.directory();
    const listen = first.url.slice('http://'.length);
    await expect(nodes.open({ data: other, listen })).rejects.toMatchObject({
      code: 'CONFIG_LISTEN_FAILED',
      details: { field: 'listen' },
    });
    await (await nodes.open({ data: other })).close();
  });

  test('[HT16] with certificate and token a node serves TLS to those who have the token', async () => {
    const certificate = createCertificate(nodes.directory());
    const adminTokenFile = `${certificate.tlsKey}-token`;
    writeFileSync(adminTokenFile, 'a-token-of-enough-bytes\n');
    const node = await nodes.open({ ...certificate, adminTokenFile });
    expect(node.url).toMatch(/^https:/);
    const get = (path: string, headers = {}): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        const options = { rejectUnauthorized: false, headers, agent: false };
        const call = httpsRequest(`${node.url}${path}`, options, (answer) => resolve(answer.resume().statusCode));
        call.once('error', reject).end();
      });
    expect(await get('/v1')).toBe(401);
    expect(await get('/livez')).toBe(200);
    expect(await get('/v1', { authorization: 'Bearer a-token-of-enough-bytes' })).toBe(200);
  });
});

describe('draining', () => {
  test('[HT15] requests in flight finish, new ones are refused, and everything acknowledged is there after the next start', async () => {
    const data = nodes.directory();
    const node = await nodes.open({ data });
    await put(node, '/v1/app');
    const outgoing = httpRequest(`${node.url}/v1/app/c/bulk`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
    });
    outgoing.write('{"id":"before","doc":{}}\n');
    const answer = await new Promise<Readable>((resolve) => outgoing.once('response', resolve));
    const chunks = answer.setEncoding('utf8')[Symbol.asyncIterator]() as AsyncIterator<string>;
    expect((await chunks.next()).value).toContain('201');
    const closed = node.close();
    await waitFor(async () => (await statusOf(`${node.url}/readyz`)) === 503);
    expect(await statusOf(`${node.url}/readyz?drain=404`)).toBe(404);
    expect(await statusOf(`${node.url}/livez`)).toBe(200);
    const refused = await put(node, '/v1/app/c/docs/late', {});
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
    await refused.arrayBuffer();
    outgoing.end('{"id":"during","doc":{}}\n');
    expect((await chunks.next()).value).toContain('"id":"during","status":201');
    await closed;
    await expect(fetch(`${node.url}/livez`)).rejects.toThrow();
    const again = await nodes.open({ data });
    expect(await statusOf(`${again.url}/v1/app/c/docs/before`)).toBe(200);
    expect(await statusOf(`${again.url}/v1/app/c/docs/during`)).toBe(200);
    expect(await statusOf(`${again.url}/v1/app/c/docs/late`)).toBe(404);
  });

  test('[HT15] a drain delay keeps serving while readiness fails', async () => {
    const node = await nodes.open({ drainMs: 1500 });
    await put(node, '/v1/app');
    const closed = node.close();
    expect(await statusOf(`${node.url}/readyz`)).toBe(503);
    expect((await put(node, '/v1/app/c/docs/a', {})).status).toBe(201);
    await closed;
  });

  test('[HT15] idle connections do not hold a node up, and closing twice is one close', async () => {
    const node = await nodes.open();
    const { hostname, port } = new URL(node.url);
    const idle = connect(Number(port), hostname);
    await new Promise((resolve) => idle.once('connect', resolve));
    await fetch(`${node.url}/livez`);
    const started = Date.now();
    await Promise.all([node.close(), node.close()]);
    expect(Date.now() - started).toBeLessThan(3000);
    idle.destroy();
  });
});

describe('draining with clients that do not finish', () => {
  // Nothing here ends by the limit of requests: only the grace of draining can end it.
  const PATIENT = { requestMs: 600_000 };

  /** Sends five bytes of a body, once the node has the head. */
  async function beginPut(node: AtollNode, length: number) {
    const headers = { ...JSON_BODY, 'content-length': length, expect: '100-continue' };
    const request = httpRequest(`${node.url}/v1/app/c/docs/half`, { method: 'PUT', headers });
    const answered = new Promise<{ statusCode: number | undefined; headers: IncomingHttpHeaders; body: string }>(
      (resolve) =>
        request.once('response', (answer) => {
          answer
            .setEncoding('utf8')
            .on('data', (body: string) => resolve({ statusCode: answer.statusCode, headers: answer.headers, body }));
        }),
    );
    request.on('error', () => {}).flushHeaders();
    await new Promise((resolve) => request.once('continue', resolve));
    request.write('{"a":');
    return { request, answered };
  }

  test('[HT15] a request whose body does not arrive is answered with 503 and does not hold the node up', async () => {
    const node = await nodes.open(PATIENT);
    await put(node, '/v1/app');
    const half = await beginPut(node, 100);
    await node.close();
    const { statusCode, headers, body } = await half.answered;
    expect([statusCode, (JSON.parse(body) as { code: string }).code]).toEqual([503, 'HTTP_DRAINING']);
    expect(headers.connection).toBe('close');
  });

  test('[HT15] a body that arrives within the grace is served', async () => {
    const node = await nodes.open(PATIENT);
    await put(node, '/v1/app');
    const half = await beginPut(node, 7);
    const closed = node.close();
    await waitFor(async () => (await statusOf(`${node.url}/readyz`)) === 503);
    half.request.end('1}');
    expect((await half.answered).statusCode).toBe(201);
    await closed;
  });

  test('[HT15] a bulk request that stalls is ended, and what it was told is kept', async () => {
    const data = nodes.directory();
    const node = await nodes.open({ ...PATIENT, data });
    await put(node, '/v1/app');
    const outgoing = httpRequest(`${node.url}/v1/app/c/bulk`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
    });
    outgoing.on('error', () => {});
    outgoing.write('{"id":"told","doc":{}}\n{"id":"cut","do');
    const answer = await new Promise<Readable>((resolve) => outgoing.once('response', resolve));
    const chunks = answer.setEncoding('utf8')[Symbol.asyncIterator]() as AsyncIterator<string>;
    expect((await chunks.next()).value).toContain('"id":"told","status":201');
    const broken = expect(chunks.next()).rejects.toThrow();
    await node.close();
    await broken;
    const again = await nodes.open({ data });
    expect(await statusOf(`${again.url}/v1/app/c/docs/told`)).toBe(200);
    expect(await statusOf(`${again.url}/v1/app/c/docs/cut`)).toBe(404);
  });

  test.each(['GET /livez HTT', ''])('[HT15] a connection that sent only %j is closed', async (sent) => {
    const node = await nodes.open(PATIENT);
    const { hostname, port } = new URL(node.url);
    const socket = connect(Number(port), hostname);
    await new Promise((resolve) => socket.once('connect', resolve));
    socket.write(sent);
    await node.close();
    await new Promise((resolve) => (socket.closed ? resolve(null) : socket.once('close', resolve).resume()));
  });

  test('[HT15] a connection in the middle of its TLS handshake is closed', async () => {
    const node = await nodes.open({ ...PATIENT, ...createCertificate(nodes.directory()) });
    const { hostname, port } = new URL(node.url);
    const socket = connect(Number(port), hostname);
    await new Promise((resolve) => socket.once('connect', resolve));
    await node.close();
    await new Promise((resolve) => (socket.closed ? resolve(null) : socket.once('close', resolve).resume()));
  });
});

describe('peers', () => {
  let a: AtollNode;
  let b: AtollNode;
  beforeAll(async () => {
    a = await nodes.open({ name: 'a' });
    b = await nodes.open({ name: 'b', join: [a.url] });
  });

  const digest = async (node: AtollNode): Promise<DigestAnswer | null> => {
    const answer = await fetch(`${node.url}/v1/shared/_digest`);
    return answer.ok ? ((await answer.json()) as DigestAnswer) : null;
  };

  test('[HT19] nodes that join over /sync hold each other’s writes, and digests agree', async () => {
    await put(a, '/v1/shared');
    await put(a, '/v1/shared/c/docs/from-a', { by: 'a' });
    await waitFor(async () => (await statusOf(`${b.url}/v1/shared/c/docs/from-a`)) === 200);
    await put(b, '/v1/shared/c/docs/from-b', { by: 'b' });
    await waitFor(async () => (await statusOf(`${a.url}/v1/shared/c/docs/from-b`)) === 200);
    await waitFor(async () => (await digest(a))?.digest === (await digest(b))?.digest);
    expect((await digest(a))?.documents).toBe(2);
    const [left, right] = await Promise.all([a, b].map((node) => fetch(`${node.url}/v1/shared/c/docs/from-b`)));
    expect(left!.headers.get('etag')).toBe(right!.headers.get('etag'));
  });

  test('[HT14] the cluster shows members, links and their lag', async () => {
    const status = (await (await fetch(`${a.url}/v1/_cluster`)).json()) as {
      members: { name: string; linked: boolean }[];
      links: { state: string; lag: { entries: number; bytes: number; seconds: number } }[];
    };
    expect(status.members.map(({ name }) => name).sort()).toEqual(['a', 'b']);
    expect(status.members.every(({ linked }) => linked)).toBe(true);
    expect(status.links[0]).toMatchObject({ state: 'live', lag: { entries: expect.any(Number) as number } });
  });

  test('[HT13] values that lost are answered with their node', async () => {
    await put(a, '/v1/shared/c/docs/contested', { v: 0 });
    await waitFor(async () => (await statusOf(`${b.url}/v1/shared/c/docs/contested`)) === 200);
    for (let round = 1; round <= 50; round++) {
      await Promise.all([a, b].map((node) => put(node, '/v1/shared/c/docs/contested', { v: `${node.node}${round}` })));
      const answer = await fetch(`${a.url}/v1/shared/c/docs/contested/conflicts`);
      const { conflicts } = (await answer.json()) as {
        conflicts: { path: string; shown: string; others: { value: string; at: string; replica: string }[] }[];
      };
      if (conflicts.length === 0) continue;
      expect(conflicts[0]).toMatchObject({ path: '/v', shown: expect.any(String) as string });
      const other = conflicts[0]!.others[0]!;
      expect(other.value.startsWith(other.replica)).toBe(true);
      expect(Math.abs(Date.parse(other.at) - Date.now())).toBeLessThan(60_000);
      expect((await fetch(`${a.url}/v1/shared/c/docs/contested`)).headers.get('atoll-conflicts')).toBe('1');
      return;
    }
    expect.fail('no two writes crossed in 50 rounds');
  });

  test('[HT14] a node whose peer is away stays ready', async () => {
    const lonely = await nodes.open({ join: ['http://127.0.0.1:1'] });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await statusOf(`${lonely.url}/readyz`)).toBe(200);
    await put(lonely, '/v1/app');
    expect((await put(lonely, '/v1/app/c/docs/a', {})).status).toBe(201);
  });

  test('[HT19] pages of elsewhere and other paths may not upgrade', async () => {
    const open = (path: string, headers = {}): Promise<number> =>
      new Promise((resolve) => {
        const socket = new WebSocket(`${a.url.replace('http', 'ws')}${path}`, { headers });
        socket.on('unexpected-response', (_request, answer) => resolve(answer.statusCode!));
        socket.on('open', () => {
          resolve(101);
          socket.close();
        });
        socket.on('error', () => {});
      });
    expect(await open('/sync')).toBe(101);
    expect(await open('/sync', { origin: 'https://evil.example' })).toBe(403);
    expect(await open('/sync', { origin: 'null' })).toBe(403);
    expect(await open('/nowhere')).toBe(404);
    expect(await open('/v1/shared')).toBe(404);
    const odd = await sendRaw(a.url, [
      'GET /v1 HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n',
    ]);
    expect(odd.status).toBe(404);
    const noKey = await sendRaw(a.url, [
      'GET /sync HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
    ]);
    expect(noKey.status).toBe(400);
    expect(await statusOf(`${a.url}/livez`)).toBe(200);
  });
});

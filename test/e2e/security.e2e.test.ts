import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import { AccessControl, hashToken } from '../../server/http/auth.ts';
import type { HttpContext } from '../../server/http/context.ts';
import { OriginPolicy } from '../../server/http/origin.ts';
import { UpgradeDoors } from '../../server/http/upgrade.ts';
import type { AtollNode } from '../../server/index.ts';
import { openTestApp, type TestApp } from '../helper/http-app.ts';
import { sendRaw } from '../helper/raw-http.ts';
import { createTestNodes, waitFor } from '../helper/test-node.ts';

const nodes = createTestNodes();
let node: AtollNode;
beforeAll(async () => {
  node = await nodes.open();
  await fetch(`${node.url}/v1/app`, { method: 'PUT' });
});
afterAll(() => nodes.close());

const isAlive = async (): Promise<boolean> => (await fetch(`${node.url}/livez`)).ok;

/** Opens a websocket; the status when it is refused. */
function knock(
  url: string,
  protocols: string[] = [],
  headers: Record<string, string> = {},
): Promise<WebSocket | number> {
  return new Promise((resolve) => {
    const socket = new WebSocket(url.replace(/^http/, 'ws'), protocols, { headers });
    socket.once('open', () => resolve(socket));
    socket.once('unexpected-response', (_request, answer) => resolve(answer.resume().statusCode!));
    socket.on('error', () => {});
  });
}

describe('websockets of nodes', () => {
  test('[SY4] a message that is larger than any frame closes its connection, and the node lives', async () => {
    const socket = (await knock(`${node.url}/sync`)) as WebSocket;
    const closed = once(socket, 'close') as Promise<[number]>;
    socket.send(Buffer.alloc(2 * 1_048_576));
    expect((await closed)[0]).toBe(1009);
    expect(await isAlive()).toBe(true);
  });

  test('[SY15] whoever says anything but a proof first is closed, and nothing is taken from it', async () => {
    const digest = async (): Promise<unknown> => (await fetch(`${node.url}/v1/app/_digest`)).json();
    const before = await digest();
    for (const message of [Buffer.alloc(0), Buffer.alloc(2000, 1), 'text', Buffer.from('{"type":"batch"}')]) {
      const socket = (await knock(`${node.url}/sync`)) as WebSocket;
      const closed = once(socket, 'close') as Promise<[number]>;
      socket.send(message);
      expect((await closed)[0]).toBeGreaterThanOrEqual(4000);
    }
    expect(await digest()).toEqual(before);
  });
});

describe('doors', () => {
  let server: Server;
  let app: TestApp;
  let doors: UpgradeDoors;
  let url: string;
  const token = 'a-token-from-a-file';

  beforeAll(async () => {
    app = await openTestApp();
    const settings = { insecure: false, isExposed: false, requestsPerSecond: 0 };
    const access = new AccessControl(
      { ...settings, adminTokenHash: hashToken(token) },
      app.context.replica.accessTokens,
    );
    const origins = new OriginPolicy({ allowedOrigins: ['https://app.example'], allowedHosts: [] });
    const context: HttpContext = { ...app.context, access, origins };
    server = createServer();
    doors = new UpgradeDoors(server, context);
    const common = { origins: 'checked', connectionsMax: 2, payloadMax: 1000, open: () => {} } as const;
    doors.add({ ...common, path: '/rooms/:db/:id', access: 'write' });
    doors.add({ ...common, path: '/legacy/:db', access: 'read', takesTokenInQuery: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(async () => {
    await doors.close(0);
    server.close();
    await app.close();
  });

  test('[AC1] [AC5] an upgrade without a valid token is a 401 with a challenge, and nothing is opened', async () => {
    expect(await knock(`${url}/rooms/app/a`)).toBe(401);
    expect(await knock(`${url}/rooms/app/a`, [], { authorization: 'Bearer wrong' })).toBe(401);
    expect(await knock(`${url}/rooms/app/a`, ['rooms', 'bearer.wrong'])).toBe(401);
    // The address of a request is in logs of proxies and in histories of browsers.
    expect(await knock(`${url}/rooms/app/a?token=${token}`)).toBe(401);
    const bare = await sendRaw(url, [
      'GET /rooms/app/a HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
    ]);
    expect(bare.head).toMatch(/www-authenticate: Bearer realm="atoll"/i);
  });

  test('[AC1] a token in a header, as a subprotocol, or in the query of a door that says so, lets in', async () => {
    const opened = [
      await knock(`${url}/rooms/app/a`, [], { authorization: `Bearer ${token}` }),
      await knock(`${url}/rooms/app/a`, ['rooms', `bearer.${token}`]),
      await knock(`${url}/legacy/app?token=${token}`),
    ] as WebSocket[];
    expect(opened.map((socket) => socket.readyState)).toEqual([1, 1, 1]);
    expect(opened[1]!.protocol).toBe('rooms');
    // One more than the door takes.
    expect(await knock(`${url}/rooms/app/a`, [], { authorization: `Bearer ${token}` })).toBe(503);
    for (const socket of opened) socket.terminate();
  });

  test('[AC7] a page of another origin is refused, token or not, and an allowed one is let in', async () => {
    const headers = { authorization: `Bearer ${token}` };
    expect(await knock(`${url}/rooms/app/a`, [], { ...headers, origin: 'https://evil.example' })).toBe(403);
    expect(await knock(`${url}/rooms/app/a`, [], { ...headers, origin: 'null' })).toBe(403);
    await waitFor(async () => {
      const socket = await knock(`${url}/rooms/app/a`, [], { ...headers, origin: 'https://app.example' });
      if (typeof socket === 'number') return false;
      socket.terminate();
      return true;
    });
  });

  test('[HT4] segments of a door are decoded once, and one that is not UTF-8 is a 400', async () => {
    expect(await knock(`${url}/rooms/app/%ff`, [], { authorization: `Bearer ${token}` })).toBe(400);
    expect(await knock(`${url}/rooms/app/a/b`, [], { authorization: `Bearer ${token}` })).toBe(404);
  });
});

describe('addresses of peers', () => {
  test('[SY27] only websocket and HTTP addresses are dialed, redirects are not followed, and nobody is asked before', async () => {
    const hits: string[] = [];
    const inner = createServer((request, response) => {
      hits.push(`inner ${request.url}`);
      response.end();
    });
    inner.on('upgrade', (request, socket) => {
      hits.push(`inner ${request.url}`);
      socket.destroy();
    });
    inner.listen(0, '127.0.0.1');
    await once(inner, 'listening');
    const target = `http://127.0.0.1:${(inner.address() as AddressInfo).port}`;
    const outer = createServer();
    outer.on('upgrade', (_request, socket) => {
      hits.push('outer');
      socket.end(`HTTP/1.1 302 Found\r\nlocation: ${target}/secret\r\ncontent-length: 0\r\n\r\n`);
    });
    outer.listen(0, '127.0.0.1');
    await once(outer, 'listening');
    const join = (url: unknown): Promise<Response> =>
      fetch(`${node.url}/v1/_cluster/members`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ url }),
      });
    for (const url of ['file:///etc/passwd', 'gopher://x', `${target}/?a=b`, 'http://user:word@127.0.0.1/', '//x', 7]) {
      expect([url, (await join(url)).status]).toEqual([url, 400]);
    }
    expect((await join(`http://127.0.0.1:${(outer.address() as AddressInfo).port}`)).status).toBe(202);
    await waitFor(() => hits.length >= 2);
    expect(new Set(hits)).toEqual(new Set(['outer']));
    outer.close();
    inner.close();
  });
});

describe('streams', () => {
  test('[AC11] a feed ends within seconds when its token is revoked', async () => {
    const own = await nodes.open();
    const send = (method: string, path: string, token: string | null, body?: object): Promise<Response> =>
      fetch(own.url + path, {
        method,
        headers: {
          ...(token !== null && { authorization: `Bearer ${token}` }),
          ...(body && { 'content-type': 'application/json' }),
        },
        ...(body && { body: JSON.stringify(body) }),
      });
    const made = async (by: string | null, body: object): Promise<{ token: string; id: string }> =>
      (await (await send('POST', '/v1/_admin/tokens', by, body)).json()) as { token: string; id: string };
    const root = await made(null, { role: 'admin' });
    const reader = await made(root.token, { role: 'read', databases: ['app'] });
    await send('PUT', '/v1/app', root.token);
    const feed = await send('GET', '/v1/app/_changes', reader.token);
    expect(feed.status).toBe(200);
    const ended = (async (): Promise<string> => {
      try {
        for await (const _chunk of feed.body!);
        return 'ended';
      } catch {
        return 'cut';
      }
    })();
    expect((await send('DELETE', `/v1/_admin/tokens/${reader.id}`, root.token)).status).toBe(204);
    expect(['ended', 'cut']).toContain(await ended);
    expect((await send('GET', '/v1/app', reader.token)).status).toBe(401);
  });
});

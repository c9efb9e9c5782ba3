import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AtollNode } from '../../server/index.ts';
import { sendRaw } from '../helper/raw-http.ts';
import { createTestNodes, waitFor } from '../helper/test-node.ts';

const nodes = createTestNodes();
let node: AtollNode;

beforeAll(async () => {
  node = await nodes.open({ requestMs: 400 });
  await fetch(`${node.url}/v1/app`, { method: 'PUT' });
});
afterAll(() => nodes.close());

const isAlive = async (): Promise<void> => {
  const answer = await fetch(`${node.url}/livez`);
  expect(answer.status).toBe(200);
  await answer.arrayBuffer();
};

function codeOf(body: string): string {
  return (JSON.parse(body) as { code: string }).code;
}

test('[HT6] as many connections as the limit are served, one more is closed, and there is room again when one goes', async () => {
  const connections = 5;
  const small = await nodes.open({ connections });
  const { hostname, port } = new URL(small.url);
  const sockets: { readonly socket: Socket; text: string; isClosed: boolean }[] = [];
  const open = (): void => {
    const socket = connect(Number(port), hostname);
    const each = { socket, text: '', isClosed: false };
    socket.on('data', (chunk: Buffer) => (each.text += chunk.toString()));
    socket.on('close', () => (each.isClosed = true)).on('error', () => undefined);
    socket.write('GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
    sockets.push(each);
  };
  const isServed = ({ text }: { readonly text: string }): boolean => text.startsWith('HTTP/1.1 200');
  for (let i = 0; i < connections; i++) open();
  await waitFor(() => sockets.every(isServed));
  open();
  await waitFor(() => sockets.at(-1)!.isClosed);
  expect([sockets.at(-1)!.text, sockets.filter(({ isClosed }) => isClosed).length]).toEqual(['', 1]);
  sockets[0]!.socket.destroy();
  await waitFor(async () => {
    open();
    const last = sockets.at(-1)!;
    await waitFor(() => last.isClosed || isServed(last));
    return isServed(last);
  });
  for (const { socket } of sockets) socket.destroy();
});

test.each([5_000, 100_000])('[HT6] a body nested %d deep is a 400 with the name of the limit', async (depth) => {
  const bodies = ['{"a":'.repeat(depth) + '1' + '}'.repeat(depth), `{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`];
  for (const body of bodies) {
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(`${node.url}/v1/app/x/docs/deep`, { method: 'PUT', headers, body });
    expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([400, 'CRDT_LIMIT_EXCEEDED']);
  }
  await isAlive();
});

describe('bytes on the socket', () => {
  test.each(['.', '..', '%2e%2e%2f%2e%2e%2fetc', '..%2F..%2Fetc%2Fpasswd'])(
    '[HT4] the id %s is data',
    async (segment) => {
      const url = `/v1/app/ids/docs/${segment}`;
      const body = '{"dots":true}';
      const head = `content-type: application/json\r\ncontent-length: ${body.length}\r\nhost: localhost\r\n\r\n`;
      const put = await sendRaw(node.url, [`PUT ${url} HTTP/1.1\r\n${head}${body}`]);
      expect(put.status).toBe(201);
      expect((JSON.parse(put.body) as { id: string }).id).toBe(decodeURIComponent(segment));
      const get = await sendRaw(node.url, [`GET ${url} HTTP/1.1\r\nhost: localhost\r\n\r\n`]);
      expect([get.status, get.body]).toEqual([200, body]);
    },
  );

  test('[HT4] raw bytes beyond ASCII in a URL are a 400, not another id', async () => {
    const answer = await sendRaw(node.url, [
      Buffer.from('GET /v1/app/c/docs/\xe4 HTTP/1.1\r\nhost: localhost\r\n\r\n', 'latin1'),
    ]);
    expect([answer.status, codeOf(answer.body)]).toEqual([400, expect.stringMatching(/^HTTP_/) as string]);
    await isAlive();
  });

  test('[HT4] a fragment in a URL is a 400, not a shorter id', async () => {
    const answer = await sendRaw(node.url, ['GET /v1/app/c/docs/a#b HTTP/1.1\r\nhost: localhost\r\n\r\n']);
    expect([answer.status, codeOf(answer.body)]).toEqual([400, 'HTTP_URL_INVALID']);
  });

  test.each([
    ['not HTTP', 'hello\r\n\r\n', 400, 'HTTP_REQUEST_MALFORMED'],
    ['a bad version', 'GET / HTTP/9.9\r\n\r\n', 400, 'HTTP_REQUEST_MALFORMED'],
    ['two lengths', 'PUT / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n', 400, 'HTTP_REQUEST_MALFORMED'],
    [
      'length and chunks',
      'PUT / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n',
      400,
      'HTTP_REQUEST_MALFORMED',
    ],
    ['headers of 20 KiB', `GET / HTTP/1.1\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`, 431, 'HTTP_HEADERS_TOO_LARGE'],
    [
      'a URL of 20 KiB',
      `GET /v1/${'x'.repeat(20_000)} HTTP/1.1\r\nhost: localhost\r\n\r\n`,
      431,
      'HTTP_HEADERS_TOO_LARGE',
    ],
  ])('[HT5] %s is a problem, and the connection ends', async (_name, bytes, status, code) => {
    const answer = await sendRaw(node.url, [bytes]);
    expect(answer.head).toMatch(/content-type: application\/problem\+json/i);
    expect([answer.status, codeOf(answer.body)]).toEqual([status, code]);
    await isAlive();
  });

  test.each([
    ['no Host', 'GET /livez HTTP/1.1\r\n\r\n', 400, 'HTTP_HEADER_INVALID'],
    ['a broken Host', 'GET /livez HTTP/1.1\r\nhost: a b\r\n\r\n', 400, 'HTTP_HEADER_INVALID'],
    ['two Hosts', 'GET /livez HTTP/1.1\r\nhost: localhost\r\nHost: y\r\n\r\n', 400, 'HTTP_HEADER_INVALID'],
    [
      'an unknown Expect',
      'GET /livez HTTP/1.1\r\nhost: localhost\r\nexpect: tea\r\n\r\n',
      417,
      'HTTP_EXPECTATION_FAILED',
    ],
    ['a proxy request', 'CONNECT example.org:443 HTTP/1.1\r\nhost: example.org\r\n\r\n', 400, 'HTTP_REQUEST_MALFORMED'],
  ])('[HT5] %s is a problem that says which header', async (_name, bytes, status, code) => {
    const answer = await sendRaw(node.url, [bytes]);
    expect([answer.status, codeOf(answer.body)]).toEqual([status, code]);
    expect(answer.head).toMatch(/content-type: application\/problem\+json/i);
    const [field] = (JSON.parse(answer.body) as { errors?: { parameter: string }[] }).errors ?? [];
    expect(field?.parameter).toBe({ HTTP_HEADER_INVALID: 'Host', HTTP_EXPECTATION_FAILED: 'Expect' }[code]);
    await isAlive();
  });

  test('[HT5] HTTP/1.0 needs no Host, and an expected 100 is sent', async () => {
    expect((await sendRaw(node.url, ['GET /livez HTTP/1.0\r\n\r\n'])).status).toBe(200);
    const head = 'PUT /v1/app/c/docs/expect HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n';
    const answer = await sendRaw(
      node.url,
      [`${head}connection: close\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n`, '{}'],
      20,
    );
    expect(answer.head).toMatch(/^HTTP\/1\.1 100 /);
    expect(await (await fetch(`${node.url}/v1/app/c/docs/expect`)).text()).toBe('{}');
  });

  test('[HT5] a body that is too large gets its answer, whether its length was told or not', async () => {
    const large = 'x'.repeat(10_000_000);
    const headers = { 'content-type': 'application/json' };
    const told = await fetch(`${node.url}/v1/app/c/docs/a`, { method: 'PUT', body: `{"a":"${large}"}`, headers });
    expect([told.status, codeOf(await told.text())]).toEqual([413, 'HTTP_BODY_TOO_LARGE']);
    const size = (2_000_000).toString(16);
    const chunk = `${size}\r\n${'x'.repeat(2_000_000)}\r\n0\r\n\r\n`;
    const head =
      'PUT /v1/app/c/docs/a HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n';
    const untold = await sendRaw(node.url, [head, chunk]);
    expect([untold.status, codeOf(untold.body)]).toEqual([413, 'HTTP_BODY_TOO_LARGE']);
    expect((await fetch(`${node.url}/v1/app/c/docs/a`)).status).toBe(404);
  });

  test('[HT6] a body that drips is a 408', async () => {
    const head =
      'PUT /v1/app/c/docs/a HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n';
    const answer = await sendRaw(node.url, [head, ...'{"a":"bcdefghijkl'], 60);
    expect([answer.status, codeOf(answer.body)]).toEqual([408, 'HTTP_REQUEST_TIMEOUT']);
    await isAlive();
  });

  test('[HT6] a head that drips is a 408', async () => {
    const answer = await sendRaw(node.url, [...'GET /livez HTTP/1.1\r\nx: y'], 60);
    expect([answer.status, codeOf(answer.body)]).toEqual([408, 'HTTP_REQUEST_TIMEOUT']);
    await isAlive();
  });

  test('[HT5] several requests in one piece are answered in order', async () => {
    const get = 'GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n';
    expect((await sendRaw(node.url, [get + get + get])).status).toBe(200);
  });
});

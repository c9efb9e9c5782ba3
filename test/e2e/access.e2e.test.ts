import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import type { NewAccessTokenAnswer } from '../../server/api/index.ts';
import { createCertificate, type Certificate } from '../helper/certificate.ts';
import { createTestNodes, waitFor } from '../helper/test-node.ts';
import { Leftovers } from './cli-process.ts';

const nodes = createTestNodes();
const leftovers = new Leftovers();
afterAll(async () => {
  await nodes.close();
  await leftovers.clear();
});

interface Answer {
  readonly status: number;
  readonly text: string;
}

/** A request over TLS that trusts `ca` only. */
function send(url: string, ca: string, method: string, token: string | null, body?: object): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = {
      ...(token !== null && { authorization: `Bearer ${token}` }),
      ...(body && { 'content-type': 'application/json' }),
    };
    const call = request(url, { method, ca: readFileSync(ca), headers, agent: false }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      answer.on('end', () => resolve({ status: answer.statusCode!, text }));
    });
    call.once('error', reject).end(body === undefined ? undefined : JSON.stringify(body));
  });
}

function secretFile(text: string): string {
  const path = nodes.directory();
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${text}\n`);
  return path;
}

const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });

/** What an upgrade is answered: `open`, or the status. */
function upgrade(url: string, headers: Record<string, string>, ca?: Certificate): Promise<string | number> {
  return new Promise((resolve) => {
    const options = { headers, ...(ca && { ca: readFileSync(ca.tlsCert) }) };
    const socket = new WebSocket(url.replace(/^http/, 'ws'), options);
    socket.once('open', () => {
      resolve('open');
      socket.terminate();
    });
    socket.once('unexpected-response', (_request, answer) => {
      resolve(answer.statusCode!);
      answer.resume();
      socket.terminate();
    });
    socket.on('error', () => resolve('broken'));
  });
}

describe('a cluster over TLS', () => {
  test('[AC8] [AC3] nodes link over wss, and a token made or revoked on one holds on the other without a restart', async () => {
    const certificate = createCertificate(nodes.directory());
    const common = {
      ...certificate,
      tlsCa: certificate.tlsCert,
      clusterSecretFile: secretFile('a secret that all members share'),
      adminTokenFile: secretFile('a-token-of-enough-bytes'),
    };
    const admin = 'a-token-of-enough-bytes';
    const first = await nodes.open({ ...common, name: 'n1' });
    const second = await nodes.open({ ...common, name: 'n2', join: [first.url] });
    const call = (node: { url: string }, path: string, method: string, token: string | null, body?: object) =>
      send(`${node.url}${path}`, certificate.tlsCert, method, token, body);
    await waitFor(() => second.replica.status().members.some(({ name, linked }) => name === 'n1' && linked));
    expect(second.replica.status().links[0]!.url).toMatch(/^https:/);
    const made = await call(first, '/v1/_admin/tokens', 'POST', admin, { role: 'read', name: 'reader' });
    const { token, id } = JSON.parse(made.text) as NewAccessTokenAnswer;
    await waitFor(async () => (await call(second, '/v1', 'GET', token)).status === 200);
    expect((await call(second, '/v1/app', 'PUT', token)).status).toBe(403);
    expect((await call(second, `/v1/_admin/tokens/${id}`, 'DELETE', admin)).status).toBe(204);
    expect((await call(second, '/v1', 'GET', token)).status).toBe(401);
    await waitFor(async () => (await call(first, '/v1', 'GET', token)).status === 401);
  });

  test('[AC8] a node that trusts others does not link, and one with another secret is refused', async () => {
    const certificate = createCertificate(nodes.directory());
    const stranger = createCertificate(nodes.directory());
    const secret = secretFile('a secret that all members share');
    const first = await nodes.open({ ...certificate, tlsCa: certificate.tlsCert, clusterSecretFile: secret });
    const trusting = { ...stranger, tlsCa: stranger.tlsCert, clusterSecretFile: secret, join: [first.url] };
    const second = await nodes.open(trusting);
    const errorOf = (node: typeof second): string => node.replica.status().dials[0]?.lastError ?? '';
    await waitFor(() => /self-signed|certificate/.test(errorOf(second)));
    const other = { ...certificate, tlsCa: certificate.tlsCert, clusterSecretFile: secretFile('quite another secret') };
    const third = await nodes.open({ ...other, join: [first.url] });
    await waitFor(() => third.replica.status().dials[0]?.state === 'stopped');
    expect(first.replica.status().members.filter(({ linked, self }) => linked && !self)).toEqual([]);
  });

  test('[AC8] with mutual TLS a peer without a certificate that is vouched for is refused before its first message', async () => {
    const certificate = createCertificate(nodes.directory());
    const common = { ...certificate, tlsCa: certificate.tlsCert, mutualTls: true };
    const first = await nodes.open({ ...common, name: 'n1' });
    const second = await nodes.open({ ...common, name: 'n2', join: [first.url] });
    await waitFor(() => second.replica.status().members.some(({ name, linked }) => name === 'n1' && linked));
    expect(await upgrade(`${first.url}/sync`, {}, certificate)).toBe(403);
    const { mutualTls: _without, ...plain } = common;
    const third = await nodes.open({ ...plain, name: 'n3', join: [first.url] });
    await waitFor(() => /403/.test(third.replica.status().dials[0]?.lastError ?? ''));
    // Clients need none.
    expect((await send(`${first.url}/v1`, certificate.tlsCert, 'GET', null)).status).toBe(200);
  });
});

describe('starting', () => {
  test('[AC4] the first start beyond this machine shows a token once, on standard error, and it works', async () => {
    const certificate = createCertificate(nodes.directory());
    const data = join(await leftovers.directory(), 'data');
    const args = ['start', '--data', data, '--listen', '0.0.0.0:0', '--tls-cert', certificate.tlsCert];
    args.push('--tls-key', certificate.tlsKey, '--cluster-secret-file', secretFile('a secret that all members share'));
    const first = leftovers.spawn(args);
    const { url } = await first.next<{ url: string }>();
    expect((await send(`${url}/v1`, certificate.tlsCert, 'GET', null)).status).toBe(401);
    const { stderr } = await first.stop();
    const [token, ...more] = stderr.match(/atoll_[0-9a-f]{16}_[0-9a-f]{48}/g) ?? [];
    expect(more).toEqual([]);
    expect(token).toBeDefined();
    // Not in the log, which others may read.
    const logged = stderr.split('\n').filter((line) => line.startsWith('{'));
    expect(logged.length).toBeGreaterThan(0);
    expect(logged.join('\n')).not.toContain(token);
    const second = leftovers.spawn(args);
    const again = await second.next<{ url: string }>();
    expect((await send(`${again.url}/v1/app`, certificate.tlsCert, 'PUT', token!)).status).toBe(201);
    expect((await second.stop()).stderr).not.toContain('atoll_');
  });
});

describe('logs', () => {
  test('[AC10] [OB2] nothing secret is logged by linked nodes at the highest level, whatever is sent, and metrics tell of the link', async () => {
    const secrets = {
      admin: 'an-admin-token-that-nobody-may-see',
      cluster: 'a-cluster-secret-that-nobody-may-see',
      guess: 'a-wrong-token-that-may-be-a-typo-of-one',
      content: 'content-of-a-document',
      query: 'query-of-a-request',
    };
    const args = ['--log', 'debug', '--slow-ms', '1', '--admin-token-file', secretFile(secrets.admin)];
    const secretArgs = ['--cluster-secret-file', secretFile(secrets.cluster)];
    const first = await leftovers.startNode([...args, ...secretArgs, '--name', 'n1']);
    const type = { 'content-type': 'application/json' };
    const call = (url: string, method: string, path: string, body?: object, extra = {}): Promise<Response> =>
      fetch(url + path, {
        method,
        headers: { ...bearer(secrets.admin), ...(body && type), ...extra },
        ...(body && { body: JSON.stringify(body) }),
      });
    const join = (await (await call(first.url, 'POST', '/v1/_cluster/tokens')).json()) as { token: string };
    const second = await leftovers.startNode([
      ...args,
      '--join',
      first.url,
      '--join-token',
      join.token,
      '--name',
      'n2',
    ]);
    const stranger = await leftovers.startNode([...args, '--join', first.url, '--name', 'n3']);
    const made = await call(first.url, 'POST', '/v1/_admin/tokens', { role: 'write', name: 'x' });
    const { token } = (await made.json()) as NewAccessTokenAnswer;
    await waitFor(async () => (await call(second.url, 'GET', '/v1', undefined, bearer(token))).status === 200);
    const metrics = await (await call(second.url, 'GET', '/metrics')).text();
    expect(metrics).toMatch(/^atoll_peer_connected\{peer="[0-9a-f-]+",name="n1"\} 1$/m);
    expect(metrics).toMatch(/^atoll_peer_lag_seconds\{peer="[0-9a-f-]+",name="n1"\} \d/m);
    // What the first node wrote, the token among it, came here.
    expect(Number(/^atoll_convergence_seconds_count (\d+)$/m.exec(metrics)?.[1])).toBeGreaterThan(0);
    expect(Number(/^atoll_wal_sync_seconds_count (\d+)$/m.exec(metrics)?.[1])).toBeGreaterThan(0);
    await call(first.url, 'PUT', '/v1/app');
    for (const extra of [{}, bearer(token), bearer(secrets.guess)]) {
      await call(first.url, 'PUT', '/v1/app/things/docs/a', { a: secrets.content }, extra);
      await call(first.url, 'GET', `/v1/app/things/docs?prefix=${secrets.query}`, undefined, extra);
      await call(first.url, 'DELETE', `/v1/app/other?token=${token}`, undefined, extra);
    }
    await call(first.url, 'POST', '/v1/app/things/bulk', { a: secrets.content });
    await upgrade(`${first.url}/sync?token=${token}`, bearer(token));
    await upgrade(`${first.url}/elsewhere?token=${token}`, { 'sec-websocket-protocol': `bearer.${token}` });
    await call(first.url, 'DELETE', `/v1/_admin/tokens/${token}`);
    const ends = await Promise.all([first.stop(), second.stop(), stranger.stop()]);
    const logs = ends.map(({ stderr }) => stderr).join('\n');
    // The log is one: what is not secret is in it.
    expect(logs).toContain('"audit":true');
    expect(logs).toContain('slow request');
    expect(logs).toContain('"route":"/v1/:db/:collection/docs/:id"');
    const hidden = { ...secrets, join: join.token, made: token.slice('atoll_'.length + 17) };
    for (const [name, secret] of Object.entries(hidden)) {
      expect([name, logs.includes(secret)]).toEqual([name, false]);
    }
  });
});

describe('websockets', () => {
  test('[AC7] [HT19] pages and unknown paths are refused before the websocket opens', async () => {
    const node = await nodes.open({ allowOrigin: ['https://app.example'] });
    expect(await upgrade(`${node.url}/sync`, {})).toBe('open');
    expect(await upgrade(`${node.url}/sync`, { origin: 'https://evil.example' })).toBe(403);
    expect(await upgrade(`${node.url}/sync`, { origin: 'https://app.example' })).toBe('open');
    expect(await upgrade(`${node.url}/sync`, { host: 'evil.example' })).toBe(403);
    expect(await upgrade(`${node.url}/elsewhere`, {})).toBe(404);
  });
});

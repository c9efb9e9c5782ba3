import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CliError, EXIT, exitCodeOf } from '../../../cli/exit-code.ts';
import { ClientError } from '../../../cli/client.ts';
import { NODE_FLAGS } from '../../../cli/node-flags.ts';
import { FakeNode, runCli } from './fake-node.ts';

const STATUS = {
  node: 'id1',
  name: 'n1',
  url: null,
  failure: null,
  insecure: false,
  dials: [],
  members: [
    { node: 'id1', name: 'n1', url: null, state: 'live', self: true, linked: true, lag: null },
    { node: 'id2', name: 'n2', url: 'http://10.0.0.2:7400', state: 'live', self: false, linked: true, lag: null },
    { node: 'id3', name: 'n3', url: null, state: 'removed', self: false, linked: false, lag: null },
  ],
  links: [
    {
      node: 'id2',
      name: 'n2',
      url: 'http://10.0.0.2:7400',
      direction: 'dialed',
      state: 'live',
      lagging: false,
      lag: { entries: 1234, bytes: 9, seconds: 1.25 },
      roundTripMs: 0.5,
      lastError: null,
    },
  ],
  databases: [
    { name: 'app', documents: 2, bytes: 40, digest: 'abcdef', snapshot: null },
    {
      name: 'big',
      documents: 0,
      bytes: 0,
      digest: '0',
      snapshot: { phase: 'receiving', documents: 1500, documentsTotal: 9000, bytes: 700 },
    },
  ],
  incidents: [{ kind: 'history-lost', subject: '1', message: 'this node had lost records', since: 1, at: 1, count: 2 }],
};
const LAG = { entries: 70, bytes: 7000, seconds: 90 };
const AWAY = { ...STATUS, members: [STATUS.members[0], { ...STATUS.members[1], linked: false, lag: LAG }], links: [] };
const DOCUMENT = {
  'GET /v1/app/people/docs/ada': {
    headers: { etag: '"v1"', 'atoll-conflicts': '1' },
    body: { name: 'Ada', "it's": 1 },
  },
};
const problem = (status: number, code: string, more: object = {}) => ({
  status,
  body: { type: '', title: '', status, code, detail: `it is ${code}`, retryable: false, ...more },
});

let node: FakeNode;
let cut: FakeNode;
beforeAll(async () => {
  node = await FakeNode.open({
    ...DOCUMENT,
    'GET /v1': { body: { databases: [{ name: 'app' }] } },
    'GET /v1/app': {
      body: { name: 'app', documents: 2, bytes: 40, digest: 'abcdef', collections: [{ name: 'people', documents: 2 }] },
    },
    'DELETE /v1/app': { status: 204 },
    'GET /v1/_cluster': { body: STATUS },
    'PUT /v1/app/people/docs/new': (body) => ({ status: 201, body: { id: 'new', etag: `"${body.length}"` } }),
    'POST /v1/app/people/docs': { status: 201, body: { id: 'made', etag: '"1"' } },
    'GET /v1/app/people/docs?limit=1': {
      body: { items: [{ id: 'ada', etag: '"v1"', doc: { n: 1 } }], cursor: 'next' },
    },
    'GET /v1/app/people/docs?limit=1&cursor=next': {
      body: { items: [{ id: 'bob', etag: '"v2"', doc: { n: 2 } }], cursor: null },
    },
    'GET /v1/app/people/docs/calm/conflicts': { body: { conflicts: [] } },
    'GET /v1/app/people/docs/gone': problem(404, 'SYNC_DOCUMENT_NOT_FOUND'),
    'PUT /v1/app/people/docs/deep': problem(400, 'CRDT_LIMIT_EXCEEDED', {
      errors: [{ pointer: '/a/b', detail: 'is too deep', limit: 'depth', max: 64 }],
    }),
    'PUT /v1/app/people/docs/taken': problem(412, 'SYNC_PRECONDITION_FAILED'),
    'PUT /v1/app/people/docs/secret': problem(401, 'HTTP_UNAUTHORIZED'),
  });
  cut = await FakeNode.open({ 'GET /v1/_cluster': { body: AWAY } });
});
afterAll(async () => {
  await node.close();
  await cut.close();
});

const run = async (...args: string[]) => runCli([...args, '--url', node.url]);

test('[CL1] data goes to standard output, everything else to standard error', async () => {
  const found = await run('doc', 'get', 'app/people/ada');
  expect(JSON.parse(found.stdout)).toEqual({ name: 'Ada', "it's": 1 });
  expect(found.stderr).toContain('atoll doc conflicts app/people/ada');
  expect((await run('doc', 'get', 'app/people/ada', '--quiet')).stderr).toBe('');
  const missing = await run('doc', 'get', 'app/people/gone');
  expect(missing).toMatchObject({ code: EXIT.notFound, stdout: '' });
  expect(missing.stderr).toMatch(
    /error: there is no document app\/people\/gone \[SYNC_DOCUMENT_NOT_FOUND\]\n {2}list the documents with: /,
  );
});

test('[CL1] with --json every command writes JSON, and errors are JSON too', async () => {
  expect(JSON.parse((await run('doc', 'get', 'app/people/ada', '--json')).stdout)).toMatchObject({
    id: 'ada',
    etag: '"v1"',
    conflicts: 1,
    doc: { name: 'Ada' },
  });
  expect(JSON.parse((await run('--json', 'db', 'ls')).stdout)).toEqual([
    { name: 'app', collections: 1, documents: 2, bytes: 40 },
  ]);
  expect(JSON.parse((await run('status', '--json')).stdout)).toEqual(STATUS);
  const failed = await run('doc', 'put', 'app/people/deep', '{}', '--json');
  expect(JSON.parse(failed.stderr)).toEqual({
    error: {
      code: 'CRDT_LIMIT_EXCEEDED',
      message: 'it is CRDT_LIMIT_EXCEEDED',
      fields: ['/a/b: is too deep (limit depth: 64)'],
      hint: null,
    },
  });
});

test('[CL2] a terminal gets an aligned table with titles and colours, a pipe gets tab-separated rows', async () => {
  expect((await run('db', 'ls')).stdout).toBe('app\t1\t2\t40\n');
  // No rows are no line, so that a reader of lines sees none.
  expect((await run('doc', 'conflicts', 'app/people/calm')).stdout).toBe('');
  const args = ['db', 'ls', '--url', node.url];
  const terminal = await runCli(args, { terminal: true });
  expect(terminal.stdout).toContain('\u001b[1mDATABASE\u001b[0m  ');
  expect(terminal.stdout.split('\n')[1]).toBe('app       1            2          40');
  expect((await runCli([...args, '--no-color'], { terminal: true })).stdout).not.toContain('\u001b');
  expect((await runCli(args, { terminal: true, env: { NO_COLOR: '1' } })).stdout).not.toContain('\u001b');
});

test('[CL3] exit codes tell usage, missing, precondition, authentication and degradation apart', async () => {
  expect((await run('doc', 'get', 'app/people/gone')).code).toBe(3);
  expect((await run('doc', 'put', 'app/people/taken', '{}')).code).toBe(4);
  expect((await run('doc', 'put', 'app/people/secret', '{}')).code).toBe(7);
  expect((await run('doc', 'put', 'app/people/deep', '{}')).code).toBe(1);
  for (const args of [
    [],
    ['nonsense'],
    ['doc', 'get'],
    ['doc', 'get', 'people'],
    ['doc', 'ls', 'app'],
    ['doc', 'ls', 'app/people', '--limit', 'x'],
    ['db', 'ls', '--nonsense'],
  ]) {
    expect((await run(...args)).code).toBe(2);
  }
  expect((await runCli(['db', 'ls', '--url', 'ftp://x'])).code).toBe(2);
  const gone = await FakeNode.open({});
  const goneUrl = gone.url;
  await gone.close();
  const nobody = await runCli(['db', 'ls', '--url', goneUrl]);
  expect(nobody.code).toBe(1);
  expect(nobody.stderr).toMatch(/no node answers at http:.*ECONNREFUSED.*\n.*atoll dev/);
  expect(exitCodeOf(new ClientError('CLIENT_TIMEOUT', ''))).toBe(6);
  expect(exitCodeOf(new CliError('CLI_FILE', ''))).toBe(1);
  expect(exitCodeOf(new Error('bug'))).toBe(1);
});

test('[CL3] help and version succeed; help begins with examples', async () => {
  for (const args of [
    ['--help'],
    ['doc', '--help'],
    ['import', '--help'],
    ['start', '--help'],
    ['dev', '--help'],
    ['status', '--help'],
    ['verify', '--help'],
    ['export', '--help'],
    ['db', '--help'],
    ['collection', '--help'],
    ['cluster', '--help'],
  ]) {
    const help = await runCli(args);
    expect(help.code).toBe(0);
    expect(help.stdout).toMatch(/^Examples:\n {2}\$ atoll /);
  }
  expect((await runCli(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+/);
  expect((await run('dco')).stderr).toContain('Did you mean doc?');
});

test('[CL5] status shows members, links and lag, and its exit code tells when somebody is away', async () => {
  const well = await run('status');
  expect(well.code).toBe(0);
  expect(well.stdout).toMatch(/node n1 \(id1\)/);
  expect(well.stdout).toContain('n2\tlive\tlive\t1,234 writes\t1.3 s\t0.5 ms');
  expect(well.stdout).not.toContain('n3');
  expect(well.stdout).toContain('this node had lost records (2 times)');
  expect(well.stdout).toMatch(/big is being filled .*: receiving, 1,500 of about 9,000 documents, 700 bytes/);
  const away = await runCli(['status', '--url', cut.url]);
  expect(away.code).toBe(EXIT.degraded);
  expect(away.stdout).toContain('it has no link to n2');
  expect(away.stdout).toContain('n2\tlive\tnone\t70 writes\t90.0 s');
});

test('[CL6] deleting a database or collection needs --yes when nobody can be asked', async () => {
  const refused = await run('db', 'rm', 'app');
  expect(refused.code).toBe(2);
  expect(refused.stderr).toContain('delete database app with 2 documents on every node; repeat the command with --yes');
  expect(node.requests).not.toContain('DELETE /v1/app');
  expect((await run('db', 'rm', 'app', '--yes')).code).toBe(0);
  expect(node.requests).toContain('DELETE /v1/app');
});

test('[CL3] a document is read from the argument or standard input, and bad JSON is explained', async () => {
  expect((await run('doc', 'put', 'app/people/new', '{"a":1}')).stdout).toBe('new created, version "7"\n');
  const piped = await runCli(['doc', 'put', 'app/people/new', '--url', node.url], { stdin: '{"abc":1}' });
  expect(piped.stdout).toBe('new created, version "9"\n');
  expect((await run('doc', 'put', 'app/people', '{"a":1}')).stdout).toContain('made created');
  const bad = await run('doc', 'put', 'app/people/new', '{a:1}');
  expect(bad.code).toBe(1);
  expect(bad.stderr).toMatch(/invalid JSON at character 1.*\n.*quote it for the shell/);
  const rounded = await run('doc', 'put', 'app/people/new', '{"a":1e400}');
  expect(rounded).toMatchObject({ code: 1, stdout: '' });
  expect(rounded.stderr).toContain('too large for a double');
  expect((await run('doc', 'patch', 'app/people/new', '{}', '--type', 'ops')).stderr).toContain(
    'expected a JSON array of operations',
  );
});

test('[CL1] a list stops at its limit and says that more follows', async () => {
  const listed = await run('doc', 'ls', 'app/people', '--limit', '1', '--json');
  expect(listed.stdout).toBe('{"id":"ada","etag":"\\"v1\\"","doc":{"n":1}}\n');
  expect(listed.stderr).toContain('--limit 0');
});

test('[CL19] ATOLL_URL names nodes, several with commas', async () => {
  const found = await runCli(['db', 'ls'], { env: { ATOLL_URL: `http://127.0.0.1:1, ${node.url}` } });
  expect(found).toMatchObject({ code: 0, stdout: 'app\t1\t2\t40\n' });
});

test('[CL1] the first line of the program asks Node for the flags that a node wants', () => {
  const [first] = readFileSync(new URL('../../../cli/bin.ts', import.meta.url), 'utf8').split('\n', 1);
  expect(first).toBe(`#!/usr/bin/env -S node ${NODE_FLAGS.join(' ')}`);
});

import { afterAll, beforeAll, expect, test } from 'vitest';
import { FakeNode, runCli } from './fake-node.ts';

const member = (node: string, name: string, more: object = {}): object => {
  return {
    node,
    name,
    url: null,
    state: 'live',
    databases: null,
    self: false,
    linked: true,
    lag: null,
    lastSeen: null,
    ...more,
  };
};
const LAG = { entries: 12, bytes: 1200, seconds: 3 };
const MEMBERS = [
  member('id1', 'n1', { self: true }),
  member('id2', 'n2', { lag: { ...LAG, entries: 0 } }),
  member('id3', 'twin', { lag: LAG, linked: false, databases: ['logs'] }),
  member('id4', 'twin', { lag: LAG, linked: false }),
  member('id5', 'gone', { state: 'removed', linked: false }),
];
const UNSENT = [
  { db: 'app', collection: 'c', id: 'new', doc: { a: 1 } },
  { db: 'app', collection: 'c', id: 'known', doc: { b: 2 } },
  { db: 'app', collection: 'c', id: 'gone', deleted: true },
];
const problem = (status: number, code: string): object => {
  return { status, body: { type: '', title: '', status, code, detail: code, retryable: false } };
};

let node: FakeNode;
let target: FakeNode;
const bodies: string[] = [];
const keep = (status: number, body?: unknown) => (text: string) => {
  bodies.push(text);
  return { status, ...(body !== undefined && { body }) };
};

beforeAll(async () => {
  node = await FakeNode.open({
    'GET /v1/_cluster': { body: { url: 'http://n1:7400' } },
    'GET /v1/_cluster/members': { body: { members: MEMBERS } },
    'POST /v1/_cluster/members': keep(202, { url: 'http://n9:7400' }),
    'DELETE /v1/_cluster/members/id2': { status: 204 },
    'DELETE /v1/_cluster/members/id3': { status: 204 },
    'POST /v1/_cluster/members/id2/drain': { status: 202, body: {} },
    'GET /v1': { body: { databases: [{ name: 'app' }, { name: 'logs' }] } },
    'PUT /v1/_cluster/members/id2/databases': keep(200, {}),
    'PUT /v1/_cluster/members/id3/databases': keep(200, {}),
    'POST /v1/_cluster/tokens': keep(201, { token: 'atolljoin_x', id: 'x', expiresAt: 1000 }),
    'DELETE /v1/_cluster/unsent': { status: 204 },
    'GET /v1/_cluster/unsent': { body: UNSENT.map((line) => `${JSON.stringify(line)}\n`).join('') },
  });
  target = await FakeNode.open({
    'PUT /v1/app': { status: 200, body: {} },
    'PUT /v1/app/c/docs/new': { status: 201, body: { id: 'new', etag: '"1"' } },
    'PUT /v1/app/c/docs/known': problem(412, 'SYNC_PRECONDITION_FAILED'),
    'PATCH /v1/app/c/docs/known': keep(200, { id: 'known', etag: '"2"' }),
    'DELETE /v1/app/c/docs/gone': problem(404, 'SYNC_DOCUMENT_NOT_FOUND'),
  });
});
afterAll(async () => {
  await node.close();
  await target.close();
});

const run = (...args: string[]): ReturnType<typeof runCli> => runCli(['cluster', ...args, '--url', node.url]);

test('[CL22] members are listed with state and lag, removed ones when asked for', async () => {
  const listed = await run('ls');
  expect(listed.stdout.split('\n')[1]).toBe('n2\tlive\tlive\t0 writes\t\tid2');
  expect(listed.stdout).toContain('twin\tlive\tnone\t12 writes\t\tid3');
  expect(listed.stdout).not.toContain('gone');
  expect((await run('ls', '--all')).stdout).toContain('gone\tremoved');
});

test('[CL22] a member is named by id or by a name that is unique, and removed for ever only when confirmed', async () => {
  expect((await run('remove', 'n2')).code).toBe(2);
  expect((await run('remove', 'n2', '--yes')).stdout).toBe('n2 removed\n');
  expect(node.requests).toContain('DELETE /v1/_cluster/members/id2');
  const ambiguous = await run('remove', 'twin', '--yes');
  expect([ambiguous.code, ambiguous.stderr]).toEqual([2, expect.stringContaining('id3, id4')]);
  expect((await run('remove', 'id3', '--yes')).code).toBe(0);
  expect((await run('remove', 'nobody', '--yes')).code).toBe(2);
});

test('[CL22] draining waits until another member holds all, joining and tokens are told to the node', async () => {
  const drained = await run('drain', 'n2', '--wait', '0');
  expect([drained.code, drained.stdout]).toEqual([0, expect.stringContaining('it can be stopped')]);
  expect((await run('join', 'http://n9:7400')).code).toBe(0);
  expect(bodies).toContain('{"url":"http://n9:7400"}');
  const token = await run('token', '--expires', '60');
  expect(token.stdout).toBe('atolljoin_x\n');
  expect(token.stderr).toContain('atoll start --data DIR --join http://n1:7400 --join-token atolljoin_x');
  expect(bodies).toContain('{"expiresSeconds":60}');
});

test('[CL22] what only a node holds is printed, or written to another: new documents whole, known ones merged', async () => {
  const printed = await run('unsent');
  expect(
    printed.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown),
  ).toEqual(UNSENT);
  const written = await run('unsent', '--into', target.url);
  expect(written.stdout).toBe(`3 documents written to ${target.url}\n`);
  expect(target.requests).toEqual([
    'PUT /v1/app',
    'PUT /v1/app/c/docs/new',
    'PUT /v1/app/c/docs/known',
    'PATCH /v1/app/c/docs/known',
    'DELETE /v1/app/c/docs/gone',
  ]);
  expect(bodies).toContain('{"b":2}');
  expect((await run('unsent', '--discard')).code).toBe(2);
  expect((await run('unsent', '--discard', '--yes')).stdout).toBe('discarded\n');
});

test('[CL26] databases are placed on a member, and one is taken from it only when confirmed', async () => {
  const refused = await run('place', 'n2', 'app');
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('take logs from node n2')]);
  expect(bodies).not.toContain('{"databases":["app"]}');
  expect((await run('place', 'n2', 'app', '--yes')).stdout).toBe('n2 is to hold app\n');
  expect(bodies).toContain('{"databases":["app"]}');
  const more = await run('place', 'id3', 'logs', 'app', '--json');
  expect(JSON.parse(more.stdout)).toEqual({ node: 'id3', name: 'twin', databases: ['logs', 'app'] });
  expect((await run('place', 'id3', '--all')).stdout).toBe('twin is to hold all databases\n');
  expect(bodies.at(-1)).toBe('{"databases":null}');
  expect((await run('place', 'n2', '--none')).code).toBe(2);
  expect((await run('place', 'n2', '--none', '--yes')).stdout).toBe('n2 is to hold no database\n');
  for (const wrong of [[], ['app', '--all'], ['--all', '--none']])
    expect((await run('place', 'n2', ...wrong)).code).toBe(2);
});

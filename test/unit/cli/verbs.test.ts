import { afterAll, beforeAll, expect, test } from 'vitest';
import { FakeNode, runCli, type CliResult } from './fake-node.ts';

const TOKEN = {
  id: 't1',
  name: 'web',
  role: 'write',
  databases: ['app'],
  createdAt: '2026-11-23T00:00:00.000Z',
  expiresAt: null,
  requestsPerSecond: null,
  state: 'valid',
};
const change = (n: number, more: object = {}): object => ({
  cursor: `c${n}`,
  collection: 'people',
  id: `p${n}`,
  etag: `"${n}"`,
  deleted: false,
  ...more,
});
const lines = (...values: object[]): { body: string } => ({
  body: values.map((value) => `${JSON.stringify(value)}\n`).join(''),
});
const index = (state: string, more: object = {}): object => ({
  name: 'by-country',
  collection: 'cities',
  paths: [
    { path: 'country', order: 'asc' },
    { path: 'population', order: 'desc' },
  ],
  sparse: false,
  state,
  progress: { documents: 5, total: 1234 },
  ...more,
});

const CONFLICTS = [
  {
    path: '/city',
    shown: 'Paris',
    shownBy: { at: '2026-11-23T00:00:02.000Z', replica: 'n1' },
    others: [
      { value: 'London', at: '2026-11-23T00:00:01.000Z', replica: 'n2' },
      { value: null, at: '2026-11-23T00:00:00.000Z', replica: 'n3' },
    ],
  },
  { path: '', others: [{ value: { a: 1 }, at: '2026-11-23T00:00:00.000Z', replica: 'n2' }] },
];

const write = (second: number, more: object): object => {
  const at = `2026-11-23T00:00:0${second}.000Z`;
  return {
    at,
    replica: 'n1',
    stamp: 1,
    origin: 2,
    paths: [],
    removed: [],
    created: false,
    deleted: false,
    partial: false,
    ...more,
  };
};
const HISTORY = [
  write(3, { deleted: true }),
  write(2, { paths: ['/city', '/name'], removed: ['/age'] }),
  write(1, { paths: ['/name'], created: true, partial: true }),
];

let node: FakeNode;
const bodies: string[] = [];
const keep =
  (body: unknown, status = 200) =>
  (text: string) => {
    bodies.push(text);
    return { status, body };
  };
let builds: string[] = [];

beforeAll(async () => {
  node = await FakeNode.open({
    'GET /v1/_admin/tokens': { body: { tokens: [TOKEN, { ...TOKEN, id: 't2', databases: null, name: '' }] } },
    'POST /v1/_admin/tokens': keep({ ...TOKEN, token: 'atoll_secret' }, 201),
    'DELETE /v1/_admin/tokens/t1': { status: 204 },
    'GET /v1/app/_changes?since=now&heartbeat=5': lines(change(1), change(2, { deleted: true }), change(3)),
    'GET /v1/app/people/changes?include=doc%2Cconflicts&wait=0': lines(
      change(1, { doc: { a: 1 }, conflicts: [{ path: '/a', others: [] }] }),
      { cursor: 'c9' },
    ),
    'POST /v1/app/cities/query': (text) => {
      bodies.push(text);
      const { explain, cursor } = JSON.parse(text) as { explain?: boolean; cursor?: string };
      const item = (id: string): object => ({ id, etag: '"1"', doc: { name: id } });
      if (explain === true) {
        const counts = { keysExamined: 1000, documentsExamined: 10, returned: 10 };
        return {
          body: { items: [item('lisbon')], cursor: null, explain: { index: 'by-country', sort: 'memory', ...counts } },
        };
      }
      return {
        body:
          cursor === undefined
            ? { items: [item('lisbon'), item('porto')], cursor: 'more' }
            : { items: [item('faro')], cursor: null },
      };
    },
    'PUT /v1/app/cities/indexes/by-country': keep({}, 201),
    'DELETE /v1/app/cities/indexes/by-country': { status: 204 },
    'GET /v1/app/cities/indexes': {
      body: { indexes: [index('building'), index('failed', { name: 'bad', sparse: true, error: 'why' })] },
    },
    'GET /v1/app/cities/indexes/by-country': () => ({ body: index(builds.shift() ?? 'ready') }),
    'GET /v1/app/people/docs/ada/history?limit=3': { body: { changes: HISTORY.slice(0, 2), cursor: 'next' } },
    'GET /v1/app/people/docs/ada/history?limit=3&cursor=next': { body: { changes: HISTORY.slice(2), cursor: null } },
    'GET /v1/app/people/docs/ada/history?limit=100': { body: { changes: HISTORY, cursor: null } },
    'GET /v1/app/people/docs/ada/conflicts': { body: { conflicts: CONFLICTS } },
    'POST /v1/app/people/docs/ada/conflicts': keep({ id: 'ada', etag: '"9"' }),
    'GET /v1/app/people/conflicts': {
      body: { items: [{ id: 'ada', etag: '"1"', deleted: false, conflicts: CONFLICTS }], cursor: null },
    },
    'GET /v1/app/people/violations': {
      body: {
        items: [{ id: 'ada', etag: '"1"', errors: [{ pointer: '/age', detail: 'must be number' }] }],
        cursor: null,
      },
    },
    'GET /v1/app/calm/conflicts': { body: { items: [], cursor: null } },
    'GET /v1/app/calm/violations': { body: { items: [], cursor: null } },
    'GET /v1/app/people': { body: { name: 'people', documents: 1, schema: { type: 'object' } } },
    'PUT /v1/app/people': keep({}),
    'POST /v1/app/_batch': (text, headers) => {
      bodies.push(text);
      const results = [
        { id: 'ada', status: 200, etag: '"1"' },
        { id: 'bob', status: 204 },
      ];
      return headers['prefer'] === undefined
        ? { body: { results } }
        : { status: 202, headers: { 'atoll-replicas': '1/3' }, body: { results } };
    },
  });
});
afterAll(async () => node.close());

const run = async (...args: string[]): Promise<CliResult> => runCli([...args, '--url', node.url]);

test('[CL27] a token is printed alone, the list has no texts, and revoking asks', async () => {
  const made = await run(
    'token',
    'create',
    '--role',
    'write',
    '--db',
    'app',
    '--name',
    'web',
    '--expires',
    '30d',
    '--rate',
    '50',
  );
  expect([made.code, made.stdout]).toEqual([0, 'atoll_secret\n']);
  expect(made.stderr).toContain('write token t1 for app, until it is revoked');
  expect(JSON.parse(bodies.at(-1)!)).toEqual({
    role: 'write',
    databases: ['app'],
    name: 'web',
    expiresSeconds: 2_592_000,
    requestsPerSecond: 50,
  });
  expect(JSON.parse((await run('token', 'create', '--role', 'read', '--json')).stdout)).toMatchObject({
    token: 'atoll_secret',
  });
  expect(JSON.parse(bodies.at(-1)!)).toEqual({ role: 'read' });
  expect((await run('token', 'ls')).stdout).toBe(
    't1\twrite\tapp\tvalid\tnever\tweb\nt2\twrite\tall databases\tvalid\tnever\t\n',
  );
  for (const wrong of [
    ['--role', 'boss'],
    [],
    ['--role', 'read', '--expires', '0'],
    ['--role', 'read', '--expires', '5w'],
  ])
    expect((await run('token', 'create', ...wrong)).code).toBe(2);
  expect((await run('token', 'revoke', 't1')).code).toBe(2);
  expect((await run('token', 'revoke', 't1', '--yes')).stdout).toBe('t1 revoked\n');
  expect(node.requests).toContain('DELETE /v1/_admin/tokens/t1');
});

test('[CL28] watch prints a line for each change and says where to go on', async () => {
  const followed = await run('watch', 'app', '--limit', '2');
  expect(followed.stdout).toBe('people/p1\twritten\t"1"\npeople/p2\tdeleted\t"2"\n');
  expect(followed.stderr).toContain(`following app at ${node.url}`);
  expect(followed.stderr).toContain('--since c2');
  const once = await run(
    'watch',
    'app/people',
    '--since',
    'start',
    '--once',
    '--doc',
    '--conflicts',
    '--json',
    '--quiet',
  );
  expect([once.code, once.stderr]).toEqual([0, '']);
  expect(JSON.parse(once.stdout)).toMatchObject({ id: 'p1', doc: { a: 1 } });
  expect((await runCli(['watch', 'app', '--url', 'http://127.0.0.1:1'])).code).toBe(1);
  expect((await run('watch', 'a/b/c')).code).toBe(2);
});

test('[CL29] a query prints documents as they arrive, up to the limit, or explains itself', async () => {
  const all = await run(
    'query',
    'app/cities',
    '{"country":"PT"}',
    '--sort',
    'population:desc,name',
    '--fields',
    'name',
    '--limit',
    '0',
  );
  expect(all.stdout).toBe('lisbon\t{"name":"lisbon"}\nporto\t{"name":"porto"}\nfaro\t{"name":"faro"}\n');
  expect(JSON.parse(bodies.at(-2)!)).toEqual({
    filter: { country: 'PT' },
    sort: { population: -1, name: 1 },
    fields: ['name'],
    limit: 100,
  });
  const some = await run('query', 'app/cities', '--limit', '2', '--json');
  expect(some.stdout.split('\n')).toHaveLength(3);
  expect(some.stderr).toContain('more documents match');
  expect(JSON.parse(bodies.at(-1)!)).toMatchObject({ filter: {}, limit: 2 });
  const explained = await run('query', 'app/cities', '{}', '--explain');
  expect(explained.stdout).toBe(
    'index      by-country\norder      made in memory\nkeys       1,000 looked at\ndocuments  10 looked at, 10 returned\n',
  );
  for (const wrong of [['{'], ['[]'], ['{}', '--sort', '-x'], ['{}', '--sort', 'a:up']])
    expect((await run('query', 'app/cities', ...wrong)).code).not.toBe(0);
});

test('[CL30] an index is defined and waited for, listed with its progress, and dropped only when confirmed', async () => {
  builds = ['building', 'building', 'ready'];
  const made = await run('index', 'create', 'app/cities', 'by-country', 'country', 'population:desc', '--sparse');
  expect([made.code, made.stdout]).toEqual([0, 'by-country is ready\n']);
  expect(builds).toEqual([]);
  expect(JSON.parse(bodies.at(-1)!)).toEqual({
    paths: [
      { path: 'country', order: 'asc' },
      { path: 'population', order: 'desc' },
    ],
    sparse: true,
  });
  builds = ['building'];
  const started = await run('index', 'create', 'app/cities', 'by-country', 'country', '--no-wait');
  expect(started.stdout).toBe('by-country is being built: 5 of about 1,234 documents\n');
  builds = ['failed'];
  expect((await run('index', 'create', 'app/cities', 'by-country', 'country')).code).toBe(5);
  expect((await run('index', 'ls', 'app/cities')).stdout).toBe(
    'by-country\tcountry, population:desc\t\tis being built: 5 of about 1,234 documents\n' +
      'bad\tcountry, population:desc\tsparse\tcould not be built: why\n',
  );
  expect((await run('index', 'rm', 'app/cities', 'by-country')).code).toBe(2);
  expect((await run('index', 'rm', 'app/cities', 'by-country', '--yes')).code).toBe(0);
  expect((await run('index', 'rm', 'app/cities', 'none', '--yes')).code).toBe(3);
});

test('[CL31] a batch is an array, an object or lines, and says how many nodes have it', async () => {
  const first = { collection: 'people', id: 'ada', merge: { city: 'London' } };
  const second = { collection: 'people', id: 'bob', delete: true };
  const expected = JSON.stringify({ writes: [first, second] });
  const texts = [JSON.stringify([first, second]), expected, `${JSON.stringify(first)}\n${JSON.stringify(second)}\n`];
  for (const text of texts) {
    const sent = await run('batch', 'app', text);
    expect([sent.code, sent.stdout]).toEqual([0, 'people/ada\t200\t"1"\npeople/bob\t204\t\n']);
    expect(bodies.at(-1)).toBe(expected);
  }
  await run('batch', 'app', JSON.stringify(first));
  expect(JSON.parse(bodies.at(-1)!)).toEqual({ writes: [first] });
  const missed = await run('batch', 'app', texts[0]!, '--replicas', '2', '--wait', '1');
  expect([missed.code, missed.stderr]).toEqual([5, expect.stringContaining('only 1 of 3 nodes')]);
  for (const wrong of ['nonsense', '[1]', `${JSON.stringify(first)}\n{`, '"text"']) {
    const refused = await run('batch', 'app', wrong);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('CLI_INPUT_INVALID')]);
  }
});

test('[CL33] conflicts are numbered, and settled by keeping, restoring or writing a value', async () => {
  const shown = await run('doc', 'conflicts', 'app/people/ada');
  expect(shown.stdout).toBe(
    '/city\tshown\t"Paris"\t2026-11-23T00:00:02.000Z\tn1\n' +
      '/city\tlost 1\t"London"\t2026-11-23T00:00:01.000Z\tn2\n' +
      '/city\tlost 2\tnull\t2026-11-23T00:00:00.000Z\tn3\n' +
      '(document)\tshown\t(deleted)\t\t\n' +
      '\tlost 1\t{"a":1}\t2026-11-23T00:00:00.000Z\tn2\n',
  );
  const resolve = async (...args: string[]) => run('doc', 'resolve', 'app/people/ada', ...args);
  const settled = await resolve('/city', '--restore', '2');
  expect([settled.code, settled.stdout]).toEqual([0, 'ada settled at /city\n']);
  expect(JSON.parse(bodies.at(-1)!)).toEqual([{ path: '/city', restore: CONFLICTS[0]!.others[1] }]);
  await resolve('/city', '--value', '"Rome"');
  expect(JSON.parse(bodies.at(-1)!)).toEqual([{ path: '/city', value: 'Rome' }]);
  await resolve('', '--restore', '1');
  expect(JSON.parse(bodies.at(-1)!)).toEqual([{ path: '', restore: CONFLICTS[1]!.others[0] }]);
  expect((await resolve('--keep')).stdout).toBe('ada settled at /city, (document)\n');
  expect(JSON.parse(bodies.at(-1)!)).toEqual([
    { path: '/city', keep: 'shown' },
    { path: '', keep: 'shown' },
  ]);
  for (const wrong of [
    [],
    ['/city'],
    ['/city', '--keep', '--restore', '1'],
    ['--restore', '1'],
    ['/city', '--restore', '3'],
    ['/age', '--keep'],
  ])
    expect((await resolve(...wrong)).code).toBe(2);
  expect((await run('doc', 'conflicts', 'app/people')).stdout).toBe('ada\texists\t/city (document)\n');
  expect((await run('doc', 'conflicts', 'app/calm')).stderr).toContain('no document has');
});

test('[CL34] a collection takes a schema from a file, and documents that violate it are listed', async () => {
  const set = await runCli(['collection', 'set', 'app/people', '--schema', '-', '--url', node.url], {
    stdin: '{"type":"object"}',
  });
  expect(set.code).toBe(0);
  expect(JSON.parse(bodies.at(-1)!)).toEqual({ schema: { type: 'object' } });
  expect((await run('collection', 'info', 'app/people')).stdout).toContain('schema         {"type":"object"}');
  const violations = await run('collection', 'violations', 'app/people');
  expect([violations.code, violations.stdout]).toEqual([5, 'ada\t/age\tmust be number\n']);
  expect((await run('collection', 'violations', 'app/calm')).code).toBe(0);
});

test('[CL35] the history of a document is a line for each write, newest first', async () => {
  const all = await run('doc', 'history', 'app/people/ada', '--limit', '0');
  expect(all.stdout).toBe(
    '2026-11-23T00:00:03.000Z\tn1\tdeleted\t\n' +
      '2026-11-23T00:00:02.000Z\tn1\twritten\t/city /name -/age\n' +
      '2026-11-23T00:00:01.000Z\tn1\tcreated, partly\t/name\n',
  );
  expect(all.stderr).toContain('the log does not hold');
  const some = await run('doc', 'history', 'app/people/ada', '--limit', '2', '--json');
  expect((JSON.parse(some.stdout) as { changes: unknown[] }).changes).toEqual(HISTORY.slice(0, 2));
  expect(some.stderr).toContain('there is more');
});

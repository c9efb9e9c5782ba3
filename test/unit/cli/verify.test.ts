import { afterAll, beforeAll, expect, test } from 'vitest';
import { EXIT } from '../../../cli/exit-code.ts';
import { FakeNode, runCli, type CliResult, type Routes } from './fake-node.ts';

const missing = {
  status: 404,
  body: { type: '', title: '', status: 404, code: 'SYNC_DATABASE_NOT_FOUND', detail: 'no such database' },
};
const status = (name: string) => ({
  'GET /v1/_cluster': { body: { node: name, name, url: null, members: [], links: [], databases: [] } },
});
const holding = (name: string, digest: string): Routes => ({
  ...status(name),
  'GET /v1': { body: { databases: [{ name: 'app' }] } },
  'GET /v1/app': { body: { name: 'app', documents: 0, bytes: 0, digest, collections: [] } },
  'GET /v1/app/_digest': { body: { digest, documents: 0, vector: {} } },
});
const lacking = (name: string): Routes => ({
  ...status(name),
  'GET /v1': { body: { databases: [] } },
  'GET /v1/app': missing,
  'GET /v1/app/_digest': missing,
});

/** Holds nothing because it is to hold nothing. */
const apart = (name: string): Routes => ({
  ...lacking(name),
  'GET /v1/_cluster': {
    body: { node: name, name, url: null, members: [{ node: name, name, self: true, databases: [] }], links: [] },
  },
  'GET /v1/app/_digest': { ...missing, status: 421, body: { ...missing.body, code: 'SYNC_DATABASE_ELSEWHERE' } },
});

const nodes: FakeNode[] = [];
let n1: FakeNode;
let n2: FakeNode;
let n3: FakeNode;
let gone: string;
beforeAll(async () => {
  for (const routes of [holding('n1', 'd1'), lacking('n2'), lacking('n3'), {}]) nodes.push(await FakeNode.open(routes));
  [n1, n2, n3] = nodes as [FakeNode, FakeNode, FakeNode];
  gone = nodes[3]!.url;
  await nodes.pop()!.close();
});
afterAll(() => Promise.all(nodes.map((node) => node.close())));

const verify = (urls: readonly string[], ...args: string[]): Promise<CliResult> =>
  runCli(['verify', '--wait', '0', ...args, ...urls.flatMap((url) => ['--url', url])]);

interface Verdict {
  readonly equal: boolean | null;
  readonly databases: readonly { database: string; equal: boolean; missing: readonly string[] }[];
}

test('[CL17] a database that only some nodes hold is not equal, and verify names those that lack it', async () => {
  const result = await verify([n1.url, n2.url, n3.url], '--json');
  expect(result.code).toBe(EXIT.degraded);
  const verdict = JSON.parse(result.stdout) as Verdict;
  expect(verdict).toMatchObject({
    equal: false,
    databases: [{ database: 'app', equal: false, missing: ['n2', 'n3'] }],
  });
  expect(result.stderr).toContain('app: n2, n3 have no such database');
  expect(result.stderr).not.toContain('every document now lists the same');
});

test('[CL17] a database that no answering node holds is not equal to nothing', async () => {
  const result = await verify([n2.url, n3.url, gone], '--json', '--db', 'app');
  expect(result.code).toBe(EXIT.degraded);
  expect(JSON.parse(result.stdout)).toMatchObject({
    equal: false,
    databases: [{ database: 'app', equal: false, nodes: [null, null, null], missing: ['n2', 'n3'] }],
  });
  expect((await verify([n2.url, n3.url], '--db', 'app')).code).toBe(EXIT.notFound);
});

test('[CL17] without any database there is nothing to compare, and verify says so', async () => {
  const result = await verify([n2.url, n3.url], '--json');
  expect(result.code).toBe(EXIT.ok);
  expect(JSON.parse(result.stdout)).toMatchObject({ equal: null, databases: [] });
  expect(result.stderr).toContain('no node holds a database');
  expect(result.stderr).not.toContain('the same');
});

test('[CL17] a node on which a database is not placed does not lack it', async () => {
  const away = await FakeNode.open(apart('n4'));
  const twin = await FakeNode.open(holding('n5', 'd1'));
  nodes.push(away, twin);
  for (const args of [['--json'], ['--json', '--db', 'app']]) {
    const result = await verify([n1.url, twin.url, away.url], ...args);
    expect(result.code).toBe(EXIT.ok);
    expect(JSON.parse(result.stdout)).toMatchObject({
      equal: true,
      databases: [{ database: 'app', equal: true, missing: [], elsewhere: ['n4'] }],
    });
  }
  const different = await verify([n1.url, n2.url, away.url], '--json');
  expect(JSON.parse(different.stdout)).toMatchObject({
    equal: false,
    databases: [{ missing: ['n2'], elsewhere: ['n4'] }],
  });
});

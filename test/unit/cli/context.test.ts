import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { FakeNode, runCli, type CliResult } from './fake-node.ts';

let root: string;
let env: Record<string, string>;
let path: string;
let node: FakeNode;
let tokens: (string | undefined)[] = [];

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'atoll-context-'));
  node = await FakeNode.open({
    'GET /v1': (_body, headers) => {
      tokens.push(headers.authorization);
      return { body: { databases: [] } };
    },
  });
});
afterAll(async () => {
  await node.close();
  rmSync(root, { recursive: true });
});
beforeEach(() => {
  env = { XDG_CONFIG_HOME: mkdtempSync(join(root, 'config-')) };
  path = join(env['XDG_CONFIG_HOME']!, 'atoll', 'contexts.json');
  tokens = [];
});

const run = async (...args: string[]): Promise<CliResult> => runCli(args, { env });

test('[CL24] a context keeps nodes and token in a file that only its owner can read', async () => {
  const token = join(root, 'token');
  writeFileSync(token, 'secret-1\n');
  const saved = await run('context', 'save', 'prod', '--url', `${node.url}/`, '--token-file', token);
  expect([saved.code, saved.stdout]).toEqual([0, 'prod saved\n']);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(join(path, '..')).mode & 0o777).toBe(0o700);
  expect(readdirSync(join(path, '..'))).toEqual(['contexts.json']);
  expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({
    current: 'prod',
    contexts: { prod: { urls: [node.url], token: 'secret-1' } },
  });
  expect((await run('db', 'ls')).code).toBe(0);
  expect(tokens).toEqual(['Bearer secret-1']);
  for (const args of [['ls'], ['show'], ['show', 'prod', '--json'], ['ls', '--json'], ['use', 'prod']]) {
    const shown = await run('context', ...args);
    expect(shown.code).toBe(0);
    expect(shown.stdout).toContain('prod');
    expect(shown.stdout + shown.stderr).not.toContain('secret');
  }
  chmodSync(path, 0o644);
  expect((await run('context', 'ls')).stderr).toContain('other users can read');
});

test('[CL24] flags win over the environment, that over the context in use; the token stays with its nodes', async () => {
  await run('context', 'save', 'dead', '--url', 'http://127.0.0.1:1', '--token', 'of-dead');
  await run('context', 'save', 'live', '--url', node.url, '--token', 'of-live');
  const works = async (...args: string[]): Promise<boolean> => (await run('db', 'ls', ...args)).code === 0;
  expect(await works()).toBe(false);
  expect(await works('--context', 'live')).toBe(true);
  expect(await works('--url', node.url)).toBe(true);
  expect(await works('--context', 'dead', '--url', node.url)).toBe(true);
  expect(await works('--context', 'live', '--token', 'flag')).toBe(true);
  env['ATOLL_CONTEXT'] = 'live';
  expect(await works()).toBe(true);
  env['ATOLL_URL'] = node.url;
  env['ATOLL_TOKEN'] = 'env';
  expect(await works()).toBe(true);
  expect(await works('--context', 'dead')).toBe(false);
  expect(tokens).toEqual(['Bearer of-live', undefined, undefined, 'Bearer flag', 'Bearer of-live', 'Bearer env']);
  delete env['ATOLL_URL'];
  env['ATOLL_CONTEXT'] = 'missing';
  expect(await run('db', 'ls')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('atoll context ls') as string,
  });
});

test('[CL24] contexts are listed, chosen and forgotten', async () => {
  expect((await run('context', 'ls')).stderr).toContain('no contexts yet');
  expect((await run('context', 'save', 'a')).code).toBe(2);
  expect((await run('context', 'save', 'a b', '--url', node.url)).code).toBe(2);
  expect((await run('context', 'save', 'a', '--url', 'nonsense')).code).toBe(2);
  await run('context', 'save', 'b', '--url', node.url);
  await run('context', 'save', 'a', '--url', node.url, '--url', 'http://x:1');
  expect((await run('context', 'ls')).stdout).toBe(`\ta\t${node.url}, http://x:1\tno\n*\tb\t${node.url}\tno\n`);
  expect((await run('context', 'use', 'constructor')).code).toBe(2);
  await run('context', 'use', 'a');
  expect(JSON.parse((await run('context', 'show', '--json')).stdout)).toMatchObject({ name: 'a', isCurrent: true });
  expect((await run('context', 'rm', 'a')).code).toBe(2);
  expect((await run('context', 'rm', 'a', '--yes')).code).toBe(0);
  expect((await run('context', 'show')).code).toBe(2);
  writeFileSync(path, '{"contexts":[]');
  expect(await run('db', 'ls')).toMatchObject({ code: 1, stderr: expect.stringContaining(path) as string });
  writeFileSync(path, '{"current":1,"contexts":{}}');
  expect((await run('context', 'ls')).stderr).toContain('CLI_FILE');
});

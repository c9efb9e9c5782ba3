import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runCli } from './fake-node.ts';

const complete = async (env: Record<string, string>, ...words: string[]): Promise<string[]> => {
  const { stdout, code, stderr } = await runCli(['__complete', '--', ...words], { env });
  expect([code, stderr]).toEqual([0, '']);
  return stdout.split('\n').filter((line) => line !== '');
};
const words = async (...line: string[]): Promise<string[]> =>
  (await complete({ ATOLL_CONTEXTS: '/nonexistent' }, ...line)).map((candidate) => candidate.split('\t')[0]!);

test('[CL25] commands, options and their values are completed, hidden ones not', async () => {
  expect(await words('d')).toEqual(['dev', 'doctor', 'db', 'doc']);
  expect(await words('')).toContain('cluster');
  expect(await words('')).not.toContain('__complete');
  expect(await words('doc', 'p')).toEqual(['put', 'patch']);
  expect(await words('--json', '--url', 'http://doc', 'doc', 'g')).toEqual(['get']);
  expect(await words('import', '--f')).toEqual(['--format']);
  expect(await words('import', '--format', '')).toEqual(['ndjson', 'array']);
  expect(await words('doc', 'put', 'app/x/y', '--')).toEqual(
    expect.arrayContaining(['--if-match', '--json', '--help']),
  );
  expect(await words('completion', '')).toEqual(['bash', 'zsh', 'fish']);
  expect(await words('completion', 'bash', '')).toEqual([]);
  expect(await words('start', '--clu')).toContain('--cluster-secret-file');
  expect(await words('start', '--exit')).toEqual([]);
  const [described] = await complete({}, 'stat');
  expect(described).toMatch(/^status\tmembers, links and lag/);
});

test('[CL25] saved contexts are completed where one is named', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'atoll-completion-'));
  const env = { ATOLL_CONTEXTS: join(directory, 'contexts.json') };
  await runCli(['context', 'save', 'prod', '--url', 'http://127.0.0.1:1'], { env });
  expect(await complete(env, 'status', '--context', 'p')).toEqual(['prod']);
  expect(await complete(env, 'context', 'use', '')).toEqual(['prod']);
  rmSync(directory, { recursive: true });
});

test('[CL25] there is a script for each shell', async () => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { stdout, code } = await runCli(['completion', shell]);
    expect([code, stdout]).toEqual([0, expect.stringContaining('atoll __complete -- ')]);
  }
  expect((await runCli(['completion', 'tcsh'])).code).toBe(2);
});

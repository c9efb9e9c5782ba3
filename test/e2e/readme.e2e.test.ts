/**
 * @module
 * Owns the proof that the examples of README.md run as they stand, one after another: shell blocks in bash against real nodes, with
 * what stands behind `#` as the answer where it is JSON; TypeScript blocks compiled strictly and run.
 */
import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePorts } from '../helper/port.ts';
import { BIN, eventually, Leftovers } from './cli-process.ts';
import { startDevNodes, type DevNodes } from './dev-nodes.ts';

const run = promisify(execFile);
const leftovers = new Leftovers();
afterAll(() => leftovers.clear());

interface Block {
  readonly section: string;
  readonly language: string;
  readonly text: string;
}

const blocks: readonly Block[] = readFileSync('README.md', 'utf8')
  .split(/^## /m)
  .flatMap((part) =>
    [...part.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language, text]) => {
      return { section: part.split('\n', 1)[0]!, language: language!, text: text! };
    }),
  );
let nodes: DevNodes;
let directory: string;

beforeAll(async () => {
  nodes = await startDevNodes(leftovers);
  await nodes.ready();
  directory = await leftovers.directory();
});

/** The ports of the examples are those of `npm start`. */
function withPorts(text: string, urls: readonly string[]): string {
  return urls.reduce((result, url, at) => result.replaceAll(`:740${at}`, `:${new URL(url).port}`), text);
}

/** A line of the shell, and the JSON it is said to print. */
function parseLine(line: string): { readonly command: string; readonly expected: unknown } {
  const remark = / # (\{.*\})$/.exec(line)?.[1];
  return { command: line, expected: remark === undefined ? undefined : JSON.parse(remark) };
}

async function shell(command: string): Promise<string> {
  const script = `set -e
    curl() { command curl --silent --show-error --fail-with-body "$@"; }
    npx() { shift; "${process.execPath}" "${BIN}" "$@"; }
    ${command}`;
  const env = { PATH: process.env['PATH'], HOME: directory, XDG_CONFIG_HOME: join(directory, 'config') };
  return (await run('bash', ['-c', script], { cwd: directory, env })).stdout;
}

async function runLine(line: string): Promise<void> {
  const prompt = /^# at the prompt: +(.*)$/.exec(line)?.[1];
  if (prompt !== undefined) {
    for (const command of prompt.split(/ {2,}/)) if (/^(cut|heal) \d \d$/.test(command)) await nodes.command(command);
    return;
  }
  const { command, expected } = parseLine(line);
  const isRead = /^curl +localhost/.test(command);
  if (!isRead) {
    await shell(command);
    return;
  }
  // Another node may not have it yet.
  let answer: unknown;
  await eventually(async () => {
    answer = JSON.parse(await shell(command).catch(() => 'null'));
    return answer !== null && (expected === undefined || JSON.stringify(answer) === JSON.stringify(expected));
  }).catch(() => expect(answer, command).toEqual(expected ?? 'an answer'));
}

test.each(blocks.filter(({ language, section }) => language === 'sh' && section !== 'Run a cluster'))(
  '[CL36] the commands of README.md work: $section',
  async ({ text }) => {
    const lines = withPorts(text, nodes.urls).replaceAll('\\\n', ' ').split('\n');
    for (const line of lines) if (line.trim() !== '') await runLine(line.trim());
  },
);

test('[CL36] the nodes of README.md start and join', async () => {
  const [block] = blocks.filter(({ section }) => section === 'Run a cluster');
  const ports = await freePorts(2);
  for (const line of withPorts(
    block!.text,
    ports.map((port) => `http://127.0.0.1:${port}`),
  )
    .trim()
    .split('\n')) {
    const words = line.split(/\s+/).slice(2);
    expect(words[0]).toBe('start');
    const node = leftovers.spawn(words.map((word) => (word.startsWith('./') ? join(directory, word) : word)));
    expect(await node.next()).toMatchObject({ ready: true });
  }
  await eventually(async () => {
    const answer = await fetch(`http://127.0.0.1:${ports[0]}/v1/_cluster/members`);
    return (
      ((await answer.json()) as { members: { linked: boolean }[] }).members.filter(({ linked }) => linked).length > 0
    );
  });
});

test.each(blocks.filter(({ language }) => language === 'ts'))(
  '[CL36] the TypeScript of README.md compiles and runs: $section',
  async ({ text }) => {
    const source = join(directory, 'example');
    mkdirSync(source);
    writeFileSync(join(source, 'package.json'), '{"type":"module"}');
    writeFileSync(join(source, 'example.ts'), withPorts(text, nodes.urls));
    const paths = { 'atolldb/client': [resolve('dist/cli/client.d.ts')] };
    const compilerOptions = {
      strict: true,
      target: 'es2023',
      module: 'node20',
      lib: ['es2023', 'dom'],
      types: [],
      skipLibCheck: true,
    };
    writeFileSync(join(source, 'tsconfig.json'), JSON.stringify({ compilerOptions: { ...compilerOptions, paths } }));
    const compiled = spawnSync(resolve('node_modules/.bin/tsc'), ['-p', source], { encoding: 'utf8' });
    expect(compiled.stdout).toBe('');
    const program = join(source, 'example.js');
    const client = resolve('dist/cli/client.js');
    writeFileSync(program, readFileSync(program, 'utf8').replace("'atolldb/client'", JSON.stringify(client)));
    const { stdout } = await run(process.execPath, [program]);
    expect(stdout).toBe('1\nporto Porto\nfaro 0\nporto 1\n');
  },
);

/**
 * @module
 * Owns the proof that the package is whole for others: packed as it is published, and used by a program that has it and what it
 * declares to need, nothing else of this checkout.
 */
import { spawn } from 'node:child_process';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CliEnd, endOf, Leftovers } from './cli-process.ts';

interface Manifest {
  readonly exports: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
}

/** What an author of adapters writes. The store answers from one of ours, its ranges as `bound` has them. */
const STORE = `
import { MemoryStore } from 'atolldb/sync';
import type { RangeOptions, Store, StoreEntry, StoreOperation, StoreSnapshot } from 'atolldb/sync';
import { storeContract, type StoreFixture } from 'atolldb/testing';

class Wrapped implements Store {
  readonly inner: MemoryStore;
  constructor(inner: MemoryStore) { this.inner = inner; }
  get(key: Uint8Array): Promise<Uint8Array | undefined> { return this.inner.get(key); }
  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> { return this.inner.getMany(keys); }
  batch(operations: readonly StoreOperation[], options: { readonly sync: boolean }): Promise<void> { return this.inner.batch(operations, options); }
  range(options: RangeOptions): AsyncIterable<readonly StoreEntry[]> { return this.inner.range(bound(options)); }
  snapshot(): StoreSnapshot { return this.inner.snapshot(); }
  clear(bounds: { readonly gte: Uint8Array; readonly lt: Uint8Array }): Promise<void> { return this.inner.clear(bounds); }
  close(): Promise<void> { return this.inner.close(); }
}

storeContract('A wrapped store', async (): Promise<StoreFixture> => {
  let store = new Wrapped(new MemoryStore());
  return {
    store,
    async reopen() {
      await store.close();
      return (store = new Wrapped(store.inner.crash()));
    },
    destroy: () => store.close(),
  };
});
`;
const KEEPING = `const bound = (options: RangeOptions): RangeOptions => options;\n`;
const BREAKING = `const bound = (options: RangeOptions): RangeOptions => ({ ...options, lt: new Uint8Array(5).fill(255) });\n`;

const TRANSPORT = `
import { MemoryNetwork } from 'atolldb/sync';
import { transportContract, type TransportFixture } from 'atolldb/testing';

transportContract('The memory transport', async () => {
  const network = new MemoryNetwork();
  const fixture: TransportFixture = {
    dialer: network.dialer,
    url: 'memory://a',
    deadUrl: 'memory://nobody',
    accept: () => undefined,
    destroy: async () => undefined,
  };
  network.listen('memory://a', (channel) => fixture.accept(channel));
  return fixture;
});
`;

const COMPILER = {
  compilerOptions: {
    module: 'node20',
    lib: ['es2023', 'dom'],
    types: [],
    strict: true,
    noEmit: true,
    skipLibCheck: true,
  },
  include: ['*.ts'],
};

const leftovers = new Leftovers();
let manifest: Manifest;
/** The folder of the program. */
let program: string;

beforeAll(async () => {
  program = await leftovers.directory();
  const modules = join(program, 'node_modules');
  const installed = join(modules, 'atolldb');
  await mkdir(installed, { recursive: true });
  const pack = await run('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', program], process.cwd());
  const archive = join(program, pack.stdout.trim());
  expect(await run('tar', ['-xzf', archive, '-C', installed, '--strip-components=1'])).toMatchObject({ code: 0 });
  manifest = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8')) as Manifest;
  for (const name of Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })) {
    await mkdir(dirname(join(modules, name)), { recursive: true });
    await symlink(resolve('node_modules', name), join(modules, name));
  }
  await writeFile(join(program, 'package.json'), '{"type":"module"}');
  await writeFile(join(program, 'tsconfig.json'), JSON.stringify(COMPILER));
  await writeFile(join(program, 'store.test.ts'), STORE + KEEPING);
  await writeFile(join(program, 'broken.test.ts'), STORE + BREAKING);
  await writeFile(join(program, 'transport.test.ts'), TRANSPORT);
});
afterAll(() => leftovers.clear());

test('[EX10] the contract suites run in the vitest of a program that has the package, and its adapters pass', async () => {
  const { code, stdout, stderr } = await vitest('store.test.ts', 'transport.test.ts');
  expect({ code, stdout, stderr }).toMatchObject({ code: 0 });
  const names = testsOf(stdout, 'passed');
  for (const rule of ['[ST1]', '[ST8]', '[ST17]', '[SY10]', '[SY13]']) {
    expect(
      names.some((name) => name.includes(rule)),
      rule,
    ).toBe(true);
  }
});

test('[EX10] a store whose ranges do not end fails the suite, in the rules on ranges', async () => {
  const { code, stdout } = await vitest('broken.test.ts');
  expect(code).toBe(1);
  const failed = testsOf(stdout, 'failed');
  expect(failed.some((name) => name.includes('[ST3] a range yields'))).toBe(true);
  expect(testsOf(stdout, 'passed').some((name) => name.includes('[ST1]'))).toBe(true);
});

test('[EX10] a program in TypeScript finds the types of the suites and of the ports', async () => {
  const { code, stdout } = await run(process.execPath, [resolve('node_modules/typescript/bin/tsc'), '-p', '.']);
  expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
});

test('[EX11] every entry loads with what the package declares to need', async () => {
  const entries = Object.keys(manifest.exports).filter((entry) => !/\.json$|\/testing$/.test(entry));
  expect(entries).toContain('.');
  const script = entries.map((entry) => `await import('atolldb${entry.slice(1)}');`).join('\n');
  expect(await run(process.execPath, ['--input-type=module', '-e', script])).toMatchObject({ code: 0, stderr: '' });
  const bin = join(program, 'node_modules/atolldb/dist/cli/bin.js');
  expect(await run(process.execPath, [bin, '--version'])).toMatchObject({ code: 0, stderr: '' });
});

/** Runs to the end in the folder of the program, not knowing that a test does it. */
function run(command: string, args: readonly string[], cwd: string = program): Promise<CliEnd> {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(VITEST|NODE_ENV$|NODE_OPTIONS$)/.test(name));
  return endOf(spawn(command, args, { cwd, env: Object.fromEntries(inherited), stdio: ['ignore', 'pipe', 'pipe'] }));
}

function vitest(...files: string[]): Promise<CliEnd> {
  return run(process.execPath, [
    'node_modules/vitest/vitest.mjs',
    'run',
    '--reporter=json',
    '--testTimeout=60000',
    ...files,
  ]);
}

function testsOf(report: string, status: 'failed' | 'passed'): readonly string[] {
  const { testResults } = JSON.parse(report) as {
    testResults: { assertionResults: { fullName: string; status: string }[] }[];
  };
  const all = testResults.flatMap(({ assertionResults }) => assertionResults);
  return all.filter((each) => each.status === status).map(({ fullName }) => fullName);
}

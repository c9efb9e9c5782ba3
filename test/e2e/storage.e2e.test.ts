/**
 * @module
 * Owns the tests that fail the machine under a store: a killed process, a second process, a full disk, a failing fsync, a flipped
 * bit. They need Linux; the full disk needs root, the failing fsync needs strace (Debian: apt-get install strace).
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { RocksDbStore } from '../../server/storage/rocksdb-store.ts';
import { batchOf, isValueOf, keyOf, readBatches, valueOf } from './storage-batch.ts';

const CHILD = join('dist', 'test', 'e2e', 'storage-child.js');

let root: string;
let directory: string;
let children: Child[];
let mounts: string[];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'atoll-storage-'));
  directory = join(root, 'data');
  children = [];
  mounts = [];
});

afterEach(async () => {
  for (const child of children) await child.kill();
  for (const mount of mounts) command('umount', mount);
  rmSync(root, { recursive: true, force: true });
});

test('[ST12] a directory that another process uses is refused, and works once that process has ended', async () => {
  const holder = child(['hold', directory]);
  await holder.line('ready');
  const refused = RocksDbStore.open(directory);
  await expect(refused).rejects.toMatchObject({ code: 'STORAGE_IN_USE', retryable: true });
  await expect(refused).rejects.toThrow(/in use, by this process or another one/);
  expect(holder.isRunning()).toBe(true);
  await holder.kill();
  const store = await RocksDbStore.open(directory);
  await store.close();
});

test('[ST9] [I13] a process killed in the middle of synced batches loses none that it acknowledged, and tears none', async () => {
  let acknowledged = 0;
  for (let round = 0; round < 6; round++) {
    const at = join(root, `killed-${round}`);
    const writer = child(['write', at, '100000', String(100 + round * 700)]);
    await writer.line(`ack ${20 + round * 15}`);
    await writer.kill();
    const acks = writer.acknowledged();
    acknowledged += acks.length;
    const store = await RocksDbStore.open(at);
    const found = await readBatches(store);
    await store.close();
    expect(acks.filter((n) => !found.has(n))).toEqual([]);
    // One batch was in flight: it may be there, whole.
    expect(found.size).toBeLessThanOrEqual(acks.length + 1);
  }
  expect(acknowledged).toBeGreaterThan(300);
});

test('[ST13] [ST10] a full disk fails the write, refuses later ones, and loses nothing acknowledged', async () => {
  mountTmpfs(root, '6m');
  const writer = child(['write', directory, '100000', '8192']);
  await writer.end();
  expect(writer.errors()).toEqual(['STORAGE_FULL', ...refusals]);
  const acks = writer.acknowledged();
  expect(acks.length).toBeGreaterThan(20);
  expect(writer.lines.some((line) => line.startsWith('readable'))).toBe(true);

  command('mount', '-o', 'remount,size=64m', root);
  const store = await RocksDbStore.open(directory);
  const found = await readBatches(store);
  expect(acks.filter((n) => !found.has(n))).toEqual([]);
  await store.batch(batchOf(999_999, 8192), { sync: true });
  await store.close();
});

test('[ST10] a file that may not grow fails the write, refuses later ones, and loses nothing acknowledged', async () => {
  const writer = child(['write', directory, '100000', '8192'], ['bash', '-c', 'ulimit -f 2048; exec "$@"', 'limited']);
  await writer.end();
  expect(writer.errors()).toEqual(['STORAGE_IO', ...refusals]);
  await expectAcknowledged(directory, writer.acknowledged());
});

test('[ST10] after a failed fsync no write is acknowledged, although the next fsync would succeed', async () => {
  requireStrace();
  const inject = ['-e', 'trace=fdatasync', '-e', 'inject=fdatasync:error=EIO:when=25'];
  const writer = child(
    ['write', directory, '100000', '100'],
    ['strace', '-f', '-qq', '-o', join(root, 'trace'), ...inject],
  );
  await writer.end();
  expect(readFileSync(join(root, 'trace'), 'utf8')).toContain('EIO (Input/output error) (INJECTED)');
  expect(writer.errors()).toEqual(['STORAGE_IO', ...refusals]);
  expect(writer.acknowledged().length).toBeGreaterThan(5);
  await expectAcknowledged(directory, writer.acknowledged());
});

test('[ST11] a flipped bit on disk fails the entry it hits and no other, and wrong data is never returned', async () => {
  const batches = 40;
  const bytes = 8192;
  const written = await RocksDbStore.open(directory);
  for (let n = 0; n < batches; n++) await written.batch(batchOf(n, bytes), { sync: false });
  await written.close();
  // Opening moves what is in the log into a table file.
  await (await RocksDbStore.open(directory)).close();
  const keys = Array.from({ length: batches * 5 }, (_, index) => keyOf(Math.floor(index / 5), index % 5));
  const table = readdirSync(directory).find((file) => file.endsWith('.sst'))!;
  const intact = readFileSync(join(directory, table));
  for (let round = 0; round < 12; round++) {
    const key = keys[round * 16]!;
    const copy = join(root, `flipped-${round}`);
    cpSync(directory, copy, { recursive: true });
    const damaged = Buffer.from(intact);
    // Values are incompressible, so they lie in the table as they are.
    const start = intact.indexOf(valueOf(key, bytes));
    expect(start).toBeGreaterThan(0);
    damaged[start + round * 700]! ^= 1 << (round % 8);
    writeFileSync(join(copy, table), damaged);
    await expectOneDamaged(copy, keys, key);
  }
});

const refusals = ['STORAGE_FAILED', 'STORAGE_FAILED', 'STORAGE_FAILED'];

async function expectOneDamaged(at: string, keys: readonly Uint8Array[], damaged: Uint8Array): Promise<void> {
  const store = await RocksDbStore.open(at);
  try {
    const corrupt = { code: 'STORAGE_CORRUPT', details: { key: Buffer.from(damaged).toString('hex') } };
    for (const key of keys.filter((each) => each !== damaged))
      expect(isValueOf(key, (await store.get(key))!)).toBe(true);
    await expect(store.get(damaged)).rejects.toMatchObject(corrupt);
    await expect(store.getMany(keys)).rejects.toMatchObject(corrupt);
    await expect(readBatches(store)).rejects.toMatchObject(corrupt);
    // Together with others in one trip: only the damaged one fails.
    const together = await Promise.allSettled(keys.map((key) => store.get(key)));
    expect(together.filter(({ status }) => status === 'rejected').length).toBe(1);
  } finally {
    await store.close();
  }
}

async function expectAcknowledged(at: string, acks: readonly number[]): Promise<void> {
  const store = await RocksDbStore.open(at);
  const found = await readBatches(store);
  await store.close();
  expect(acks.filter((n) => !found.has(n))).toEqual([]);
}

interface Child {
  readonly lines: readonly string[];
  /** Resolves when the child has printed this line. */
  line(expected: string): Promise<void>;
  /** Resolves when the child has ended by itself. */
  end(): Promise<void>;
  kill(): Promise<void>;
  isRunning(): boolean;
  acknowledged(): number[];
  errors(): string[];
}

function child(args: readonly string[], prefix: readonly string[] = []): Child {
  const [file, ...rest] = [...prefix, process.execPath, CHILD, ...args];
  const started: ChildProcess = spawn(file!, rest, {
    stdio: ['pipe', 'pipe', 'inherit'],
    // A group of its own: a signal reaches the store also through strace.
    detached: true,
    // One thread, so that "the 25th fdatasync", which strace counts per thread, is one moment of the process.
    env: { ...process.env, UV_THREADPOOL_SIZE: '1' },
  });
  const lines: string[] = [];
  const output = createInterface(started.stdout!);
  output.on('line', (line) => lines.push(line));
  const closed = once(started, 'close');
  const isRunning = (): boolean => started.exitCode === null && started.signalCode === null;
  const after = (prefixed: string): string[] =>
    lines.filter((line) => line.startsWith(prefixed)).map((line) => line.slice(prefixed.length));
  const handle: Child = {
    lines,
    isRunning,
    async line(expected) {
      while (!lines.includes(expected)) {
        if (!isRunning()) throw new Error(`the child ended before "${expected}": ${lines.slice(-3).join(' | ')}`);
        await Promise.race([once(output, 'line'), closed]);
      }
    },
    async end() {
      await closed;
    },
    async kill() {
      if (isRunning()) process.kill(-started.pid!, 'SIGKILL');
      await closed;
    },
    acknowledged: () => after('ack ').map(Number),
    errors: () => after('error '),
  };
  children.push(handle);
  return handle;
}

function mountTmpfs(at: string, size: string): void {
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'atoll-test', at], {
    encoding: 'utf8',
  });
  if (status !== 0)
    throw new Error(`this test fills a small disk and needs the right to mount a tmpfs (root): ${stderr}`);
  mounts.push(at);
}

function requireStrace(): void {
  if (spawnSync('strace', ['-V']).status === 0) return;
  spawnSync('apt-get', ['update', '-qq']);
  const { status, stderr } = spawnSync('apt-get', ['install', '-y', '-qq', 'strace'], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`this test fails fsync with strace; "apt-get install -y strace" failed: ${stderr}`);
}

function command(file: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(file, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${file} ${args.join(' ')} failed: ${stderr}`);
}

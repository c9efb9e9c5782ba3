/**
 * @module
 * Owns the tests of opening data directories: new ones, ours, those of others, and those that cannot be opened.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { RocksDbStore } from '../../server/storage/rocksdb-store.ts';

let root: string;
let directory: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'atoll-directory-'));
  directory = join(root, 'nested', 'data');
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

test('[ST14] a new directory is created with its format on record, and opens again', async () => {
  for (let round = 0; round < 2; round++) await (await RocksDbStore.open(directory)).close();
  expect(readFileSync(join(directory, 'FORMAT'), 'utf8')).toBe('atoll-storage 2\n');
});

test('[ST14] a directory of a later format is refused and left alone', async () => {
  await (await RocksDbStore.open(directory)).close();
  writeFileSync(join(directory, 'FORMAT'), 'atoll-storage 3\n');
  const before = readdirSync(directory);
  await expect(RocksDbStore.open(directory)).rejects.toMatchObject({
    code: 'STORAGE_FORMAT_UNSUPPORTED',
    details: { directory, format: 'atoll-storage 3' },
  });
  expect(readdirSync(directory)).toEqual(before);
});

test('[ST14] a RocksDB database of another program is refused and left alone', async () => {
  await (await RocksDbStore.open(directory)).close();
  rmSync(join(directory, 'FORMAT'));
  const before = readdirSync(directory);
  await expect(RocksDbStore.open(directory)).rejects.toMatchObject({ code: 'STORAGE_FORMAT_UNSUPPORTED' });
  expect(readdirSync(directory)).toEqual(before);
});

test('a crash before the format was on record leaves a directory that opens', async () => {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'FORMAT.new'), 'atoll-st');
  await (await RocksDbStore.open(directory)).close();
  expect(readFileSync(join(directory, 'FORMAT'), 'utf8')).toBe('atoll-storage 2\n');
});

test('a path that cannot be a directory is reported with its name', async () => {
  writeFileSync(join(root, 'file'), '');
  const opened = RocksDbStore.open(join(root, 'file', 'data'));
  await expect(opened).rejects.toMatchObject({
    code: 'STORAGE_OPEN_FAILED',
    details: { directory: join(root, 'file', 'data') },
  });
  await expect(opened).rejects.toThrow(/ENOTDIR/);
});

test('a file system that takes no directories is reported, and the process does not spin', async () => {
  for (const directory of ['/proc/atoll', '/proc/atoll/deeper']) {
    const opened = RocksDbStore.open(directory);
    await expect(opened).rejects.toMatchObject({ code: 'STORAGE_OPEN_FAILED', details: { directory } });
  }
});

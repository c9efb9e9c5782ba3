/**
 * @module
 * Owns the proof that the published declarations are whole: what is kept out of them (`@internal`) is named nowhere else in them. Compilers of
 * programs check that unless they are told not to look at libraries.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const OPTIONS = {
  module: 'node20',
  lib: ['es2023', 'dom'],
  types: ['node'],
  typeRoots: [resolve('node_modules/@types')],
  strict: true,
  noEmit: true,
  skipLibCheck: false,
};

test('[LF60] the declarations of every entry compile in a program that checks its libraries, too', async () => {
  const { exports } = JSON.parse(readFileSync('package.json', 'utf8')) as { exports: Record<string, string> };
  const files = Object.values(exports)
    .filter((file) => file.endsWith('.js'))
    .map((file) => resolve(file.replace(/\.js$/, '.d.ts')));
  expect(files.length).toBeGreaterThan(4);
  // Below the checkout, so that the packages that declarations import are found.
  const folder = mkdtempSync(join('dist', 'declarations-'));
  try {
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: OPTIONS, files }));
    const { stdout } = await compile(folder);
    const faults = stdout
      .split('\n')
      .filter((line) => /^(\.\.\/|dist\/).*error/.test(line) && !/node_modules/.test(line));
    expect(faults).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

async function compile(folder: string): Promise<{ readonly stdout: string }> {
  try {
    return await promisify(execFile)(process.execPath, ['node_modules/typescript/bin/tsc', '-p', folder]);
  } catch (error) {
    return error as { readonly stdout: string };
  }
}

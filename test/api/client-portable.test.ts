/**
 * @module
 * Owns the proof that the client is what it says: a handful of files that need nothing but what browsers have, too.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';

test('[CC10] the client imports nothing but its own files', () => {
  const files = new Set<string>();
  const foreign: string[] = [];
  const visit = (file: string): void => {
    if (files.has(file)) return;
    files.add(file);
    for (const [, specifier] of readFileSync(file, 'utf8').matchAll(/(?:from|import)\s*\(?\s*['"]([^'"]+)['"]/g)) {
      if (specifier!.startsWith('.')) visit(join(dirname(file), specifier!));
      else foreign.push(`${file}: ${specifier}`);
    }
  };
  visit('dist/cli/client.js');
  expect(foreign).toEqual([]);
  const outside = [...files].filter((file) => !file.startsWith('dist/cli/client'));
  expect(outside).toEqual(['dist/crdt/errors.js']);
  expect(files.size).toBeGreaterThan(15);
});

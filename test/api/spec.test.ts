/**
 * @module
 * Owns the checks that SPEC.md and the code say the same: rule ids against test names, the error table against the code unions.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const spec = readFileSync('SPEC.md', 'utf8');

test('every rule in SPEC.md is quoted by a test, and every quoted rule is in SPEC.md', () => {
  const [binding] = spec.split('\n## Planned\n');
  const rules = matches(binding!, /^- \*\*([A-Z]{1,2}\d+)\*\*/gm);
  const quoted = new Set<string>();
  for (const file of sources('test').filter((path) => /\.test\.ts$|\/contract\//.test(path))) {
    // A string that begins with ids: the name of a test, written in place or in a table of cases.
    for (const ids of matches(readFileSync(file, 'utf8'), /['"`]((?:\[[A-Z]{1,2}\d+\]\s*)+)/g)) {
      for (const id of matches(ids, /\[([A-Z]{1,2}\d+)\]/g)) quoted.add(id);
    }
  }
  expect(rules.length, 'rules found in SPEC.md').toBeGreaterThan(30);
  expect(new Set(rules).size, 'each rule is stated once').toBe(rules.length);
  expect({
    rulesWithoutTest: rules.filter((id) => !quoted.has(id)),
    testsWithoutRule: [...quoted].filter((id) => !rules.includes(id)),
  }).toEqual({ rulesWithoutTest: [], testsWithoutRule: [] });
});

test('the error table in SPEC.md lists exactly the codes of the code unions', () => {
  const declared: string[] = [];
  for (const file of ['crdt', 'sync', 'server', 'cli'].flatMap(sources)) {
    for (const union of matches(readFileSync(file, 'utf8'), /export type \w+ErrorCode =([^;]+);/g)) {
      declared.push(...matches(union, /'([A-Z_]+)'/g));
    }
  }
  const [, errors] = spec.split('\n## Errors\n');
  const listed = matches(errors!.split('\n## ')[0]!, /^\| `([A-Z_]+)` \| [^|]+ \| [^|]+ \|$/gm);
  expect(listed.toSorted()).toEqual(declared.toSorted());
});

test('no source file is longer than 500 lines', () => {
  const long = ['crdt', 'sync', 'server', 'cli', 'bench', 'test']
    .flatMap(sources)
    .filter((file) => readFileSync(file, 'utf8').split('\n').length > 501);
  expect(long).toEqual([]);
});

function sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => join(folder, file));
}

function matches(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([, group]) => group!);
}

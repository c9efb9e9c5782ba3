/**
 * @module
 * Owns the public surface: what every entry of package.json exports, kept in `test/golden/api/` so that a change of it is seen
 * in review. Regenerate with `GOLDEN=1 npm run test:api`.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { expect, test } from 'vitest';

const GOLDEN = join('test', 'golden', 'api');
const { exports: entries } = JSON.parse(readFileSync('package.json', 'utf8')) as { exports: Record<string, string> };
const modules = Object.entries(entries).filter(([, file]) => file.endsWith('.js'));

for (const [entry, file] of modules) {
  test(`the declarations of atolldb${entry.slice(1)} are those on record`, () => {
    const surface = surfaceOf(file.replace(/\.js$/, '.d.ts'));
    const golden = join(GOLDEN, `${entry === '.' ? 'index' : entry.slice(2)}.txt`);
    if (process.env['GOLDEN'] === '1') {
      mkdirSync(GOLDEN, { recursive: true });
      writeFileSync(golden, surface);
    }
    expect(surface, 'regenerate with GOLDEN=1 npm run test:api, and look at the difference').toBe(
      readFileSync(golden, 'utf8'),
    );
  });
}

test('crdt and sync compile without Node types: they run in browsers', () => {
  const { stdout, status } = spawnSync('npx', ['tsc', '-p', 'test/api/portable.tsconfig.json'], { encoding: 'utf8' });
  expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
});

/** The declaration files that an entry reaches, up to the next entry; comments and source maps left out. */
function surfaceOf(entry: string): string {
  const parts = new Map<string, string>();
  const others = new Set(modules.map(([, file]) => join(file.replace(/\.js$/, '.d.ts'))));
  const visit = (file: string): void => {
    const path = existsSync(file) ? file : file.replace(/\.d\.ts$/, '/index.d.ts');
    if (parts.has(path) || (parts.size > 0 && others.has(path))) return;
    const text = readFileSync(path, 'utf8')
      .replaceAll(/\/\*[\s\S]*?\*\//g, '')
      .replaceAll(/^\/\/# sourceMappingURL=.*$/gm, '')
      .replaceAll(/^ *\n/gm, '');
    parts.set(path, text);
    for (const [, specifier] of text.matchAll(/(?:from|import\() ?'(\.[^']+)'/g)) {
      visit(join(dirname(path), specifier!.replace(/\.[jt]s$/, '.d.ts')));
    }
  };
  visit(join(entry));
  return [...parts].map(([path, text]) => `// ${relative('dist', path)}\n${text}`).join('\n');
}

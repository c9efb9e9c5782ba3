/**
 * @module
 * Owns what the browser entries weigh: bundled for browsers with all they import, minified and compressed by gzip.
 */
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { expect, test } from 'vitest';

const KB = 1000;

/**
 * `max` is what a change must not exceed without somebody seeing it, `goal` what is aimed at. Yjs and lib0 alone are 24 kB.
 * Everything that an entry exports is counted; an import of a part weighs less.
 */
const BUNDLES = [
  {
    name: 'a page with JSON over a Y.Doc',
    source: `export { openDocument } from './dist/crdt/index.js';`,
    max: 46,
    goal: 40,
  },
  { name: 'atolldb/crdt', source: `export * from './dist/crdt/index.js';`, max: 64, goal: 40 },
  {
    name: 'atolldb/crdt + atolldb/sync',
    source: `export * from './dist/crdt/index.js'; export * from './dist/sync/index.js';`,
    max: 196,
    goal: 70,
  },
  {
    name: 'a page with a replica on IndexedDB',
    source: `export { createReplica, IndexedDbStore } from './dist/sync/index.js';`,
    max: 151,
    goal: 70,
  },
  {
    name: 'a page with a leaf on IndexedDB',
    source: `export { createLeaf, IndexedDbStore } from './dist/sync/index.js';`,
    max: 72,
    goal: 70,
  },
  { name: 'atolldb/client', source: `export * from './dist/cli/client.js';`, max: 15, goal: 15 },
];

test.each(BUNDLES)('[EM6] $name bundles for browsers within $max kB', async ({ name, source, max, goal }) => {
  // An import of Node would not resolve.
  const { outputFiles } = await build({
    stdin: { contents: source, resolveDir: process.cwd() },
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    write: false,
  });
  const bytes = gzipSync(outputFiles[0]!.contents, { level: 9 }).length;
  process.stdout.write(`${name}: ${(bytes / KB).toFixed(1)} kB (at most ${max}, goal ${goal})\n`);
  expect(bytes).toBeLessThanOrEqual(max * KB);
});

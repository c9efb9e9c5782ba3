/**
 * @module
 * Owns the bundle of the command line: our modules and TypeBox, some 800 files, in a few. Loading them one by one is half of the processor
 * time in which a node starts and of what `atoll doc get` takes. Everything else of node_modules stays outside, so it is
 * there once, also for who embeds a node. Names are not kept: that would define a property of every closure whenever one is made.
 */
import { readFileSync, readdirSync, rmSync } from 'node:fs';
import { build } from 'esbuild';

const OUT = 'dist/cli';
const CHUNK = 'bin-';

const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
const inlined = new Set(['typebox', '@fastify/type-provider-typebox']);

for (const name of readdirSync(OUT)) if (name.startsWith(CHUNK)) rmSync(`${OUT}/${name}`);
await build({
  entryPoints: ['cli/bin.ts'],
  outdir: OUT,
  chunkNames: `${CHUNK}[hash]`,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  external: Object.keys(dependencies)
    .filter((name) => !inlined.has(name))
    .flatMap((name) => [name, `${name}/*`]),
  logLevel: 'warning',
});

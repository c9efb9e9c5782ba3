/**
 * @module
 * Owns the proof that the checks of the invariants can fail: for each invariant a known bug is put into a copy of the sources, and
 * must be caught, by the simulation or, where that is blind by its nature, by the tests named.
 *
 *     npm run test:mutants [-- --only NAME]
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { MUTANTS, mutate, type Mutant } from './mutant-list.ts';

const MINUTES_MAX = 4;
const SIMULATION_PARTS = [
  'crdt',
  'sync',
  'test/simulation',
  'test/helper/index-check.ts',
  'package.json',
  'tsconfig.json',
];
const TEST_PARTS = [
  'crdt',
  'sync',
  'server',
  'cli',
  'bench',
  'test',
  'package.json',
  'tsconfig.json',
  'vitest.config.ts',
];

function build(source: string, mutant: Mutant): string {
  const root = mkdtempSync(path.join(tmpdir(), `atoll-mutant-${mutant.name}-`));
  const parts = mutant.test === undefined ? SIMULATION_PARTS : TEST_PARTS;
  for (const folder of parts) {
    cpSync(path.join(source, folder), path.join(root, folder), { recursive: true });
  }
  symlinkSync(path.join(source, 'node_modules'), path.join(root, 'node_modules'));
  const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');
  for (const [file, text] of mutate(mutant, read)) writeFileSync(path.join(root, file), text);
  if (mutant.test !== undefined) return root;
  const tsc = path.join(source, 'node_modules/.bin/tsc');
  execFileSync(tsc, ['-p', 'tsconfig.json', '--noCheck'], { cwd: root, stdio: 'inherit' });
  return root;
}

/** Runs a test file; returns the first test that failed, or null. */
function runTest(root: string, test: string): string | null {
  const vitest = path.join(root, 'node_modules/vitest/vitest.mjs');
  const { status, stdout, stderr } = spawnSync(process.execPath, [vitest, 'run', test], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1' },
  });
  const failed = `${stdout}\n${stderr}`.split('\n').find((line) => line.includes('FAIL'));
  if (failed !== undefined) return failed.trim().slice(0, 220);
  // A file that could not run has proved nothing.
  if (status !== 0) throw new Error(`${test} did not run:\n${stdout.slice(-1000)}${stderr.slice(-1000)}`);
  return null;
}

/** Runs seeds until one fails; returns the first line that says why, or null. */
function hunt(root: string): string | null {
  const campaign = path.join(root, 'dist/test/simulation/campaign.js');
  const args = [campaign, '--until-failure', '--first', '1', '--minutes', String(MINUTES_MAX)];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  const lines = stdout.split('\n');
  const seed = lines.find((line) => /^Simulation seed \d+ failed/.test(line));
  const runs = lines.find((line) => line.startsWith('seeds from'));
  if (seed === undefined) {
    console.log(stdout.slice(-2000), stderr.slice(-2000));
    return null;
  }
  const why = lines[lines.indexOf(seed) + 1] ?? '';
  return `seed ${/\d+/.exec(seed)![0]} ${why.slice(0, 220)} (${runs})`;
}

function main(): void {
  const { values } = parseArgs({ options: { only: { type: 'string' } } });
  const source = process.cwd();
  let survivors = 0;
  for (const mutant of MUTANTS) {
    if (values.only !== undefined && values.only !== mutant.name) continue;
    const root = build(source, mutant);
    try {
      const caught = mutant.test === undefined ? hunt(root) : runTest(root, mutant.test);
      if (caught === null) survivors++;
      console.log(
        `${mutant.invariant} ${mutant.name} (${mutant.bug}): ${caught === null ? 'NOT CAUGHT' : `caught by ${caught}`}`,
      );
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  }
  if (survivors > 0) {
    console.error(`${survivors} mutants survived: the simulation is blind to them`);
    process.exitCode = 1;
  }
}

main();

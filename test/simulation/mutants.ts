/**
 * @module
 * Owns the proof that the simulation can fail: known bugs are put into a copy of the sources, and each must be caught.
 *
 *     npm run test:mutants [-- --only NAME]
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';

interface Mutant {
  readonly name: string;
  /** What a user would suffer. */
  readonly bug: string;
  readonly edits: readonly Edit[];
}

interface Edit {
  readonly file: string;
  /** Must occur exactly once. */
  readonly find: string;
  readonly replace: string;
}

const MINUTES_MAX = 4;

const MUTANTS: readonly Mutant[] = [
  {
    name: 'reply-before-persist',
    bug: 'a write is acknowledged before it is durable',
    edits: [
      {
        file: 'sync/database.ts',
        find: '        if (slot.hasOpenChanges) await this.parts.commit.join(this);\n      }\n',
        replace: '        if (slot.hasOpenChanges) this.parts.commit.join(this).catch(() => undefined);\n      }\n',
      },
    ],
  },
  {
    name: 'push-before-persist',
    bug: 'a batch is sent to peers before it is durable',
    edits: [
      {
        file: 'sync/group-commit.ts',
        find: '      await this.#store.batch(',
        replace: '      for (const changes of sealed) changes.durable();\n      await this.#store.batch(',
      },
      {
        file: 'sync/group-commit.ts',
        find: '      for (const changes of sealed) changes.durable();\n      group',
        replace: '      group',
      },
    ],
  },
  {
    name: 'dropped-batch',
    bug: 'a receiver skips a batch and advances its vector all the same',
    edits: [
      {
        file: 'sync/ingest.ts',
        find: '  applyRecords(database, registry, batch, slots);',
        replace: '  if (batch.firstSeq % 5 !== 3) applyRecords(database, registry, batch, slots);',
      },
    ],
  },
  {
    name: 'reused-epoch',
    bug: 'a node keeps its origin and client id after its disk was set back',
    edits: [
      {
        file: 'sync/identity.ts',
        find: 'const origin = drawOrigin(random, owners);',
        replace: 'const origin = 2 ** 33 + Number.parseInt(nodeId.slice(0, 8), 16);',
      },
    ],
  },
  {
    name: 'forgotten-dependencies',
    bug: 'a batch does not say what it builds on',
    edits: [{ file: 'sync/log.ts', find: 'deps: [...this.#deps]', replace: 'deps: []' }],
  },
];

function applyEdit(root: string, { file, find, replace }: Edit): void {
  const target = path.join(root, file);
  const source = readFileSync(target, 'utf8');
  const parts = source.split(find);
  if (parts.length !== 2)
    throw new Error(`the patch no longer applies: ${JSON.stringify(find)} occurs ${parts.length - 1} times in ${file}`);
  writeFileSync(target, parts.join(replace));
}

function build(source: string, mutant: Mutant): string {
  const root = mkdtempSync(path.join(tmpdir(), `atoll-mutant-${mutant.name}-`));
  for (const folder of ['crdt', 'sync', 'test/simulation', 'package.json', 'tsconfig.json']) {
    cpSync(path.join(source, folder), path.join(root, folder), { recursive: true });
  }
  symlinkSync(path.join(source, 'node_modules'), path.join(root, 'node_modules'));
  for (const edit of mutant.edits) applyEdit(root, edit);
  const tsc = path.join(source, 'node_modules/.bin/tsc');
  execFileSync(tsc, ['-p', 'tsconfig.json', '--noCheck'], { cwd: root, stdio: 'inherit' });
  return root;
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
      const caught = hunt(root);
      if (caught === null) survivors++;
      console.log(`${mutant.name} (${mutant.bug}): ${caught === null ? 'NOT CAUGHT' : `caught by ${caught}`}`);
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

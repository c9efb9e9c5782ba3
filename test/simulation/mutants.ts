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

interface Mutant {
  readonly name: string;
  readonly invariant: string;
  /** What a user would suffer. */
  readonly bug: string;
  /** A test file that has to fail; default: the simulation has to find a seed. */
  readonly test?: string;
  readonly edits: readonly Edit[];
}

interface Edit {
  readonly file: string;
  /** Must occur exactly once. */
  readonly find: string;
  readonly replace: string;
}

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

const MUTANTS: readonly Mutant[] = [
  {
    name: 'reply-before-persist',
    invariant: 'I1',
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
    invariant: 'I1',
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
    invariant: 'I3',
    bug: 'a receiver skips a batch and advances its vector all the same',
    edits: [
      {
        file: 'sync/ingest.ts',
        find: '  if (!applyRecords(database, registry, batch, slots))',
        replace: '  if (batch.firstSeq % 5 !== 3 && !applyRecords(database, registry, batch, slots))',
      },
    ],
  },
  {
    name: 'reused-epoch',
    invariant: 'I2',
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
    invariant: 'I6',
    bug: 'a batch does not say what it builds on',
    edits: [
      {
        file: 'sync/log.ts',
        find: 'const deps = firstSeq === 1 ? this.#beginning() : [...this.#deps];',
        replace: "const deps: BatchHeader['deps'] = [];",
      },
    ],
  },
  {
    name: 'rewritten-batch',
    invariant: 'I4',
    bug: 'a node forwards other bytes than it received',
    edits: [
      {
        file: 'sync/log.ts',
        find: '    this.#batches.push({ origin: header.origin, firstSeq: header.firstSeq, lastSeq: lastSeqOf(header), bytes });',
        replace:
          '    const altered = bytes.slice();\n    if (header.firstSeq % 7 === 3) altered[altered.length - 1]! ^= 1;\n' +
          '    this.#batches.push({ origin: header.origin, firstSeq: header.firstSeq, lastSeq: lastSeqOf(header), bytes: altered });',
      },
    ],
  },
  {
    name: 'choosy-receiver',
    invariant: 'I5',
    bug: 'a node refuses what others admitted',
    edits: [
      {
        file: 'sync/ingest.ts',
        find: '  if (!applyRecords(database, registry, batch, slots))',
        replace:
          "  if (batch.records.some((record) => record.kind === 'update' && record.update.length > 900))\n" +
          "    throw new SyncError('SYNC_BATCH_MALFORMED', 'too long for this node');\n" +
          '  if (!applyRecords(database, registry, batch, slots))',
      },
    ],
  },
  {
    name: 'unindexed-cut',
    invariant: 'I7',
    bug: 'the log is cut and nobody notes which documents it changed',
    edits: [{ file: 'sync/log-cutter.ts', find: '      ...entries,\n', replace: '' }],
  },
  {
    name: 'hasty-collector',
    invariant: 'I8',
    bug: 'a tombstone is forgotten although one member has not seen the delete',
    edits: [
      {
        file: 'sync/stability.ts',
        find: '[...words.values()].map((word)',
        replace: '[...words.values()].slice(1).map((word)',
      },
    ],
  },
  {
    name: 'hasty-fold',
    invariant: 'I9',
    bug: 'an origin is listed no more although nobody who began later has seen all of it',
    edits: [
      {
        file: 'sync/lineage.ts',
        find: 'if (entry === undefined || entry.seq > seq) continue;',
        replace: 'if (entry === undefined) continue;',
      },
    ],
  },
  {
    name: 'unsummed-write',
    invariant: 'I9',
    bug: 'a write is left out of the digest',
    edits: [
      {
        file: 'sync/document-table.ts',
        find: '    this.sums.replace(slot.viewKey.subarray(5), countedIn(durable), counted);',
        replace:
          '    if (slot.vector.size !== 2)\n' +
          '      this.sums.replace(slot.viewKey.subarray(5), countedIn(durable), counted);',
      },
    ],
  },
  {
    name: 'boundless-window',
    invariant: 'I10',
    bug: 'a sender ignores the window of a slow peer',
    test: 'test/unit/sync/link.test.ts',
    edits: [
      {
        file: 'sync/link/flow.ts',
        find: '    return used === 0 || used + weight <= this.#windowBytes;',
        replace: '    return used + weight <= this.#windowBytes * 1000;',
      },
    ],
  },
  {
    name: 'early-credit',
    invariant: 'I11',
    bug: 'credit goes back before what it stands for is durable',
    test: 'test/unit/sync/link.test.ts',
    edits: [
      {
        file: 'sync/link/flow.ts',
        find: 'open: number): FlowToken {',
        replace: 'open: number): FlowToken {\n    open = 0;',
      },
    ],
  },
  {
    name: 'open-gate',
    invariant: 'I12',
    bug: 'a removed node is let in, because it knows the secret',
    test: 'test/unit/sync/membership.test.ts',
    edits: [
      {
        file: 'sync/link/peers.ts',
        find: '    if (this.#dependencies.isRemoved?.(nodeId) === true) return link.close(CLOSE_CODES.FENCED, REMOVED);\n',
        replace: '',
      },
    ],
  },
  {
    name: 'unsynced-commit',
    invariant: 'I13',
    bug: 'a commit does not wait for the disk',
    edits: [{ file: 'sync/group-commit.ts', find: '{ sync: true }', replace: '{ sync: false }' }],
  },
  {
    name: 'impatient-session',
    invariant: 'SE1',
    bug: 'a node answers a session although it has seen less',
    edits: [
      {
        file: 'sync/sessions.ts',
        find: '    return this.#wait({ seen, missing, missingSystem }, waitMs);\n',
        replace: '    return null;\n',
      },
    ],
  },
  {
    name: 'forgetful-key',
    invariant: 'SE7',
    bug: 'a keyed write that two nodes did counts twice',
    edits: [
      {
        file: 'sync/operation.ts',
        find: '  for (const { origin: client, results } of repetitionsOf(operation)) {\n',
        replace: '  for (const { origin: client, results } of repetitionsOf(operation).slice(0, 0)) {\n',
      },
    ],
  },
  {
    name: 'stale-portion',
    invariant: 'QU8',
    bug: 'an index keeps what its build read of documents that changed meanwhile',
    edits: [
      {
        file: 'sync/query/index-set.ts',
        find: '      if (changed?.has(id) === true) continue;\n',
        replace: '',
      },
    ],
  },
  {
    name: 'deaf-to-digests',
    invariant: 'I9',
    bug: 'replicas whose digests differ under one vector stay different',
    test: 'test/simulation/repair.sim.test.ts',
    edits: [
      {
        file: 'sync/link/reconciler.ts',
        find: '    const isEqual = isSame(ours.digest, theirs.digest);\n',
        replace: '    const isEqual = isSame(ours.vector, theirs.vector);\n',
      },
    ],
  },
  {
    name: 'trusting-scrub',
    invariant: 'I9',
    bug: 'documents that are gone from a disk are missed by nobody',
    test: 'test/simulation/repair.sim.test.ts',
    edits: [
      {
        file: 'sync/healing.ts',
        find: '    if (isEqual) return this.#correctStats(database, before, stats);\n',
        replace: '    return this.#correctStats(database, before, stats);\n',
      },
    ],
  },
  {
    name: 'one-sided-content',
    invariant: 'I9',
    bug: 'two contents under one version are kept for ever',
    test: 'test/simulation/repair.sim.test.ts',
    edits: [
      {
        file: 'sync/healing.ts',
        find: "      if (order < 0) this.quarantine(database, name, 'content', peer);\n",
        replace: "      if (order > 300) this.quarantine(database, name, 'content', peer);\n",
      },
    ],
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
  const parts = mutant.test === undefined ? SIMULATION_PARTS : TEST_PARTS;
  for (const folder of parts) {
    cpSync(path.join(source, folder), path.join(root, folder), { recursive: true });
  }
  symlinkSync(path.join(source, 'node_modules'), path.join(root, 'node_modules'));
  for (const edit of mutant.edits) applyEdit(root, edit);
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

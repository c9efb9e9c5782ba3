/**
 * @module
 * Owns `npm run bench`: runs the suites one after another and writes RESULTS.md. `--only NAME[,NAME]` runs some, `--quick` runs
 * small, `--partition-seconds N` cuts nodes off from each other for so long; none overwrites the results unless `--out FILE` says where to.
 */
import { writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { CONFIG, QUICK_CONFIG, withPartition } from './config.ts';
import { describeEnvironment } from './environment.ts';
import { PROJECT_DIRECTORY } from './harness/project.ts';
import { withScratch } from './harness/scratch.ts';
import { judge, renderLine, renderMarkdown, type SuiteResult } from './report.ts';
import { bulkSuite } from './suite/bulk.ts';
import { catchUpSuite } from './suite/catch-up.ts';
import { crdtSuite } from './suite/crdt.ts';
import { editorsSuite } from './suite/editors.ts';
import { feedSuite } from './suite/feed.ts';
import { healSuite } from './suite/heal.ts';
import { httpSuite } from './suite/http.ts';
import { memorySuite } from './suite/memory.ts';
import { propagationSuite } from './suite/propagation.ts';
import { querySuite } from './suite/query.ts';
import { repairSuite } from './suite/repair.ts';
import { replicationSuite } from './suite/replication.ts';
import { sessionSuite } from './suite/session.ts';
import { storeSuite } from './suite/store.ts';
import type { Suite } from './suite/suite.ts';

const SUITES: readonly Suite[] = [
  httpSuite,
  bulkSuite,
  propagationSuite,
  feedSuite,
  editorsSuite,
  catchUpSuite,
  replicationSuite,
  healSuite,
  crdtSuite,
  storeSuite,
  memorySuite,
  repairSuite,
  querySuite,
  sessionSuite,
];

const { values: flags } = parseArgs({
  options: {
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    out: { type: 'string' },
    'partition-seconds': { type: 'string' },
  },
});
const partitionSeconds = flags['partition-seconds'] === undefined ? null : Number(flags['partition-seconds']);
if (partitionSeconds !== null && !(partitionSeconds > 0)) {
  console.error(`--partition-seconds is a number above 0, not ${flags['partition-seconds']}`);
  process.exit(2);
}
const base = flags.quick ? QUICK_CONFIG : CONFIG;
const config = partitionSeconds === null ? base : withPartition(base, partitionSeconds);
const wanted = flags.only?.split(',');
const unknown = wanted?.filter((name) => !SUITES.some((suite) => suite.name === name)) ?? [];
if (unknown.length > 0) {
  console.error(`no suite ${unknown.join(', ')}; there are ${SUITES.map(({ name }) => name).join(', ')}`);
  process.exit(2);
}

const startLoad = loadavg();
const results: SuiteResult[] = [];
let hasFailed = false;
for (const suite of SUITES) {
  if (wanted !== undefined && !wanted.includes(suite.name)) continue;
  const result = await runSuite(suite);
  if (result === null) hasFailed = true;
  else results.push(result);
}

const markdown = renderMarkdown(describeEnvironment(startLoad), results);
const file =
  flags.out ??
  (config !== CONFIG || wanted !== undefined || hasFailed ? null : join(PROJECT_DIRECTORY, 'bench/RESULTS.md'));
if (file === null) process.stdout.write(markdown);
else writeFileSync(file, markdown);
const missed = results.flatMap(({ measures }) => measures.filter((measure) => judge(measure) === 'missed'));
for (const measure of missed) console.error(`missed:${renderLine(measure)}`);
console.error(file === null ? 'not written: the run was partial' : `written to ${file}`);
process.exit(hasFailed ? 1 : 0);

async function runSuite(suite: Suite): Promise<SuiteResult | null> {
  const { name, question } = suite;
  console.error(`${name}: ${question}`);
  const startMs = performance.now();
  const progress = (message: string): void => console.error(`  … ${message}`);
  try {
    const measures = await withScratch(`bench-${name}`, (directory) => suite.run({ config, directory, progress }));
    for (const measure of measures) console.error(renderLine(measure));
    return { suite: name, question, measures, seconds: (performance.now() - startMs) / 1000 };
  } catch (error) {
    console.error(error);
    return null;
  }
}

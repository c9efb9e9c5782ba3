/**
 * @module
 * Owns `npm run demo:partition`: the whole proof, with its report. `--small` is the size of the test, `--json` for programs,
 * `--seed N` for another choice of cities. Exit code 0 when every promise held.
 */
import { parseArgs } from 'node:util';
import { withScratch } from './harness/scratch.ts';
import { provePartition } from './partition/proof.ts';
import { renderProof } from './partition/report.ts';
import { SMALL_SCALE, WHOLE_SCALE } from './partition/scale.ts';

const { values: flags } = parseArgs({
  options: {
    small: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
  },
});
const scale = { ...(flags.small ? SMALL_SCALE : WHOLE_SCALE), seed: Number(flags.seed) };
const progress = (message: string): void => console.error(`… ${message}`);
const report = await withScratch('partition', (directory) => provePartition({ scale, directory, progress }));
console.log(flags.json ? JSON.stringify(report, null, 2) : renderProof(report));
process.exit(report.passed ? 0 : 1);

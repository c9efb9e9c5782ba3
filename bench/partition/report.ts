/**
 * @module
 * Owns what a proof hands back, and how a person reads it.
 */
import type { CheckResult } from './check.ts';
import type { ProofScale } from './scale.ts';
import type { VerifyResult } from './verify-command.ts';

export interface ProofReport {
  readonly passed: boolean;
  readonly cities: number;
  readonly scale: ProofScale;
  readonly phases: readonly { readonly name: string; readonly seconds: number }[];
  /** From healing to three equal digests. */
  readonly convergenceSeconds: number;
  readonly writes: readonly { readonly node: string; readonly acknowledged: number; readonly indeterminate: number }[];
  readonly verify: VerifyResult;
  readonly checks: readonly CheckResult[];
}

export function renderProof(report: ProofReport): string {
  const { scale, phases, writes, verify, checks, passed } = report;
  const count = (value: number): string => value.toLocaleString('en-US');
  return [
    `${count(report.cities)} cities; ${count(scale.changes)} changed on each side (${count(scale.sharedDifferent)} of them the same in different fields, ` +
      `${count(scale.sharedSame)} in the same field); ${count(scale.deletes)} deleted on one side, ${count(scale.deletedEdited)} of them edited on the ` +
      `other; a counter incremented ${count(scale.increments)} times on each side`,
    '',
    ...phases.map(({ name, seconds }) => `${seconds.toFixed(2).padStart(8)} s  ${name}`),
    '',
    ...writes.map(
      ({ node, acknowledged, indeterminate }) =>
        `${node}: ${count(acknowledged)} writes acknowledged, ${count(indeterminate)} in flight when it was killed`,
    ),
    '',
    ...verify.nodes.map(({ node, digest, documents }) => `${node}  ${count(documents)} documents  digest ${digest}`),
    `atoll verify: ${verify.equal ? 'equal' : 'DIFFERENT'}, exit code ${verify.exitCode}; ${report.convergenceSeconds.toFixed(2)} s after healing`,
    '',
    ...checks.flatMap(renderCheck),
    '',
    passed ? 'PASSED: nothing acknowledged is missing' : 'FAILED',
  ].join('\n');
}

function renderCheck({ name, checked, failed, failures }: CheckResult): string[] {
  const verdict = failed === 0 ? 'ok    ' : 'FAILED';
  const count =
    failed === 0
      ? checked.toLocaleString('en-US')
      : `${failed.toLocaleString('en-US')} of ${checked.toLocaleString('en-US')}`;
  return [`${verdict}  ${name} (${count})`, ...failures.map((failure) => `          ${failure}`)];
}

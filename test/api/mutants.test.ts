/**
 * @module
 * Owns the check that the list of mutants is alive: each of its edits applies to the sources as they are, and no invariant is without one.
 * That each mutant is caught takes an hour: `npm run test:mutants`.
 */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { MUTANTS, mutate } from '../simulation/mutant-list.ts';

test.each(MUTANTS)('the mutant $name of $invariant applies', (mutant) => {
  expect(mutate(mutant, (file) => readFileSync(file, 'utf8')).size).toBeGreaterThan(0);
});

test('each invariant has a mutant', () => {
  const invariants = readFileSync('SPEC.md', 'utf8').match(/\bI\d+\b/g) ?? [];
  const uncovered = new Set(invariants);
  for (const { invariant } of MUTANTS) uncovered.delete(invariant);
  expect([...uncovered]).toEqual([]);
});

/**
 * @module
 * Owns the proof that the proof can fail: the judge of the partition experiment has to see each kind of loss.
 */
import { describe, expect, test } from 'vitest';
import { acknowledgedValues, findFault } from '../../bench/partition/expectation.ts';
import { Journal, type WriteRecord } from '../../bench/partition/journal.ts';
import type { Write } from '../../bench/partition/plan.ts';

const base = { name: 'Tarifa', population: 18_000, loc: { coordinates: [1, 2] } };
const edit = (node: string, field: string, value: string | number, isAcknowledged = true): WriteRecord => {
  const write: Write = { kind: 'merge-patch', id: 'c', field, value, base };
  return { write, node, isAcknowledged };
};
const deleted: WriteRecord = { write: { kind: 'delete', id: 'c' }, node: 'n1', isAcknowledged: true };

describe('the judge of the partition experiment', () => {
  test('[CR15] sees an acknowledged value that is neither shown nor overwritten', () => {
    expect(findFault(base, [edit('n1', 'population', 5)], { ...base, population: 5 })).toBeNull();
    expect(findFault(base, [edit('n1', 'population', 5)], base)).toContain('has 18000 at population, not 5');
  });

  test('[CR15] sees a field that nobody wrote change, appear or go', () => {
    expect(findFault(base, [], base)).toBeNull();
    expect(findFault(base, [], { ...base, name: 'Tarif' })).toContain('name');
    expect(findFault(base, [], { ...base, extra: 1 })).toContain('extra');
    expect(findFault(base, [], { name: base.name, population: base.population })).toContain('loc');
  });

  test('[CR11] sees a deleted document that is back, and a fragment of one that was edited', () => {
    expect(findFault(base, [deleted], null)).toBeNull();
    expect(findFault(base, [deleted], base)).toBe('is back although it was deleted');
    const records = [deleted, edit('n3', 'name', 'still needed')];
    expect(findFault(base, records, { ...base, name: 'still needed' })).toBeNull();
    expect(findFault(base, records, null)).toBe('is gone although it was edited');
    expect(findFault(base, records, { name: 'still needed' })).toContain('population');
  });

  test('[CR15] allows a write without an answer to have happened or not, but nothing else', () => {
    const records = [edit('n2', 'population', 5, false)];
    expect(findFault(base, records, base)).toBeNull();
    expect(findFault(base, records, { ...base, population: 5 })).toBeNull();
    expect(findFault(base, records, { ...base, population: 6 })).toContain('not 18000 or 5');
  });

  test('[CR1] wants both of two concurrent values shown or readable', () => {
    const records = [edit('n1', 'population', 5), edit('n3', 'population', 6), edit('n2', 'population', 7, false)];
    expect(acknowledgedValues(records, 'population')).toEqual([5, 6]);
    expect(findFault(base, records, base)).toContain('not 5 or 6 or 7');
  });

  test('[CR8] counts acknowledged increments exactly and unanswered ones as possible', () => {
    const journal = new Journal();
    for (const isAcknowledged of [true, true, false]) {
      journal.add({ write: { kind: 'increment', id: 'visits' }, node: 'n2', isAcknowledged });
    }
    expect(journal.increments('visits')).toEqual({ least: 2, most: 3 });
  });
});

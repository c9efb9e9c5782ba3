/** Rule CR60: numbers put where the collection declares a counter. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createReplicas, settle, type DocumentReplica } from '../../helper/crdt-replicas.ts';

const TYPES = { '/n': 'counter', '/deep/k': 'counter' } as const;

function replicas(count = 3): DocumentReplica[] {
  return createReplicas(count, () => ({ types: TYPES }));
}

/** The value that all hold after everything was delivered. */
function merged(all: readonly DocumentReplica[]): unknown {
  settle(all);
  for (const each of all) expect(each.json).toBe(all[0]!.json);
  return all[0]!.value;
}

test('[CR60] numbers put over a counter add up, whatever writes them', () => {
  const [a, b, c] = replicas() as [DocumentReplica, DocumentReplica, DocumentReplica];
  a.put({ n: 5, plain: 5, deep: { k: 1 } }, 1);
  settle([a, b, c]);
  a.put({ n: 6, plain: 6, deep: { k: 1 } }, 2);
  b.patch({ n: 8, plain: 8, deep: { k: 0 } }, 3);
  c.jsonPatch(4, { op: 'replace', path: '/n', value: 4 }, { op: 'replace', path: '/deep/k', value: 11 });
  c.operate(5, { op: 'increment', path: '/n', value: 100 });
  expect([a.value, b.value, c.value]).toEqual([
    { n: 6, plain: 6, deep: { k: 1 } },
    { n: 8, plain: 8, deep: { k: 0 } },
    { n: 104, plain: 5, deep: { k: 11 } },
  ]);
  expect(merged([a, b, c])).toEqual({ n: 108, plain: 8, deep: { k: 10 } });
  // A number that is not declared is a value, and the other one can be read.
  expect(a.document.conflicts().map(({ path }) => path)).toEqual(['/plain']);
  // What its author had seen is what counts: here everything.
  b.put({ n: 0, plain: 8, deep: { k: 10 } }, 6);
  expect(merged([a, b, c])).toEqual({ n: 0, plain: 8, deep: { k: 10 } });
});

test('[CR60] a counter that is put as it is stays untouched', () => {
  const [a, b] = replicas(2) as [DocumentReplica, DocumentReplica];
  a.put({ n: 5, other: 1 }, 1);
  settle([a, b]);
  expect(a.write({ kind: 'merge-patch', patch: { n: 5 } }, 2)).toBe(null);
  b.operate(3, { op: 'increment', path: '/n', value: 2 });
  a.put({ n: 5, other: 2 }, 4);
  expect(merged([a, b])).toEqual({ n: 7, other: 2 });
});

test('[CR60] what begins a counter is a value: of two the later is shown, the other can be read, and increments count on top', () => {
  const [a, b, c] = replicas() as [DocumentReplica, DocumentReplica, DocumentReplica];
  a.put({ n: 1 }, 1);
  b.put({ n: 10 }, 2);
  c.operate(3, { op: 'increment', path: '/n', value: 100 });
  expect(merged([a, b, c])).toEqual({ n: 110 });
  expect(a.document.conflicts()).toMatchObject([{ path: '/n', others: [{ value: 101 }] }]);
  // A conflict is settled by a value.
  a.put({ n: 50 }, 4);
  expect(merged([a, b, c])).toEqual({ n: 50 });
  expect(a.document.conflicts()).toEqual([]);
});

test('[CR60] a delete takes what its author had seen, and what is not a whole number is a value', () => {
  const [a, b] = replicas(2) as [DocumentReplica, DocumentReplica];
  a.put({ n: 5 }, 1);
  settle([a, b]);
  a.patch({ n: null }, 2);
  b.put({ n: 8 }, 3);
  expect(merged([a, b])).toEqual({ n: 3 });
  for (const [i, value] of [0.5, 'text', { x: 1 }, 7, 0.1].entries()) {
    a.put({ n: value }, 10 + 2 * i);
    expect(merged([a, b])).toEqual({ n: value });
  }
  b.operate(30, { op: 'increment', path: '/n', value: 0.2 });
  a.put({ n: 2 }, 31);
  // A set, and an increment on top of it.
  expect((merged([a, b]) as { n: number }).n).toBeCloseTo(2.2);
});

test('[CR60] a difference beyond what counts exactly is written as a value', () => {
  const [a, b] = replicas(2) as [DocumentReplica, DocumentReplica];
  a.put({ n: -Number.MAX_SAFE_INTEGER }, 1);
  settle([a, b]);
  a.put({ n: Number.MAX_SAFE_INTEGER }, 2);
  expect(merged([a, b])).toEqual({ n: Number.MAX_SAFE_INTEGER });
});

test('[CR60] what is put and added on any replica in any order is the sum of the differences', () => {
  const step = fc.record({
    by: fc.nat(2),
    act: fc.constantFrom('put', 'patch', 'increment', 'pull'),
    value: fc.integer({ min: -1000, max: 1000 }),
    from: fc.nat(2),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const all = replicas();
      all[0]!.put({ n: 0 }, 1);
      settle(all);
      let sum = 0;
      for (const [i, { by, act, value, from }] of steps.entries()) {
        const replica = all[by]!;
        const before = (replica.value as { n: number }).n;
        if (act === 'put') replica.put({ n: value }, 10 + i);
        else if (act === 'patch') replica.patch({ n: value }, 10 + i);
        else if (act === 'increment') replica.operate(10 + i, { op: 'increment', path: '/n', value });
        else {
          if (by !== from) replica.pull(all[from]!);
          continue;
        }
        sum += (replica.value as { n: number }).n - before;
      }
      expect(merged(all)).toEqual({ n: sum });
      expect(all[0]!.document.conflicts()).toEqual([]);
    }),
    { numRuns: 200 },
  );
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compareBytes } from '../../sync/store/byte-order.ts';
import { entriesOf, SortedMap } from '../../sync/store/sorted-map.ts';

/** Short keys of few letters, so that operations often meet; runs are long enough to split leaves. */
const key = fc.uint8Array({ minLength: 1, maxLength: 3, max: 12 });
const operation = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('set' as const), key, value: fc.uint8Array({ maxLength: 2 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete' as const), key }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('range' as const), gte: key, lt: key, reverse: fc.boolean() }),
  },
);

test('[ST3] [ST4] the sorted map and its snapshots agree with a plain sorted list', () => {
  const model = new Map<string, readonly [Uint8Array, Uint8Array]>();
  const sorted = () => [...model.values()].toSorted(([a], [b]) => compareBytes(a, b));
  fc.assert(
    fc.property(fc.array(operation, { minLength: 100, maxLength: 1500, size: 'max' }), (operations) => {
      model.clear();
      const map = new SortedMap();
      for (const step of operations) {
        if (step.kind === 'set') {
          map.set(step.key, step.value);
          model.set(String(step.key), [step.key, step.value]);
        } else if (step.kind === 'delete') {
          map.delete(step.key);
          model.delete(String(step.key));
        } else {
          const expected = sorted().filter(([k]) => compareBytes(k, step.gte) >= 0 && compareBytes(k, step.lt) < 0);
          const snapshot = map.snapshot();
          map.set(step.gte, Uint8Array.of(1));
          model.set(String(step.gte), [step.gte, Uint8Array.of(1)]);
          expect([...entriesOf(snapshot, step)]).toEqual(step.reverse ? expected.toReversed() : expected);
        }
        if (model.size !== map.size) throw new Error(`size ${map.size}, expected ${model.size}`);
      }
      for (const [k, value] of model.values()) expect(map.get(k)).toEqual(value);
    }),
    { numRuns: 40 },
  );
});

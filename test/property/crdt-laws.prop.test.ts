/**
 * Laws of merging whole states, and exactness of counters under reloads and repetitions.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CrdtDocument, CrdtError, normaliseState } from '../../crdt/index.ts';
import { createReplicas, settle, type DocumentReplica } from '../helper/crdt-replicas.ts';
import { chooseChange, Choices, restartNumbers, runParameters, steps, type Step } from '../helper/crdt-script.ts';

/** Three states with a common past and concurrent futures. */
function statesOf(script: readonly Step[]): Uint8Array[] {
  restartNumbers();
  const replicas = createReplicas(3);
  script.forEach((step, time) => {
    const replica = replicas[step.who % 3] as DocumentReplica;
    const choices = new Choices(step.choices);
    if (step.what % 4 === 0) {
      replica.pull(replicas[choices.next(3)] as DocumentReplica);
      return;
    }
    try {
      replica.write(chooseChange(step.what, choices, replica.json), 1000 + time);
    } catch (error) {
      if (!(error instanceof CrdtError)) throw error;
    }
  });
  return replicas.map(({ document }) => document.encode());
}

function merge(...states: readonly Uint8Array[]): Uint8Array {
  const document = CrdtDocument.create();
  for (const state of states) document.apply(state);
  return normaliseState(document.encode());
}

test('[CR14] merging states is commutative, associative and idempotent', () => {
  fc.assert(
    fc.property(steps(25), (script) => {
      const [a, b, c] = statesOf(script) as [Uint8Array, Uint8Array, Uint8Array];
      expect(merge(a, b)).toEqual(merge(b, a));
      expect(merge(merge(a, b), c)).toEqual(merge(a, merge(b, c)));
      expect(merge(a, a)).toEqual(merge(a));
      expect(merge(a, merge(a, b))).toEqual(merge(a, b));
    }),
    runParameters(150),
  );
});

test('[CR8] a counter is the sum of its increments, whatever is delivered twice, late or reloaded', () => {
  const step = fc.record({
    who: fc.nat(3),
    from: fc.nat(3),
    what: fc.nat(3),
    path: fc.nat(2),
    value: fc.integer({ min: -50, max: 50 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (script) => {
      const replicas = createReplicas(4);
      const sums = new Map<string, number>();
      script.forEach(({ who, from, what, path: choice, value }, time) => {
        const replica = replicas[who] as DocumentReplica;
        const source = replicas[from] as DocumentReplica;
        if (what === 0 && source !== replica) {
          replica.pull(source);
          const again = source.log[0];
          if (again !== undefined && (replica.applied[from] as number) > 0) replica.document.apply(again.update);
        } else if (what === 1) {
          replica.document = CrdtDocument.load(replica.document.encode());
        } else {
          const path = ['/n', '/o/n', '/o/m'][choice] as string;
          replica.operate(time, { op: 'increment', path, value });
          sums.set(path, (sums.get(path) ?? 0) + value);
        }
      });
      settle(replicas);
      for (const replica of replicas) {
        const value = (replica.json === '' ? {} : replica.value) as { n?: number; o?: { n?: number; m?: number } };
        expect(value.n).toBe(sums.get('/n'));
        expect(value.o?.n).toBe(sums.get('/o/n'));
        expect(value.o?.m).toBe(sums.get('/o/m'));
      }
    }),
    runParameters(300),
  );
});

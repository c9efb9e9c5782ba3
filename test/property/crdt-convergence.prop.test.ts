/**
 * Random writes of every kind by several replicas, delivered in random causal order with duplicates: all end equal, nothing
 * acknowledged disappears, and what a replica keeps in memory equals what it stores. SEED and RUNS override the defaults.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonicalJson, CrdtDocument, CrdtError, normaliseState } from '../../crdt/index.ts';
import { createReplicas, settle, tryWrite, type DocumentReplica } from '../helper/crdt-replicas.ts';
import { chooseChange, Choices, restartNumbers, runParameters, steps, type Step } from '../helper/crdt-script.ts';

function describe(replica: DocumentReplica): string {
  return `${replica.json} ${conflictText(replica.document)}`;
}

function conflictText(document: CrdtDocument): string {
  return canonicalJson(document.conflicts() as never);
}

/** What is in memory equals what a fresh reader of the stored bytes sees. */
function checkStored(replica: DocumentReplica): void {
  const stored = CrdtDocument.load(replica.document.encode());
  expect(stored.view()).toEqual(replica.document.view());
  expect(conflictText(stored)).toBe(conflictText(replica.document));
  expect(stored.view().conflicts).toBe(
    stored.conflicts().reduce((count, conflict) => count + conflict.others.length, 0),
  );
}

function run(count: number, script: readonly Step[], deletePolicy: 'update-wins' | 'delete-wins'): DocumentReplica[] {
  // Client ids and clocks run in opposite directions, so that no rule can lean on either.
  restartNumbers();
  const replicas = createReplicas(count, (index) => ({
    deletePolicy,
    client: 2 ** 32 + ((index * 7919) % 13) * 1000 + 1,
  }));
  script.forEach((step, time) => {
    const replica = replicas[step.who % count] as DocumentReplica;
    const choices = new Choices(step.choices);
    if (step.what % 3 === 0) {
      const from = replicas[choices.next(count)] as DocumentReplica;
      if (from !== replica) {
        for (let pulls = 1 + choices.next(4); pulls > 0; pulls--) replica.pull(from);
        const old = from.log[choices.next(from.log.length + 1)];
        if (old !== undefined && from.log.indexOf(old) < (replica.applied[from.index] as number)) {
          const before = describe(replica);
          replica.document.apply(old.update);
          expect(describe(replica)).toBe(before);
        }
        checkGap(replica, from);
      }
      return;
    }
    const skew = ((step.who * 37) % 11) * 3;
    tryWrite(replica, chooseChange(step.what, choices, replica.json), 1000 + time + skew);
    checkStored(replica);
  });
  return replicas;
}

/** An update two ahead cannot be applied, and trying changes nothing. */
function checkGap(replica: DocumentReplica, from: DocumentReplica): void {
  const ahead = from.log[(replica.applied[from.index] as number) + 1];
  if (ahead === undefined) return;
  const before = describe(replica);
  const state = replica.document.encode();
  try {
    replica.document.apply(ahead.update);
    expect.unreachable('a gap was accepted');
  } catch (error) {
    if (!(error instanceof CrdtError)) throw error;
    expect(error.code).toBe('CRDT_UPDATE_GAP');
  }
  expect(describe(replica)).toBe(before);
  expect(replica.document.encode()).toEqual(state);
}

for (const deletePolicy of ['update-wins', 'delete-wins'] as const) {
  test(`[CR14] replicas that hold the same writes show and store the same, ${deletePolicy}`, () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 5 }), steps(40), (count, script) => {
        const replicas = run(count, script, deletePolicy);
        settle(replicas);
        const [first] = replicas as [DocumentReplica];
        for (const replica of replicas) {
          checkStored(replica);
          expect(replica.json).toBe(first.json);
          expect(conflictText(replica.document)).toBe(conflictText(first.document));
          expect(normaliseState(replica.document.encode())).toEqual(normaliseState(first.document.encode()));
        }
      }),
      runParameters(200),
    );
  });
}

/**
 * What a write means to its own replica, against plain JSON; and that merging never makes a value disappear.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonicalJson, CrdtError, type Change, type JsonValue } from '../../crdt/index.ts';
import { applyReference } from '../helper/json-reference.ts';
import { createReplicas, settle, type DocumentReplica } from '../helper/crdt-replicas.ts';
import { chooseChange, Choices, restartNumbers, runParameters, steps } from '../helper/crdt-script.ts';

function usesSets(change: Change): boolean {
  return change.kind === 'operations' && change.operations.some(({ op }) => op.startsWith('set-'));
}

/** Everything a reader can find: what is shown and what is listed as losing. */
function readable(replica: DocumentReplica): string {
  return replica.json + canonicalJson(replica.document.conflicts() as never);
}

/** The uniquely numbered strings in a text. */
function tokens(text: string): Set<string> {
  return new Set(text.match(/"s\d+"/g) ?? []);
}

/** Writes unless refused; a write must do to the document what it does to plain JSON. */
function writeLikePlainJson(replica: DocumentReplica, change: Change, stamp: number): void {
  const before = (replica.json === '' ? {} : JSON.parse(replica.json)) as JsonValue;
  try {
    replica.write(change, stamp);
  } catch (error) {
    if (!(error instanceof CrdtError)) throw error;
    return;
  }
  if (change.kind === 'delete') expect(replica.json).toBe('');
  else if (replica.json !== '') expect(replica.json).toBe(canonicalJson(applyReference(before, change)));
}

test('[CR12] a write shows its author what it would make of plain JSON, whatever was merged before', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3 }), steps(30), (count, script) => {
      restartNumbers();
      const replicas = createReplicas(count);
      script.forEach((step, time) => {
        const replica = replicas[step.who % count] as DocumentReplica;
        const choices = new Choices(step.choices);
        if (step.what % 4 === 0) {
          replica.pull(replicas[choices.next(count)] as DocumentReplica);
          return;
        }
        const change = chooseChange(step.what, choices, replica.json);
        if (!usesSets(change)) writeLikePlainJson(replica, change, 1000 + time);
      });
    }),
    runParameters(300),
  );
});

test('[CR15] an acknowledged value is shown, listed as a conflict, or was removed by someone who could read it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 4 }), steps(30), (count, script) => {
      restartNumbers();
      const replicas = createReplicas(count, (index) => ({ client: 2 ** 32 + ((index * 7919) % 13) * 1000 + 1 }));
      const acknowledged = new Set<string>();
      const removed = new Set<string>();
      script.forEach((step, time) => {
        const replica = replicas[step.who % count] as DocumentReplica;
        const choices = new Choices(step.choices);
        if (step.what % 3 === 0) {
          replica.pull(replicas[choices.next(count)] as DocumentReplica);
          return;
        }
        const before = tokens(readable(replica));
        try {
          replica.write(chooseChange(step.what, choices, replica.json), 1000 + time + ((step.who * 37) % 11) * 3);
        } catch (error) {
          if (!(error instanceof CrdtError)) throw error;
        }
        const after = tokens(readable(replica));
        for (const token of after) acknowledged.add(token);
        for (const token of before) if (!after.has(token)) removed.add(token);
      });
      settle(replicas);
      const left = tokens(readable(replicas[0] as DocumentReplica));
      for (const token of acknowledged) if (!removed.has(token)) expect(left).toContain(token);
    }),
    runParameters(300),
  );
});

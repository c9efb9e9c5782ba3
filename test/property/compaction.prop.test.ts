/**
 * Documents that are compacted while they are written: in any interleaving of writes, compactions, delays and repetitions replicas end
 * equal, and nothing is gone or there twice. SEED and RUNS override the defaults.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonicalJson, CrdtDocument, isCompaction, normaliseState } from '../../crdt/index.ts';
import type { Change } from '../../crdt/index.ts';
import { compact, mayCompact } from '../helper/compacting-replicas.ts';
import { createReplicas, settle, tryWrite, type DocumentReplica } from '../helper/crdt-replicas.ts';
import { chooseChange, Choices, restartNumbers, runParameters, type Step } from '../helper/crdt-script.ts';

/** Long enough for several compactions. */
const SCRIPT: fc.Arbitrary<Step[]> = fc.array(
  fc.record({ who: fc.nat(4), what: fc.nat(99), choices: fc.array(fc.nat(1000), { minLength: 12, maxLength: 12 }) }),
  { minLength: 1, maxLength: 90, size: 'max' },
);
const TYPES = { '/a': 'text', '/b': 'set' } as const;

function shown({ document }: DocumentReplica): string {
  return `${canonicalJson(document.view() as never)} ${canonicalJson(document.conflicts() as never)}`;
}

interface Outcome {
  readonly replicas: readonly DocumentReplica[];
  readonly compactions: number;
}

type Choose = (step: Step, choices: Choices, json: string) => Change;

const any: Choose = ({ what }, choices, json) => chooseChange(what, choices, json);

function run(count: number, script: readonly Step[], choose: Choose = any): Outcome {
  restartNumbers();
  const replicas = createReplicas(count, (index) => ({
    types: TYPES,
    client: 2 ** 32 + ((index * 7919) % 13) * 1000 + 1,
  }));
  let compactions = 0;
  script.forEach((step, time) => {
    const replica = replicas[step.who % count] as DocumentReplica;
    const choices = new Choices(step.choices);
    const kind = step.what % 4;
    if (kind === 0) receive(replica, replicas[choices.next(count)] as DocumentReplica, choices);
    else if (kind === 1 && choices.next(3) === 0 && mayCompact(replicas)) {
      const [first] = replicas as [DocumentReplica];
      const before = shown(first);
      compact(first);
      compactions++;
      expect(shown(first)).toBe(before);
    } else {
      const skew = ((step.who * 37) % 11) * 3;
      tryWrite(replica, choose(step, choices, replica.json), 1000 + time + skew);
    }
  });
  return { replicas, compactions };
}

/** Updates of another replica, one of them once more. */
function receive(replica: DocumentReplica, from: DocumentReplica, choices: Choices): void {
  if (from === replica) return;
  for (let pulls = 1 + choices.next(6); pulls > 0; pulls--) replica.pull(from);
  const old = from.log[choices.next(from.log.length + 1)];
  if (old === undefined || from.log.indexOf(old) >= (replica.applied[from.index] as number)) return;
  const before = shown(replica);
  replica.document.apply(old.update);
  expect(shown(replica)).toBe(before);
}

function joined(to: DocumentReplica, from: DocumentReplica): CrdtDocument {
  const document = CrdtDocument.load(to.document.encode());
  for (const part of from.document.encodeParts()) document.apply(part);
  return document;
}

test('[CP1] [CP2] replicas that hold the same writes show and store the same, whenever one of them compacts', () => {
  let compactions = 0;
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 5 }), SCRIPT, (count, script) => {
      const outcome = run(count, script);
      const [first, ...others] = outcome.replicas as [DocumentReplica, ...DocumentReplica[]];
      compactions += outcome.compactions;
      settle(outcome.replicas, [...outcome.replicas].reverse());
      for (const other of others) {
        expect(shown(other)).toBe(shown(first));
        expect(normaliseState(other.document.encode())).toEqual(normaliseState(first.document.encode()));
      }
      for (const { document } of outcome.replicas)
        expect(CrdtDocument.load(document.encode()).view()).toEqual(document.view());
    }),
    runParameters(300),
  );
  expect(compactions).toBeGreaterThan(200);
});

test('[CP1] states merge like the updates that made them', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 4 }), SCRIPT, fc.nat(3), (count, script, who) => {
      const { replicas } = run(count, script);
      const [a, b] = [replicas[who % count]!, replicas[(who + 1) % count]!];
      if (a.document.isEmpty || b.document.isEmpty) return;
      const [one, other] = [joined(a, b), joined(b, a)];
      expect(other.view()).toEqual(one.view());
      expect(normaliseState(other.encode())).toEqual(normaliseState(one.encode()));
    }),
    runParameters(250),
  );
});

/** Writes whose outcome does not hang on places: arrays and texts grow by bits that can be told apart. */
const unordered: Choose = ({ what, choices: [number = 0] }, choices, json) => {
  const bit = `<${what}.${number}.${choices.next(1000)}>`;
  const key = 'defg'[choices.next(4)]!;
  const operate = (operation: object): Change => ({ kind: 'operations', operations: [operation] as never });
  const { a = '', c = [] } = json === '' ? {} : (JSON.parse(json) as { a?: string; c?: string[] });
  switch (number % 9) {
    case 0:
    case 1:
      return operate({ op: 'text-insert', path: '/a', index: choices.next(a.length + 1), value: bit });
    case 2:
      return operate({ op: 'set-add', path: '/b', value: choices.next(4) });
    case 3:
      return operate({ op: 'set-remove', path: '/b', value: choices.next(4) });
    case 4:
      return operate({ op: 'append', path: '/c', value: bit });
    case 5:
      return c.length === 0
        ? operate({ op: 'append', path: '/c', value: bit })
        : { kind: 'json-patch', operations: [{ op: 'remove', path: `/c/${choices.next(c.length)}` }] };
    case 6:
      return operate({ op: 'increment', path: `/n/${key}`, value: 1 + choices.next(9) });
    case 7:
      return { kind: 'merge-patch', patch: { [key]: null } };
    default:
      return { kind: 'merge-patch', patch: { [key]: bit } };
  }
};

/** What is shown, without the order of what has one. */
function unorderedView({ document }: DocumentReplica): unknown {
  const { json, conflicts, exists } = document.view();
  const value = (json === '' ? {} : JSON.parse(json)) as { a?: string; c?: string[] };
  return { ...value, a: [...(value.a ?? '')].sort(), c: [...(value.c ?? [])].sort(), conflicts, exists };
}

/** All that replicas wrote, and nothing of what they compacted. */
function withoutCompactions(replicas: readonly DocumentReplica[]): DocumentReplica {
  const twins = createReplicas(replicas.length + 1);
  const last = twins.at(-1)!;
  replicas.forEach(({ log }, index) => {
    for (const { update, deps } of log) twins[index]!.log.push({ update, deps: [...deps, 0] });
  });
  for (let isMoving = true; isMoving;) {
    isMoving = false;
    for (const twin of twins) {
      const next = twin.log[last.applied[twin.index]!];
      if (next !== undefined && isCompaction(next.update)) {
        last.applied[twin.index]!++;
        isMoving = true;
      } else if (twin !== last && last.pull(twin)) isMoving = true;
    }
  }
  return last;
}

test('[CP1] [CP3] what is there in the end is what would be there had nobody compacted anything', () => {
  let compactions = 0;
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 4 }), SCRIPT, (count, script) => {
      const outcome = run(count, script, unordered);
      compactions += outcome.compactions;
      settle(outcome.replicas);
      expect(unorderedView(outcome.replicas[0]!)).toEqual(unorderedView(withoutCompactions(outcome.replicas)));
    }),
    runParameters(250),
  );
  expect(compactions).toBeGreaterThan(150);
});

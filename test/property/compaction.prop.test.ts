/**
 * Documents that are compacted while they are written: in any interleaving of writes, preparations, decisions, delays and repetitions
 * replicas end equal, and what they show is what they would show had nobody compacted anything.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonicalJson, GenerationalDocument, normaliseState } from '../../crdt/index.ts';
import type { Change, JsonValue } from '../../crdt/index.ts';
import { createCompactingReplicas, settleAll, type CompactingReplica } from '../helper/compacting-replicas.ts';
import { chooseChange, Choices, restartNumbers, runParameters, type Step } from '../helper/crdt-script.ts';

/** Long enough for several generations. */
const SCRIPT = fc.array(
  fc.record({ who: fc.nat(4), what: fc.nat(99), choices: fc.array(fc.nat(1000), { minLength: 12, maxLength: 12 }) }),
  { minLength: 1, maxLength: 90, size: 'max' },
);
const TYPES = { '/a': 'text', '/b': 'set' } as const;
const shown = (replica: CompactingReplica): string =>
  `${canonicalJson(replica.document.view() as never)} ${canonicalJson(replica.document.conflicts() as never)}`;

interface Outcome {
  readonly replicas: readonly CompactingReplica[];
  readonly successions: number;
}

type Choose = (step: Step, choices: Choices, json: string) => Change;

function run(count: number, script: readonly Step[], choose: Choose, isHasty = false): Outcome {
  restartNumbers();
  const replicas = createCompactingReplicas(count, TYPES);
  let successions = 0;
  script.forEach((step, time) => {
    const replica = replicas[step.who % count]!;
    const choices = new Choices(step.choices);
    const other = replicas[choices.next(count)]!;
    const kind = step.what % 8;
    if (kind < 2) for (let pulls = choices.next(5); pulls > 0; pulls--) replica.pull(other);
    else if (kind === 2) settleAll(replicas.filter((each) => choices.next(4) > 0 || each === replica));
    else if (kind === 3) {
      if (choices.next(4) > 0) settleAll(replicas);
      replica.prepare(1000 + time);
    } else if (kind === 4) {
      if (choices.next(4) > 0) settleAll(replicas);
      for (const each of replicas) successions += each.decide(isHasty) === 'succeeded' ? 1 : 0;
    } else replica.write(choose(step, choices, replica.document.view().json), 1000 + time + ((step.who * 37) % 11) * 3);
    if (choices.next(5) === 0) {
      const before = shown(replica);
      replica.repeat(choices.next(100));
      replica.reload();
      expect(shown(replica)).toBe(before);
    }
  });
  settleAll(replicas);
  return { replicas, successions };
}

const any: Choose = ({ choices: [number = 0] }, choices, json) => chooseChange(number % 100, choices, json);

test('[CR20] [CR14] replicas that compact at any time hold the same in the end, in memory and on disk', () => {
  let successions = 0;
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 4 }), SCRIPT, (count, script) => {
      const outcome = run(count, script, any);
      successions += outcome.successions;
      const [first, ...others] = outcome.replicas as [CompactingReplica, ...CompactingReplica[]];
      for (const other of others) {
        expect(shown(other)).toBe(shown(first));
        expect(normaliseState(other.document.encode())).toEqual(normaliseState(first.document.encode()));
      }
      for (const replica of outcome.replicas) {
        const stored = GenerationalDocument.load(replica.document.encode());
        expect(stored.view()).toEqual(replica.document.view());
      }
    }),
    runParameters(250),
  );
  expect(successions).toBeGreaterThan(50);
});

test('[CR20] states merge like the updates that made them', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 4 }), SCRIPT, fc.nat(100), (count, script, at) => {
      const { replicas } = run(count, script.slice(0, Math.max(1, at % script.length)), any);
      const late = run(count, script, any);
      for (const replica of late.replicas) {
        // Another run of the same beginning: its states are earlier ones of the same documents.
        const before = shown(replica);
        replica.document.join(replicas[replica.index]!.document.encodeParts());
        expect(replica.document.takeAlong()).toBe(null);
        expect(shown(replica)).toBe(before);
        const behind = GenerationalDocument.load(...replicas[replica.index]!.document.encodeParts());
        behind.join(replica.document.encodeParts());
        expect(behind.takeAlong()).toBe(null);
        expect(canonicalJson(behind.view() as never)).toBe(canonicalJson(replica.document.view() as never));
        expect(normaliseState(behind.encode())).toEqual(normaliseState(replica.document.encode()));
      }
    }),
    runParameters(120),
  );
});

/** Writes whose outcome does not hang on places: arrays and texts grow by bits that can be told apart. */
function unordered({ choices: [number = 0] }: Step, choices: Choices): Change {
  const bit = `<${number}.${choices.next(1000)}>`;
  const key = 'defg'[choices.next(4)]!;
  const operate = (operation: object): Change => ({ kind: 'operations', operations: [operation] as never });
  switch (number % 9) {
    case 0:
      return operate({ op: 'text-insert', path: '/a', index: 0, value: bit });
    case 1:
      return operate({ op: 'set-add', path: '/b', value: choices.next(4) });
    case 2:
      return operate({ op: 'set-remove', path: '/b', value: choices.next(4) });
    case 3:
      return operate({ op: 'append', path: '/c', value: bit });
    case 4:
    case 5:
      return operate({ op: 'increment', path: `/n/${key}`, value: 1 + choices.next(9) });
    case 6:
      return { kind: 'merge-patch', patch: { [key]: null } };
    default:
      return { kind: 'merge-patch', patch: { [key]: choices.next(3) === 0 ? { in: bit } : bit } };
  }
}

/** Concurrent insertions may stand in another order than without compaction; replicas agree on it. */
function withoutOrder(json: string): string {
  if (json === '') return '';
  const sorted = (value: JsonValue): JsonValue => {
    if (typeof value === 'string') return (value.match(/<[^>]*>/g) ?? [value]).sort().join('');
    if (Array.isArray(value)) return value.map(sorted).sort((x, y) => (canonicalJson(x) < canonicalJson(y) ? -1 : 1));
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, sorted(each)]));
  };
  return canonicalJson(sorted(JSON.parse(json) as JsonValue) as never);
}

function isLossless({ replicas }: Outcome): boolean {
  return replicas.every(
    ({ document, plain }) =>
      withoutOrder(document.view().json) === withoutOrder(plain.view().json) &&
      document.view().conflicts === plain.view().conflicts,
  );
}

test('[CR21] compaction loses nothing, doubles nothing and brings nothing back: values and conflicts are as without it', () => {
  let successions = 0;
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 4 }), SCRIPT, (count, script) => {
      const outcome = run(count, script, unordered);
      successions += outcome.successions;
      for (const { document, plain } of outcome.replicas) {
        expect(withoutOrder(document.view().json)).toBe(withoutOrder(plain.view().json));
        expect(document.view().conflicts).toBe(plain.view().conflicts);
      }
    }),
    runParameters(250),
  );
  expect(successions).toBeGreaterThan(50);
});

test('[CR21] … but not when a successor takes over that somebody may not have followed', () => {
  const { numRuns, seed } = runParameters(250);
  const scripts = fc.sample(fc.tuple(fc.integer({ min: 2, max: 4 }), SCRIPT), { numRuns, seed });
  expect(scripts.some(([count, script]) => !isLossless(run(count, script, unordered, true)))).toBe(true);
});

/** Writes of which nothing goes when they are made again: values that stand beside each other, counts and what grows. */
function growing({ choices: [number = 0] }: Step, choices: Choices): Change {
  const bit = `<${number}.${choices.next(1000)}.${choices.next(1000)}>`;
  const operate = (operation: object): Change => ({ kind: 'operations', operations: [operation] as never });
  switch (number % 6) {
    case 0:
      return operate({ op: 'text-insert', path: '/a', index: 0, value: bit });
    case 1:
      return operate({ op: 'set-add', path: '/b', value: choices.next(4) });
    case 2:
      return operate({ op: 'append', path: '/c', value: bit });
    case 3:
    case 4:
      return operate({ op: 'increment', path: `/n/${'de'[choices.next(2)]}`, value: 1 + choices.next(9) });
    default:
      return { kind: 'merge-patch', patch: { ['fg'[choices.next(2)]!]: bit } };
  }
}

/** Values of a path, shown or not. */
function valuesAt(document: CompactingReplica['plain'] | CompactingReplica['document'], key: string): Set<unknown> {
  const json = document.view().json;
  const shown = json === '' ? undefined : (JSON.parse(json) as Record<string, unknown>)[key];
  const others = document.conflicts().filter(({ path }) => path === `/${key}`);
  return new Set([shown, ...others.flatMap(({ others: lost }) => lost.map(({ value }) => value))]);
}

test('[GC24] [CP60] [CP65] replicas that are set back at any time lose nothing, count nothing twice, and end equal, also without one of them', () => {
  let [successions, setBacks] = [0, 0];
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 4 }), SCRIPT, (count, script) => {
      restartNumbers();
      const replicas = createCompactingReplicas(count, TYPES);
      const backups = replicas.map((replica) => replica.backUp());
      script.forEach((step, time) => {
        const choices = new Choices(step.choices);
        const replica = replicas[step.who % replicas.length]!;
        const other = replicas[choices.next(replicas.length)]!;
        const kind = step.what % 10;
        if (kind < 2) for (let pulls = choices.next(5); pulls > 0; pulls--) replica.pull(other);
        else if (kind === 2) settleAll(replicas.filter((each) => choices.next(4) > 0 || each === replica));
        else if (kind === 3) {
          if (choices.next(4) > 0) settleAll(replicas);
          replica.prepare(1000 + time);
        } else if (kind === 4 || kind === 5) {
          if (choices.next(4) > 0) settleAll(replicas);
          for (const each of replicas) successions += each.decide() === 'succeeded' ? 1 : 0;
        } else if (kind === 6) backups[replica.index] = replica.backUp();
        else if (kind === 7) {
          replica.setBack(backups[replica.index]!);
          setBacks++;
          // It writes what nobody but one may hear of, and is gone for good.
          if (replicas.length > 1 && time > script.length / 2 && choices.next(2) === 0) {
            replica.write(growing(step, choices), 1000 + time);
            const heir = replicas.find((each) => each !== replica)!;
            for (let pulls = choices.next(4); pulls > 0; pulls--) heir.pull(replica);
            replicas.splice(replicas.indexOf(replica), 1);
          }
        } else replica.write(growing(step, choices), 1000 + time);
        if (choices.next(5) === 0) replica.repeat(choices.next(100));
        if (choices.next(5) === 0) replica.reload();
      });
      settleAll(replicas);
      const [first] = replicas as [CompactingReplica];
      for (const replica of replicas) {
        expect(normaliseState(replica.document.encode())).toEqual(normaliseState(first.document.encode()));
        const [own, plain] = [replica.document, replica.plain].map((document) => {
          const json = document.view().json;
          const { f: _, g: __, ...rest } = (json === '' ? {} : JSON.parse(json)) as Record<string, JsonValue>;
          return withoutOrder(JSON.stringify(rest));
        });
        expect(own).toBe(plain);
        for (const key of ['f', 'g']) {
          const kept = valuesAt(replica.document, key);
          for (const value of valuesAt(replica.plain, key)) expect(kept).toContain(value);
        }
      }
    }),
    runParameters(400),
  );
  expect(successions).toBeGreaterThan(50);
  expect(setBacks).toBeGreaterThan(200);
});

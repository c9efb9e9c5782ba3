/**
 * @module
 * Owns who writes what during the partition. Every (document, field) has at most one writer on each side, so that what must be
 * true afterwards follows from what was acknowledged.
 */
import type { JsonObject, JsonValue } from '../../crdt/index.ts';
import type { City } from '../workload/city.ts';
import { SeededRandom } from '../workload/seeded-random.ts';
import type { ProofScale } from './scale.ts';

export const DATABASE = 'app';
export const CITIES = 'cities';
export const COUNTERS = 'counters';

/** Counters by what is special about them. */
export const COUNTER = {
  /** A document from before the partition, incremented on both sides. */
  shared: 'shared',
  /** Did not exist before the partition: each side creates it by incrementing it. */
  bornApart: 'born-apart',
  /** Incremented on the node that is killed. */
  killed: 'killed',
} as const;
export const COUNTER_START = 100;
export const COUNTER_FIELD = 'value';

export type Edit = {
  readonly kind: 'merge-patch' | 'json-patch' | 'put';
  readonly id: string;
  readonly field: string;
  readonly value: JsonValue;
  /** As it was before the partition. */
  readonly base: JsonObject;
};
export type Write =
  | Edit
  | { readonly kind: 'delete'; readonly id: string }
  | { readonly kind: 'increment'; readonly id: string };

export interface Plan {
  readonly cities: readonly City[];
  /** Writes to cities by node. Nodes 1 and 2 are one side, node 3 the other. */
  readonly writes: readonly [readonly Write[], readonly Write[], readonly Write[]];
  /** Changed in the same field on both sides. */
  readonly contested: readonly string[];
  /** Changed in different fields. */
  readonly complementary: readonly string[];
  readonly counts: { readonly left: number; readonly right: number };
}

export const CONTESTED_FIELD = 'population';
const OTHER_FIELD = 'altName';
const EDIT_KINDS = ['merge-patch', 'json-patch', 'put'] as const;

export function createPlan(scale: ProofScale, all: readonly City[]): Plan {
  const random = new SeededRandom(scale.seed);
  const cities = all.slice(0, scale.cities);
  const deck = random.shuffle(cities);
  const draw = (count: number): City[] => deck.splice(0, count);
  const own = scale.changes - scale.sharedDifferent - scale.sharedSame;
  const complementary = draw(scale.sharedDifferent);
  const contested = draw(scale.sharedSame);
  const [onlyLeft, onlyRight, deleted] = [draw(own), draw(own), draw(scale.deletes)];
  const left: Write[] = [
    ...complementary.map((city, at) => edit(city, at, CONTESTED_FIELD, 20_000_000 + at)),
    ...contested.map((city, at) => edit(city, at, CONTESTED_FIELD, 30_000_000 + at)),
    ...onlyLeft.map((city, at) => edit(city, at, CONTESTED_FIELD, 40_000_000 + at)),
    ...deleted.map(({ id }) => ({ kind: 'delete' as const, id })),
  ];
  const right: Write[] = [
    ...complementary.map((city, at) => edit(city, at + 1, OTHER_FIELD, `seen by node 3: ${at}`)),
    ...contested.map((city, at) => edit(city, at + 1, CONTESTED_FIELD, 50_000_000 + at)),
    ...onlyRight.map((city, at) => edit(city, at, OTHER_FIELD, `only node 3: ${at}`)),
    ...deleted.slice(0, scale.deletedEdited).map((city, at) => edit(city, at, OTHER_FIELD, `still needed: ${at}`)),
  ];
  const shuffled = random.shuffle(left);
  const increments = (id: string, count: number): Write[] =>
    Array.from({ length: count }, () => ({ kind: 'increment' as const, id }));
  const bornApart = increments(COUNTER.bornApart, Math.ceil(scale.increments / 10));
  return {
    cities,
    writes: [
      random.shuffle([
        ...shuffled.filter((_, at) => at % 2 === 0),
        ...increments(COUNTER.shared, scale.increments),
        ...bornApart,
      ]),
      random.shuffle([
        ...shuffled.filter((_, at) => at % 2 === 1),
        ...increments(COUNTER.killed, scale.killedIncrements),
      ]),
      random.shuffle([...right, ...increments(COUNTER.shared, scale.increments), ...bornApart]),
    ],
    contested: contested.map(({ id }) => id),
    complementary: complementary.map(({ id }) => id),
    counts: { left: left.length, right: right.length },
  };
}

/** The three ways to change a field take turns. */
function edit({ id, doc }: City, at: number, field: string, value: JsonValue): Edit {
  return { kind: EDIT_KINDS[at % EDIT_KINDS.length]!, id, field, value, base: doc };
}

/**
 * @module
 * Queries with and without indexes give the same documents, whatever the documents, filters, indexes and the order of writes and builds.
 */
import fc from 'fast-check';
import { Query } from 'mingo';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { JsonObject, JsonValue } from '../../crdt/index.ts';
import { MemoryStore, Replica, SyncError, defineIndex, dropIndex, runQuery } from '../../sync/index.ts';
import type { Database, QueryLimits, QueryPage, QueryRequest } from '../../sync/index.ts';
import { compareBytes } from '../../sync/key.ts';
import { parseFilter } from '../../sync/query/filter.ts';
import { placeOf } from '../../sync/query/index-key.ts';
import { compileFilter } from '../../sync/query/predicate.ts';
import { parseSort } from '../../sync/query/sort.ts';
import { checkIndexes, indexesReady } from '../helper/index-check.ts';
import { ManualClock, idleTimers, seededRandom } from '../helper/manual-ports.ts';

const LIMITS: QueryLimits = { examinedMax: 1e6, sortMax: 1000, bytesMax: 1e6, pause: () => Promise.resolve() };

const scalar = fc.constantFrom<JsonValue>(
  null,
  false,
  true,
  -1,
  0,
  1,
  2,
  2.5,
  '',
  'a',
  'ab',
  'abc',
  'b',
  '😀',
  '\uffff',
);
const element = fc.oneof(
  scalar,
  fc.constant<JsonValue>([1]),
  fc.constant<JsonValue>(['a', 2]),
  fc.constant<JsonValue>({ x: 1 }),
);
const member = fc.oneof(
  { weight: 4, arbitrary: scalar },
  { weight: 2, arbitrary: fc.array(element, { maxLength: 3 }) },
  { weight: 1, arbitrary: fc.record({ x: scalar, y: scalar }, { requiredKeys: [] }) },
  {
    weight: 1,
    arbitrary: fc.array(
      fc.record({ x: fc.oneof(scalar, fc.array(scalar, { maxLength: 2 })), y: scalar }, { requiredKeys: [] }),
      { maxLength: 3 },
    ),
  },
);
const document = fc.record({ a: member, b: member, c: scalar }, { requiredKeys: [] }) as fc.Arbitrary<JsonObject>;
const path = fc.constantFrom('a', 'b', 'c', 'a.x', 'a.y', 'b.x');

const operand = fc.oneof(scalar, fc.constantFrom<JsonValue>([1], [], ['a', 2], { x: 1 }, { x: null, y: 1 }));
const operators: fc.Arbitrary<JsonObject> = fc.oneof(
  fc
    .tuple(fc.constantFrom('$eq', '$ne', '$gt', '$gte', '$lt', '$lte'), operand)
    .map(([op, value]) => ({ [op]: value })),
  fc
    .tuple(fc.constantFrom('$gt', '$gte'), scalar, fc.constantFrom('$lt', '$lte'), scalar)
    .map(([o, x, p, y]) => ({ [o]: x, [p]: y })),
  fc
    .tuple(fc.constantFrom('$in', '$nin', '$all'), fc.array(operand, { maxLength: 3 }))
    .map(([op, values]) => ({ [op]: values })),
  fc.constantFrom<JsonObject>(
    { $exists: true },
    { $exists: false },
    { $type: 'number' },
    { $size: 2 },
    { $regex: '^a' },
    { $regex: 'b' },
  ),
  fc.constantFrom<JsonObject>(
    { $mod: [2, 0] },
    { $not: { $gt: 1 } },
    { $elemMatch: { $gte: 1, $lt: 2 } },
    { $elemMatch: { x: 1, y: { $gt: 0 } } },
  ),
);
const field = fc
  .tuple(path, fc.oneof(operators, operand))
  .map(([name, condition]): JsonObject => ({ [name]: condition }));
const { filter } = fc.letrec<{ filter: JsonObject }>((tie) => ({
  filter: fc.oneof(
    { depthSize: 'small' },
    { weight: 4, arbitrary: field },
    fc.array(field, { minLength: 1, maxLength: 3 }).map((fields) => Object.assign({}, ...fields) as JsonObject),
    fc
      .tuple(fc.constantFrom('$and', '$or', '$nor'), fc.array(tie('filter'), { minLength: 1, maxLength: 3 }))
      .map(([op, list]) => ({ [op]: list })),
  ),
}));
const order = fc.constantFrom('asc', 'desc');
const definition = fc
  .uniqueArray(fc.record({ path, order }), { minLength: 1, maxLength: 3, selector: (each) => each.path })
  .chain((paths) => fc.boolean().map((sparse): JsonObject => ({ paths, sparse })));
const sort = fc
  .uniqueArray(fc.tuple(path, fc.constantFrom(1, -1)), { maxLength: 2, selector: ([name]) => name })
  .map((parts): JsonObject => Object.fromEntries(parts));

let replica: Replica;
let database: Database;
let count = 0;

beforeEach(async () => {
  replica = await Replica.open({
    store: new MemoryStore(),
    clock: new ManualClock(),
    timers: idleTimers,
    random: seededRandom(++count),
  });
  await replica.createDatabase('app');
  database = replica.database('app');
});

afterEach(() => replica.close());

async function all(
  name: string,
  request: Omit<QueryRequest, 'limit'>,
  limit: number,
): Promise<{ ids: string[]; pages: QueryPage[] }> {
  const pages: QueryPage[] = [];
  const ids: string[] = [];
  for (let cursor: string | null | undefined; cursor !== null; cursor = pages.at(-1)!.cursor) {
    const page = await runQuery(database, name, { ...request, limit, ...(cursor !== undefined && { cursor }) }, LIMITS);
    pages.push(page);
    ids.push(...page.items.map(({ id }) => id));
    if (pages.length > 200) throw new Error('pages without end');
  }
  return { ids, pages };
}

/** The answer by definition: every document, the filter. */
function expected(documents: ReadonlyMap<string, JsonObject>, given: JsonObject): string[] {
  const matches = compileFilter(parseFilter(given));
  return [...documents].flatMap(([id, value]) => (matches(value) ? [id] : [])).toSorted();
}

/** What is sorted by, of documents in the order they came; among equal ones any order is right. */
function isSorted(documents: readonly JsonObject[], by: JsonObject): boolean {
  const paths = parseSort(by);
  const orderPaths = { paths, segments: paths.map((each) => each.path.split('.')) };
  const places = documents.map((value) => placeOf(orderPaths, value, false));
  return places.every((place, i) => i === 0 || compareBytes(places[i - 1]!, place) <= 0);
}

test('[QU1][QU3][QU4] a query gives the same documents with any indexes, in the order asked for, over pages of any size', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(document, { minLength: 1, maxLength: 14 }),
      fc.array(definition, { minLength: 1, maxLength: 3 }),
      fc.array(fc.tuple(filter, sort), { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 1, max: 5 }),
      fc.array(fc.tuple(fc.nat(13), fc.option(document)), { maxLength: 6 }),
      async (documents, definitions, queries, limit, changes) => {
        const name = `c${++count}`;
        const held = new Map<string, JsonObject>();
        const put = async (id: string, value: JsonObject): Promise<void> => {
          held.set(id, value);
          await database.write(name, id, { kind: 'replace', value });
        };
        const half = documents.length >> 1;
        await Promise.all(documents.slice(0, half).map((value, i) => put(`d${i}`, value)));
        // Built while writes go on.
        const defined = definitions.map((each, i) => defineIndex(database, name, `i${i}`, each));
        await Promise.all(documents.slice(half).map((value, i) => put(`d${half + i}`, value)));
        await Promise.all(
          changes.map(async ([at, value]) => {
            const id = `d${at}`;
            if (value !== null) return put(id, value);
            if (!held.delete(id)) return;
            await database.write(name, id, { kind: 'delete' });
          }),
        );
        await Promise.all(defined);
        await indexesReady(database);
        for (const verdict of await checkIndexes(database)) expect(verdict).toMatchObject({ isEqual: true });
        for (const [given, by] of queries) {
          const { ids, pages } = await all(name, { filter: given, sort: by }, limit);
          const shown = JSON.stringify([given, by, pages[0]!.explain]);
          expect(ids.toSorted(), shown).toEqual(expected(held, given));
          expect(
            isSorted(
              ids.map((id) => held.get(id)!),
              by,
            ),
            shown,
          ).toBe(true);
        }
        for (let i = 0; i < definitions.length; i++) await dropIndex(database, name, `i${i}`);
      },
    ),
    { numRuns: 400, seed: 7 },
  );
}, 120_000);

test('[QU1] where MongoDB and mingo agree on a filter, so do we', () => {
  const plain = fc.record(
    { a: scalar, b: fc.array(scalar, { maxLength: 3 }), c: fc.record({ x: scalar }) },
    { requiredKeys: [] },
  ) as fc.Arbitrary<JsonObject>;
  const text = fc.constantFrom<JsonValue>('', 'a', 'ab', 'b');
  const number = fc.constantFrom<JsonValue>(-1, 0, 1, 2.5);
  const name = fc.constantFrom('a', 'b', 'c.x');
  const condition = fc.oneof(
    fc
      .tuple(fc.constantFrom('$eq', '$ne', '$gt', '$gte', '$lt', '$lte'), fc.oneof(text, number))
      .map(([op, each]) => ({ [op]: each })),
    fc
      .tuple(fc.constantFrom('$in', '$nin'), fc.array(fc.oneof(text, number, fc.constant(null)), { maxLength: 3 }))
      .map(([op, list]) => ({ [op]: list })),
    fc.constantFrom<JsonObject>(
      { $exists: true },
      { $exists: false },
      { $size: 1 },
      { $regex: '^a' },
      { $eq: null },
      { $not: { $gt: 0 } },
      { $all: ['a'] },
    ),
  );
  const one = fc.tuple(name, condition).map(([at, each]): JsonObject => ({ [at]: each }));
  const several = fc.oneof(
    one,
    fc
      .tuple(fc.constantFrom('$and', '$or', '$nor'), fc.array(one, { minLength: 1, maxLength: 3 }))
      .map(([op, list]): JsonObject => ({ [op]: list })),
  );
  fc.assert(
    fc.property(several, fc.array(plain, { minLength: 1, maxLength: 8 }), (given, documents) => {
      // mingo takes $all to be about arrays only, MongoDB and we about a single value as well.
      fc.pre(
        !JSON.stringify(given).includes('$all') ||
          documents.every(({ a, c }) => a !== 'a' && (c as JsonObject | undefined)?.['x'] !== 'a'),
      );
      const [ours, theirs] = [compileFilter(parseFilter(given)), new Query(given)];
      for (const each of documents) {
        // Code points against code units.
        if (JSON.stringify(each).includes('\uffff') || JSON.stringify(each).includes('😀')) continue;
        expect(ours(each), `${JSON.stringify(given)} on ${JSON.stringify(each)}`).toBe(
          theirs.test(each as Record<string, unknown>),
        );
      }
    }),
    { numRuns: 3000, seed: 8 },
  );
});

test('[QU4] pages hold every document exactly once that nobody changes, while others come, go and move', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.boolean(),
      fc.infiniteStream(fc.tuple(fc.nat(60), fc.nat(9), fc.boolean())),
      async (isIndexed, writes) => {
        const name = `p${++count}`;
        for (let i = 0; i < 40; i++)
          await database.write(name, `still${i}`, { kind: 'replace', value: { n: i % 7, i } });
        if (isIndexed) {
          await defineIndex(database, name, 'n', { paths: ['n'] });
          await indexesReady(database);
        }
        const seen: string[] = [];
        let cursor: string | null = null;
        let last = -Infinity;
        do {
          const page = await runQuery(
            database,
            name,
            { sort: { n: 1 }, limit: 4, ...(cursor !== null && { cursor }) },
            LIMITS,
          );
          expect(page.explain.sort).toBe(isIndexed ? 'index' : 'memory');
          for (const { id, json } of page.items) {
            seen.push(id);
            const { n } = JSON.parse(new TextDecoder().decode(json)) as { n: number };
            expect(n).toBeGreaterThanOrEqual(last);
            last = n;
          }
          cursor = page.cursor;
          for (const [at, n, isDelete] of [...writes.take(5)]) {
            const change = isDelete ? ({ kind: 'delete' } as const) : ({ kind: 'replace', value: { n } } as const);
            await database
              .write(name, `moving${at}`, change)
              .catch((error: unknown) => expect(error).toBeInstanceOf(SyncError));
          }
        } while (cursor !== null);
        const still = seen.filter((id) => id.startsWith('still'));
        expect(still.length).toBe(40);
        expect(new Set(still).size).toBe(40);
      },
    ),
    { numRuns: 20, seed: 9 },
  );
}, 60_000);

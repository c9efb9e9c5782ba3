/**
 * @module
 * Pages that are given at once against those that are read: the same, whatever was written, deleted or let go of before.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MemoryStore, PreparedQuery, Replica, defineIndex, peekPrepared, runPrepared } from '../../sync/index.ts';
import type { Database, QueryLimits, QueryPage } from '../../sync/index.ts';
import type { JsonObject } from '../../crdt/index.ts';
import { indexesReady } from '../helper/index-check.ts';
import { ManualClock, idleTimers, seededRandom } from '../helper/manual-ports.ts';

const LIMITS: QueryLimits = { examinedMax: 40, sortMax: 1000, bytesMax: 150, pause: () => Promise.resolve() };

const kind = fc.nat(2);
const n = fc.nat(9);
const filter: fc.Arbitrary<JsonObject> = fc.oneof(
  kind.map((each) => ({ kind: each })),
  fc.tuple(kind, n, n).map(([each, low, length]) => ({ kind: each, n: { $gte: low, $lt: low + length } })),
  fc.tuple(n, n).map(([low, length]) => ({ n: { $gte: low, $lt: low + length } })),
  fc.uniqueArray(n, { maxLength: 4 }).map((list) => ({ n: { $in: list } })),
  fc.constant({}),
);
const sort = fc.constantFrom<JsonObject>({}, { n: 1 }, { n: -1 });
const write = fc.record({ id: fc.nat(25), value: fc.option(fc.record({ kind, n }), { freq: 4 }) });
const step = fc.oneof(
  { weight: 3, arbitrary: write },
  { weight: 3, arbitrary: fc.record({ filter, sort, limit: fc.constantFrom(1, 3, 100) }) },
  { weight: 1, arbitrary: fc.constant('release' as const) },
);

function shown({ items, cursor, explain: { index, sort: by, returned } }: QueryPage): unknown {
  return {
    items: items.map(({ id, etag, json }) => [id, etag, Buffer.from(json).toString()]),
    cursor,
    index,
    by,
    returned,
  };
}

test('[QU70] a page that is given at once is the one that reading gives', async () => {
  let [held, read] = [0, 0];
  const replica = await Replica.open({
    store: new MemoryStore(),
    clock: new ManualClock(),
    timers: idleTimers,
    random: seededRandom(70),
  });
  await replica.createDatabase('app');
  const database: Database = replica.database('app');
  await defineIndex(database, 'c', 'kind', { paths: ['kind', { path: 'n', order: 'desc' }] });
  await defineIndex(database, 'c', 'n', { paths: ['n'] });
  await indexesReady(database);

  const compare = async (request: { filter: JsonObject; sort: JsonObject; limit: number }): Promise<void> => {
    let cursor: string | null | undefined;
    while (cursor !== null) {
      const query = new PreparedQuery('c', request.filter, request.sort);
      const options = { limit: request.limit, ...(cursor !== undefined && { cursor }) };
      const before = peekPrepared(database, query, options, LIMITS);
      const page = await runPrepared(database, query, options, LIMITS);
      // What was read is in memory now.
      const after = peekPrepared(database, query, options, LIMITS);
      for (const each of [before, after]) if (each !== null) expect(shown(each)).toEqual(shown(page));
      held += before === null ? 0 : 1;
      read += before === null && after !== null ? 1 : 0;
      cursor = page.cursor;
    }
  };

  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40, size: 'max' }), async (steps) => {
      for (const each of steps) {
        if (each === 'release') database.parts.table.releaseCache();
        else if ('filter' in each) await compare(each);
        else {
          const change =
            each.value === null ? ({ kind: 'delete' } as const) : ({ kind: 'replace', value: each.value } as const);
          await database
            .write('c', `d${each.id}`, change)
            .catch((error: unknown) => expect(error).toMatchObject({ code: 'SYNC_DOCUMENT_NOT_FOUND' }));
        }
      }
    }),
    { numRuns: 60, seed: 70 },
  );
  expect(held).toBeGreaterThan(300);
  expect(read).toBeGreaterThan(50);
  await replica.close();
}, 60_000);

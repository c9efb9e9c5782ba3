/** Rule CF1: settling conflicts. */
import { expect, test } from 'vitest';
import type { Conflict, JsonValue, Resolution } from '../../../crdt/index.ts';
import { everyCase, type MergeCase } from '../../helper/crdt-merge.ts';
import { createReplicas, settle, tryWrite, type DocumentReplica } from '../../helper/crdt-replicas.ts';

const LATE = 9000;
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value ?? null)) as unknown;

/** States with conflicts of every kind. */
const STATES: readonly (readonly [string, (given: MergeCase) => void])[] = [
  [
    'two values',
    (given) => {
      given.begin({ k: 0, other: 1 });
      given.set(given.a, '/k', 'A');
      given.set(given.b, '/k', 'B');
    },
  ],
  [
    'a value and an object',
    (given) => {
      given.begin({ k: 0, other: 1 });
      given.set(given.a, '/k', { x: 'A' });
      given.set(given.b, '/k', 'B');
    },
  ],
  [
    'a value and an array',
    (given) => {
      given.begin({ k: 0, other: 1 });
      given.set(given.a, '/k', [1, { x: 2 }]);
      given.set(given.b, '/k', null);
    },
  ],
  [
    'two arrays',
    (given) => {
      given.begin({ k: [0], other: 1 });
      given.set(given.a, '/k', ['A']);
      given.set(given.b, '/k', ['B', 'B']);
    },
  ],
  [
    'a counter and a word',
    (given) => {
      given.begin({ k: 1, other: 1 });
      given.operate(given.a, '/k', { op: 'increment', value: 4 });
      given.set(given.a, '/k', 'A');
      given.set(given.b, '/k', 'B');
    },
  ],
  [
    'values in an element',
    (given) => {
      given.begin({ k: [{ x: 0 }, 7], other: 1 });
      given.set(given.a, '/k/0/x', 'A');
      given.set(given.b, '/k/0/x', 'B');
    },
  ],
];

function valueAt(replica: DocumentReplica, path: string): unknown {
  let value: JsonValue | undefined = replica.value;
  for (const segment of path.split('/').slice(1)) value = (value as Record<string, JsonValue>)[segment];
  return value;
}

function resolve(replica: DocumentReplica, ...resolutions: Resolution[]): void {
  replica.write({ kind: 'resolve', resolutions }, LATE);
}

test('[CF1] the shown value, a loser or another one is chosen for a path; then there is no conflict there, anywhere', () => {
  const ways = ['keep', 'restore', 'value'] as const;
  let turn = 0;
  for (const [name, prepare] of STATES) {
    everyCase((given) => {
      const how = ways[turn++ % ways.length]!;
      prepare(given);
      given.merge();
      const [{ path, shown, shownBy, others }] = given.b.document.conflicts() as [Conflict];
      expect(shownBy).toEqual({ stamp: expect.any(Number) as number, client: expect.any(Number) as number });
      const { stamp, client, value } = others[0]!;
      const before = given.c.value;
      if (how === 'keep') resolve(given.b, { path, keep: 'shown' });
      else if (how === 'restore') resolve(given.b, { path, restore: { stamp, client } });
      else resolve(given.b, { path, value: { new: [1] } });
      const chosen = how === 'keep' ? shown : how === 'restore' ? value : { new: [1] };
      given.merge();
      expect([name, how, plain(valueAt(given.c, path))]).toEqual([name, how, plain(chosen)]);
      expect(given.c.document.conflicts()).toEqual([]);
      // Nothing else has changed.
      const strip = (json: unknown): string =>
        JSON.stringify(json, (key, inner: unknown) => (key === 'k' ? undefined : inner));
      expect(strip(given.a.value)).toBe(strip(before));
    });
  }
});

test('[CF1] an edit inside a deleted element is dropped, or becomes an element again', () => {
  for (const how of ['keep', 'restore'] as const) {
    everyCase((given) => {
      given.begin({ k: [{ x: 0 }, 'stays'] });
      given.remove(given.a, '/k/0');
      given.set(given.b, '/k/0/x', 'edit');
      given.merge();
      const [{ path, others }] = given.c.document.conflicts() as [Conflict];
      expect(path).toMatch(/\/k\/-$/);
      const { stamp, client } = others[0]!;
      resolve(given.c, how === 'keep' ? { path, keep: 'shown' } : { path, restore: { stamp, client } });
      expect(given.merge()).toEqual({ k: how === 'keep' ? ['stays'] : ['stays', { x: 'edit' }] });
      expect(given.a.document.conflicts()).toEqual([]);
    });
  }
});

test('[CF1] a document that a delete took from somebody stays deleted, or is there again', () => {
  for (const how of ['keep', 'restore', 'value'] as const) {
    const [a, b] = createReplicas(2, () => ({ deletePolicy: 'delete-wins' })) as [DocumentReplica, DocumentReplica];
    a.put({ x: 1, y: [2] }, 10);
    settle([a, b]);
    a.delete(20);
    b.patch({ x: 'B' }, 15);
    settle([a, b]);
    const [{ others }] = a.document.conflicts() as [Conflict];
    const { stamp, client } = others[0]!;
    resolve(
      a,
      how === 'keep'
        ? { path: '', keep: 'shown' }
        : how === 'restore'
          ? { path: '', restore: { stamp, client } }
          : { path: '', value: { z: 3 } },
    );
    settle([a, b]);
    for (const replica of [a, b]) {
      expect(replica.document.conflicts()).toEqual([]);
      const expected = { keep: '', restore: '{"x":"B","y":[2]}', value: '{"z":3}' }[how];
      expect(replica.json).toBe(expected);
    }
  }
});

test('[CF1] what somebody writes while a conflict is settled is a conflict with the choice', () => {
  everyCase((given) => {
    given.begin({ k: 0 });
    given.set(given.a, '/k', 'A');
    given.set(given.b, '/k', 'B');
    given.merge();
    given.set(given.a, '/k', 'later', LATE + 1);
    resolve(given.c, { path: given.path('/k'), value: 'chosen' });
    expect(given.merge()).toEqual({ k: 'later' });
    expect(given.conflicts()).toEqual([{ path: '/k', shown: 'later', others: ['chosen'] }]);
  });
});

test('[CF1] a choice of what is not in conflict is refused and changes nothing', () => {
  const [a, b] = createReplicas(2) as [DocumentReplica, DocumentReplica];
  a.put({ k: 1, o: { x: 0 } }, 10);
  settle([a, b]);
  a.patch({ k: 'A', o: 'gone' }, 20);
  b.patch({ k: 'B', o: { x: 'B' } }, 19);
  settle([a, b]);
  const refusals: readonly Resolution[] = [
    { path: '/other', keep: 'shown' },
    { path: '/k', restore: { stamp: 1, client: 1 } },
    { path: '', value: {} },
  ];
  for (const resolution of refusals) {
    expect(tryWrite(a, { kind: 'resolve', resolutions: [resolution] }, LATE)).toMatchObject({
      code: 'CRDT_CONFLICT_MISSING',
    });
  }
  // One that is refused takes the others with it.
  expect(tryWrite(a, { kind: 'resolve', resolutions: [{ path: '/k', keep: 'shown' }, refusals[0]!] }, LATE)?.code).toBe(
    'CRDT_CONFLICT_MISSING',
  );
  expect(a.document.conflicts().map(({ path }) => path)).toContain('/k');
  expect(tryWrite(a, { kind: 'resolve', resolutions: [{ path: '/k', value: '\ud800' }] }, LATE)?.code).toBe(
    'CRDT_VALUE_INVALID',
  );
});

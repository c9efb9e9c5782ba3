/** Rules CR1 to CR3, CR10, CR12 and CR15: values and objects. */
import { expect, test } from 'vitest';
import { everyCase } from '../../helper/crdt-merge.ts';
import { createReplicas, settle } from '../../helper/crdt-replicas.ts';

test('[CR1] of two values set at one path the later is shown and the other readable', () => {
  everyCase((given) => {
    given.begin({ k: 0 });
    given.set(given.a, '/k', 'A');
    given.set(given.b, '/k', 'B');
    expect(given.merge()).toEqual({ k: given.later('A', 'B') });
    expect(given.conflicts()).toEqual([
      { path: '/k', shown: given.later('A', 'B'), others: [given.earlier('A', 'B')] },
    ]);
    expect(given.a.document.view().conflicts).toBe(1);
  });
});

test('[CR1] equal stamps are decided by the higher client id', () => {
  for (const [clientA, clientB] of [
    [20, 30],
    [30, 20],
  ] as const) {
    const [a, b] = createReplicas(2, (index) => ({ client: 2 ** 33 + (index === 0 ? clientA : clientB) })) as [
      never,
      never,
    ] as ReturnType<typeof createReplicas>;
    a!.put({ k: 'A' }, 5);
    b!.put({ k: 'B' }, 5);
    settle([a!, b!]);
    expect(a!.value).toEqual({ k: clientA > clientB ? 'A' : 'B' });
    expect(b!.value).toEqual(a!.value);
  }
});

test('[CR1] a conflict names value, stamp and client of the loser, and goes when anyone writes that path', () => {
  everyCase((given) => {
    given.begin({});
    given.set(given.a, '/k', 'A');
    given.set(given.b, '/k', 'B');
    given.merge();
    const [loser] = given.a.document.conflicts()[0]!.others;
    expect(loser).toMatchObject(
      given.earlier(
        { value: 'A', stamp: given.stampA, client: given.a.client },
        { value: 'B', stamp: given.stampB, client: given.b.client },
      ),
    );
    given.set(given.c, '/k', 'C', 1);
    expect(given.merge()).toEqual({ k: 'C' });
    expect(given.conflicts()).toEqual([]);
  });
});

test('[CR1] writing the shown value again settles the conflict', () => {
  everyCase((given) => {
    given.begin({});
    given.set(given.a, '/k', 'A');
    given.set(given.b, '/k', 'B');
    given.merge();
    given.set(given.c, '/k', given.later('A', 'B'), 1);
    expect(given.merge()).toEqual({ k: given.later('A', 'B') });
    expect(given.conflicts()).toEqual([]);
  });
});

test('[CR1] equal values written twice are no conflict', () => {
  everyCase((given) => {
    given.begin({});
    given.set(given.a, '/k', 'same');
    given.set(given.b, '/k', 'same');
    expect(given.merge()).toEqual({ k: 'same' });
    expect(given.conflicts()).toEqual([]);
  });
});

test('[CR1] a causal overwrite wins whatever the clocks say', () => {
  everyCase((given) => {
    given.begin({ k: 0 });
    given.set(given.a, '/k', 'old', 9_000_000);
    given.merge();
    given.set(given.b, '/k', 'new', 1);
    expect(given.merge()).toEqual({ k: 'new' });
    expect(given.conflicts()).toEqual([]);
  });
});

test('[CR2] a set survives a concurrent delete, also when the deleter had set the path itself', () => {
  everyCase((given) => {
    given.begin({ k: 0 });
    given.set(given.a, '/k', 'first');
    given.remove(given.a, '/k');
    given.set(given.b, '/k', 'B');
    expect(given.merge()).toEqual({ k: 'B' });
    expect(given.conflicts()).toEqual([]);
  });
});

test('[CR2] a set below a concurrently deleted object survives with its path', () => {
  everyCase((given) => {
    given.begin({ o: { x: 1, y: { z: 2 } } });
    given.remove(given.a, '/o');
    given.set(given.b, '/o/y/z', 3);
    expect(given.merge()).toEqual({ o: { y: { z: 3 } } });
  });
});

test('[CR2] concurrent deletes of all members leave an empty object', () => {
  everyCase((given) => {
    given.begin({ o: { x: 1, y: 2 } });
    given.remove(given.a, '/o/x');
    given.remove(given.b, '/o/y');
    expect(given.merge()).toEqual({ o: {} });
  });
});

test('[CR3] objects created concurrently merge leaf by leaf', () => {
  everyCase((given) => {
    given.begin({});
    given.set(given.a, '/o', { a: 1, both: { x: 1, deep: { left: true } } });
    given.set(given.b, '/o', { b: 2, both: { y: 2, deep: { right: true } } });
    expect(given.merge()).toEqual({ o: { a: 1, b: 2, both: { x: 1, y: 2, deep: { left: true, right: true } } } });
    expect(given.conflicts()).toEqual([]);
  });
});

test('[CR3] leaves that both sides created conflict one by one', () => {
  everyCase((given) => {
    given.begin({});
    given.set(given.a, '/o', { same: 'A', a: 1 });
    given.set(given.b, '/o', { same: 'B', b: 2 });
    expect(given.merge()).toEqual({ o: { same: given.later('A', 'B'), a: 1, b: 2 } });
    expect(given.conflicts()).toEqual([
      { path: '/o/same', shown: given.later('A', 'B'), others: [given.earlier('A', 'B')] },
    ]);
  });
});

const KINDS = [
  { name: 'value', write: (value: string) => ({ op: 'add', value }), shows: (value: string) => value },
  {
    name: 'object',
    write: (value: string) => ({ op: 'add', value: { [value]: 1 } }),
    shows: (value: string) => ({ [value]: 1 }),
  },
  { name: 'array', write: (value: string) => ({ op: 'add', value: [value] }), shows: (value: string) => [value] },
] as const;

for (const kindA of KINDS) {
  for (const kindB of KINDS) {
    if (kindA === kindB) continue;
    test(`[CR10] ${kindA.name} against ${kindB.name}: the later is shown, the other readable, and comes back when that one is deleted`, () => {
      everyCase((given) => {
        given.begin({ k: 0 });
        given.a.jsonPatch(given.stampA, { path: given.path('/k'), ...kindA.write('A') });
        given.b.jsonPatch(given.stampB, { path: given.path('/k'), ...kindB.write('B') });
        const [shown, other] = [
          given.later(kindA.shows('A'), kindB.shows('B')),
          given.earlier(kindA.shows('A'), kindB.shows('B')),
        ];
        expect(given.merge()).toEqual({ k: shown });
        expect(given.conflicts()).toEqual([{ path: '/k', shown, others: [other] }]);
      });
    });
  }
}

test('[CR10] text, set and counter conflict with other kinds in the same way', () => {
  everyCase((given) => {
    given.begin({});
    given.operate(given.a, '/k', { op: 'text-insert', index: 0, value: 'text' });
    given.operate(given.b, '/k', { op: 'set-add', value: 'member' });
    given.operate(given.c, '/k', { op: 'increment', value: 7 }, 1500);
    expect(given.merge()).toEqual({ k: given.later<unknown>('text', ['member']) });
    expect(given.conflicts()).toEqual([
      {
        path: '/k',
        shown: given.later<unknown>('text', ['member']),
        others: [7, given.earlier<unknown>('text', ['member'])],
      },
    ]);
  });
});

test('[CR10] the loser comes back when someone who had not seen it deletes the winner', () => {
  everyCase((given) => {
    given.begin({});
    given.set(given.a, '/k', { from: 'a' }, 2000);
    given.c.pull(given.a);
    given.set(given.b, '/k', 'B', 1000);
    given.remove(given.c, '/k', 3000);
    expect(given.merge()).toEqual({ k: 'B' });
  });
});

test('[CR10] an edit inside an object keeps it shown over an older value', () => {
  everyCase((given) => {
    given.begin({ k: { x: 1 } });
    given.set(given.a, '/k', 'value', 1000);
    given.set(given.b, '/k/x', 2, 2000);
    expect(given.merge()).toEqual({ k: { x: 2 } });
    expect(given.conflicts()).toEqual([{ path: '/k', shown: { x: 2 }, others: ['value'] }]);
  });
});

test('[CR12] a PUT removes only what its author had observed', () => {
  everyCase((given) => {
    given.begin({ keep: 1, drop: 2, change: 3 });
    const whole = structuredClone(given.a.value) as never;
    const part = given.prefix
      .split('/')
      .slice(1)
      .reduce<Record<string, unknown>>((at, key) => at[key] as never, whole);
    delete part['drop'];
    part['change'] = 4;
    given.a.put(whole, given.stampA);
    given.set(given.b, '/added', 'B');
    given.set(given.b, '/keep', 10);
    expect(given.merge()).toEqual({ keep: 10, change: 4, added: 'B' });
    expect(given.conflicts()).toEqual([]);
  });
});

test('[CR12] a PUT of what is shown already is no write', () => {
  everyCase((given) => {
    given.begin({ a: [1, { b: [] }], n: null, s: '' });
    expect(given.a.write({ kind: 'replace', value: given.a.value as never }, 99)).toBeNull();
  });
});

test('[CR15] a conflict inside a losing value stays readable', () => {
  everyCase((given) => {
    given.begin({});
    given.set(given.a, '/k', { x: 'A' }, 1000);
    given.set(given.b, '/k', { x: 'B' }, 1001);
    given.set(given.c, '/k', 'value', 3000);
    expect(given.merge()).toEqual({ k: 'value' });
    expect(given.conflicts()).toEqual([
      { path: '/k', shown: 'value', others: [{ x: 'B' }] },
      { path: '/k/x', shown: undefined, others: ['A'] },
    ]);
    expect(given.a.document.view().conflicts).toBe(2);
  });
});

/** Rules CR8 and CR9: counters and sets. */
import { expect, test } from 'vitest';
import { CrdtDocument, CrdtError } from '../../../crdt/index.ts';
import { everyCase } from '../../helper/crdt-merge.ts';
import { createReplicas, settle, type DocumentReplica } from '../../helper/crdt-replicas.ts';

const increment = (value: number): object => ({ op: 'increment', value });

test('[CR8] concurrent increments add, on a plain number and on nothing', () => {
  everyCase((given) => {
    given.begin({ n: 10 });
    given.operate(given.a, '/n', increment(1));
    given.operate(given.a, '/n', increment(2));
    given.operate(given.b, '/n', increment(4));
    given.operate(given.a, '/new', increment(-5));
    given.operate(given.b, '/new', increment(8));
    expect(given.merge()).toEqual({ n: 17, new: 3 });
    expect(given.conflicts()).toEqual([]);
  });
});

test('[CR8] a number that is an array element counts like any other', () => {
  everyCase((given) => {
    given.begin({ k: [10, 20] });
    given.operate(given.a, '/k/1', increment(1));
    given.operate(given.b, '/k/1', increment(2));
    expect(given.merge()).toEqual({ k: [10, 23] });
    given.c.jsonPatch(3000, { op: 'replace', path: given.path('/k/0'), value: 5 });
    given.operate(given.a, '/k/0', increment(3));
    expect(given.merge()).toEqual({ k: [8, 23] });
  });
});

test('[CR8] an increment concurrent with a set counts on top of the set value; known ones are absorbed', () => {
  everyCase((given) => {
    given.begin({ n: 1 });
    given.operate(given.b, '/n', increment(5));
    given.merge();
    given.set(given.a, '/n', 100);
    given.operate(given.b, '/n', increment(7));
    expect(given.merge()).toEqual({ n: 107 });
    expect(given.conflicts()).toEqual([]);
    given.operate(given.b, '/n', increment(1));
    given.operate(given.a, '/n', increment(1));
    expect(given.merge()).toEqual({ n: 109 });
  });
});

test('[CR1] [CR8] of two numbers set the later is shown, whatever was added to them concurrently, and the increment counts on top of both', () => {
  everyCase((given) => {
    given.begin({ x: 0 });
    given.set(given.a, '/n', 1);
    given.set(given.b, '/n', 10);
    given.operate(given.c, '/n', increment(100));
    expect(given.merge()).toEqual({ x: 0, n: given.later(101, 110) });
    expect(given.conflicts()).toMatchObject([{ path: '/n', others: [given.later(110, 101)] }]);
  });
});

test('[CR8] a writer whose tally was absorbed goes on exactly', () => {
  everyCase((given) => {
    given.begin({});
    given.operate(given.b, '/n', increment(5));
    given.merge();
    given.set(given.a, '/n', 100);
    given.merge();
    given.operate(given.b, '/n', increment(-3));
    expect(given.merge()).toEqual({ n: 97 });
    given.set(given.c, '/n', 50);
    given.operate(given.b, '/n', increment(-4));
    expect(given.merge()).toEqual({ n: 46 });
  });
});

test('[CR8] of increments concurrent with a delete those the deleter had not seen remain', () => {
  everyCase((given) => {
    given.begin({});
    given.operate(given.b, '/n', increment(5));
    given.merge();
    given.remove(given.a, '/n');
    given.operate(given.b, '/n', increment(7));
    expect(given.merge()).toEqual({ n: 7 });
  });
});

test('[CR8] counting goes on exactly after deletes of the number, of its object and of the document', () => {
  everyCase((given) => {
    given.begin({ o: {} });
    given.operate(given.b, '/o/n', increment(5));
    given.merge();
    given.remove(given.a, '/o');
    given.operate(given.b, '/o/n', increment(7));
    expect(given.merge()).toEqual({ o: { n: 7 } });
    given.remove(given.b, '/o/n');
    expect(given.merge()).toEqual({ o: {} });
    given.operate(given.b, '/o/n', increment(2));
    expect(given.merge()).toEqual({ o: { n: 2 } });
  });
  const [a, b] = createReplicas(2) as [ReturnType<typeof createReplicas>[0], ReturnType<typeof createReplicas>[0]];
  a!.operate(1, { ...increment(5), path: '/n' });
  settle([a!, b!]);
  b!.put({ n: 100 }, 2);
  a!.delete(3);
  a!.operate(4, { ...increment(1), path: '/n' });
  settle([a!, b!]);
  expect(a!.json).toBe('{"n":101}');
  expect(b!.json).toBe(a!.json);
});

test('[CR8] increments in one change and across reloads are all counted', () => {
  let document = CrdtDocument.create();
  for (let round = 0; round < 20; round++) {
    document.change(
      {
        kind: 'operations',
        operations: [
          { op: 'increment', path: '/n', value: 1 },
          { op: 'increment', path: '/n', value: 2 },
        ],
      },
      { client: 7, stamp: round },
    );
    if (round === 9)
      document.change(
        { kind: 'operations', operations: [{ op: 'increment', path: '/n', value: 5 }] },
        { client: 7, stamp: round },
      );
    document = CrdtDocument.load(document.encode());
  }
  expect(document.view().json).toBe('{"n":65}');
  document.change(
    { kind: 'json-patch', operations: [{ op: 'replace', path: '/n', value: 1 }] },
    { client: 7, stamp: 30 },
  );
  document.change(
    { kind: 'operations', operations: [{ op: 'increment', path: '/n', value: 1 }] },
    { client: 7, stamp: 31 },
  );
  expect(CrdtDocument.load(document.encode()).view().json).toBe('{"n":2}');
});

test('[CR8] a count that could not stay exact is refused', () => {
  const document = CrdtDocument.create();
  const add = (value: number): unknown =>
    document.change(
      { kind: 'operations', operations: [{ op: 'increment', path: '/n', value }] },
      { client: 7, stamp: 1 },
    );
  add(Number.MAX_SAFE_INTEGER);
  expect(() => add(1)).toThrow(expect.objectContaining({ code: 'CRDT_VALUE_INVALID' }) as CrdtError);
  expect(() => add(Number.NaN)).toThrow(CrdtError);
  add(-1);
  expect(document.view().json).toBe('{"n":9007199254740990}');
});

test('[CR8] an increment of what is not a number is refused; concurrently it is a conflict of types', () => {
  everyCase((given) => {
    given.begin({ s: 'text' });
    expect(() => given.operate(given.a, '/s', increment(1))).toThrow(
      expect.objectContaining({ code: 'CRDT_TYPE_MISMATCH' }) as CrdtError,
    );
    given.set(given.a, '/n', 'word');
    given.operate(given.b, '/n', increment(3));
    expect(given.merge()).toEqual({ s: 'text', n: given.later<unknown>('word', 3) });
    expect(given.conflicts()).toEqual([
      { path: '/n', shown: given.later<unknown>('word', 3), others: [given.earlier<unknown>('word', 3)] },
    ]);
  });
});

test('[CR8] what a number had absorbed does not come back after an object has taken its place', () => {
  const replicas = createReplicas(4);
  const [a, b, c, d] = replicas as [DocumentReplica, DocumentReplica, DocumentReplica, DocumentReplica];
  a.put({}, 1);
  settle(replicas);
  a.operate(10, { op: 'increment', path: '/n', value: 5 });
  c.patch({ n: { x: 1 } }, 30);
  b.pull(a);
  b.patch({ n: 7 }, 20);
  settle([b, c, d], [a, b, c]);
  d.jsonPatch(40, { op: 'add', path: '/n/y', value: 2 });
  // Has seen nothing of the others.
  a.operate(50, { op: 'increment', path: '/n', value: 1 });
  settle(replicas);
  for (const replica of replicas) expect(replica.value).toEqual({ n: 1 });
});

test('[CR9] an add wins over a concurrent remove', () => {
  everyCase((given) => {
    given.begin({ k: 0 });
    given.operate(given.c, '/s', { op: 'set-add', value: 'm' }, 20);
    given.merge();
    given.operate(given.a, '/s', { op: 'set-remove', value: 'm' });
    given.operate(given.b, '/s', { op: 'set-add', value: 'm' });
    expect(given.merge()).toEqual({ k: 0, s: ['m'] });
  });
});

test('[CR9] a remove touches only adds it observed; other members stay', () => {
  everyCase((given) => {
    given.begin({});
    given.operate(given.c, '/s', { op: 'set-add', value: 1 }, 20);
    given.merge();
    given.operate(given.a, '/s', { op: 'set-add', value: { b: 1, a: 2 } });
    given.operate(given.a, '/s', { op: 'set-remove', value: 1 });
    given.operate(given.b, '/s', { op: 'set-add', value: 2 });
    given.operate(given.b, '/s', { op: 'set-add', value: { a: 2, b: 1 } });
    expect(given.merge()).toEqual({ s: [2, { a: 2, b: 1 }] });
    for (const value of [2, { a: 2, b: 1 }]) given.operate(given.c, '/s', { op: 'set-remove', value });
    expect(given.merge()).toEqual({ s: [] });
  });
});

test('[CR9] an array written where a set stands, or where the collection declares one, adds and removes members', () => {
  const replicas = createReplicas(2, () => ({ types: { '/tags': 'set' } }));
  const [a, b] = replicas as [(typeof replicas)[0], (typeof replicas)[0]];
  a!.put({ tags: ['x', 'y', 'x'] }, 1);
  expect(a!.json).toBe('{"tags":["x","y"]}');
  settle(replicas);
  a!.put({ tags: ['y', 'z'] }, 2);
  b!.operate(3, { op: 'set-add', path: '/tags', value: 'b' });
  settle(replicas);
  expect(a!.json).toBe('{"tags":["b","y","z"]}');
  expect(b!.json).toBe(a!.json);
});

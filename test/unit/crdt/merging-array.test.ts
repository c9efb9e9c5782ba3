/** Rules CR4 to CR7: arrays, and CR5 for texts. */
import { expect, test } from 'vitest';
import { everyCase } from '../../helper/crdt-merge.ts';

test('[CR4] of two arrays set whole the later is shown, the other readable, nothing doubled', () => {
  everyCase((given) => {
    given.begin({ k: [0] });
    given.set(given.a, '/k2', ['A', 'x']);
    given.set(given.b, '/k2', ['B', 'x']);
    expect(given.merge()).toEqual({ k: [0], k2: given.later(['A', 'x'], ['B', 'x']) });
    expect(given.conflicts()).toEqual([
      { path: '/k2', shown: given.later(['A', 'x'], ['B', 'x']), others: [given.earlier(['A', 'x'], ['B', 'x'])] },
    ]);
    given.set(given.c, '/k2', ['C'], 1);
    expect(given.merge()).toEqual({ k: [0], k2: ['C'] });
    expect(given.conflicts()).toEqual([]);
  });
});

test('[CR4] arrays grown by list operations merge, also when neither side had one', () => {
  everyCase((given) => {
    given.begin({});
    given.operate(given.a, '/k', { op: 'append', value: 'A1' });
    given.operate(given.a, '/k', { op: 'append', value: { a: 2 } });
    given.operate(given.b, '/k', { op: 'append', value: 'B1' });
    given.operate(given.b, '/k', { op: 'append', value: ['B2'] });
    const { k } = given.merge() as { k: unknown[] };
    const [a, b] = [
      ['A1', { a: 2 }],
      ['B1', ['B2']],
    ];
    expect([
      [...a, ...b],
      [...b, ...a],
    ]).toContainEqual(k);
    expect(given.conflicts()).toEqual([]);
  });
});

test('[CR4] an array that the collection declares merges when set whole', () => {
  everyCase(
    (given) => {
      if (given.prefix !== '') return;
      given.begin({});
      given.set(given.a, '/list', ['A']);
      given.set(given.b, '/list', ['B']);
      expect((given.merge() as { list: string[] }).list.toSorted()).toEqual(['A', 'B']);
    },
    { types: { '/list': 'array' } },
  );
});

test('[CR4] an append survives a concurrent delete or replacement of the array', () => {
  everyCase((given) => {
    given.begin({ k: [1, 2] });
    given.remove(given.a, '/k');
    given.operate(given.b, '/k', { op: 'append', value: 'B' });
    expect(given.merge()).toEqual({ k: ['B'] });
  });
});

test('[CR5] runs inserted at one place are both kept, each whole', () => {
  everyCase((given) => {
    given.begin({ k: ['start', 'end'] });
    for (const name of ['3', '2', '1']) given.operate(given.a, '/k', { op: 'insert', index: 1, value: `A${name}` });
    for (const index of [1, 2, 3]) given.operate(given.b, '/k', { op: 'insert', index, value: `B${index}` });
    const { k } = given.merge() as { k: string[] };
    const [a, b] = [
      ['A1', 'A2', 'A3'],
      ['B1', 'B2', 'B3'],
    ];
    expect([
      ['start', ...a, ...b, 'end'],
      ['start', ...b, ...a, 'end'],
    ]).toContainEqual(k);
  });
});

test('[CR5] appends and prepends of both sides are kept in whole runs', () => {
  everyCase((given) => {
    given.begin({ k: [] });
    given.set(given.a, '/k/-', 'A1');
    given.set(given.a, '/k/-', 'A2');
    given.set(given.b, '/k/0', 'B2');
    given.set(given.b, '/k/0', 'B1');
    const { k } = given.merge() as { k: string[] };
    expect([
      ['A1', 'A2', 'B1', 'B2'],
      ['B1', 'B2', 'A1', 'A2'],
    ]).toContainEqual(k);
  });
});

test('[CR4] an array that stood there and is set on both sides shows one value whole; the other is a conflict', () => {
  everyCase((given) => {
    given.begin({ k: [1] });
    const before = given.a.json;
    const set = (target: unknown): never => JSON.parse(before.replace('[1]', JSON.stringify(target))) as never;
    given.a.put(set([1, 2, 3]), given.stampA);
    given.b.put(set([9]), given.stampB);
    const { k } = given.merge() as { k: number[] };
    expect([[1, 2, 3], [9]]).toContainEqual(k);
    const others = given.a.document.conflicts().flatMap((conflict) => conflict.others.map(({ value }) => value));
    expect(others).toContainEqual(k.length === 1 ? [1, 2, 3] : [9]);
  });
});

test('[CR12] a PUT that changes an element inside leaves the array, and concurrent edits of it, alone', () => {
  everyCase((given) => {
    given.begin({ k: [{ a: 1, b: 1 }, 2] });
    given.a.put(JSON.parse(given.a.json.replace('"a":1', '"a":5')) as never, given.stampA);
    given.operate(given.b, '/k', { op: 'append', value: 3 });
    expect(given.merge()).toEqual({ k: [{ a: 5, b: 1 }, 2, 3] });
  });
});

test('[CR5] texts: insertions at one place are both kept, each whole', () => {
  everyCase((given) => {
    given.begin({ k: 0 });
    given.operate(given.c, '/t', { op: 'text-insert', index: 0, value: '()' }, 20);
    given.merge();
    given.operate(given.a, '/t', { op: 'text-insert', index: 1, value: 'AA' });
    given.operate(given.a, '/t', { op: 'text-insert', index: 3, value: 'aa' });
    given.operate(given.b, '/t', { op: 'text-insert', index: 1, value: 'BB' });
    const { t } = given.merge() as { t: string };
    expect(['(AAaaBB)', '(BBAAaa)']).toContain(t);
  });
});

test('[CR5] texts: both sides create the text and type', () => {
  everyCase((given) => {
    given.begin({});
    given.operate(given.a, '/t', { op: 'text-insert', index: 0, value: 'AA' });
    given.operate(given.b, '/t', { op: 'text-insert', index: 0, value: 'BB' });
    expect(['AABB', 'BBAA']).toContain((given.merge() as { t: string }).t);
    expect(given.conflicts()).toEqual([]);
  });
});

test('[CR5] texts: a string written where a text stands is a small edit', () => {
  everyCase((given) => {
    given.begin({});
    given.operate(given.c, '/t', { op: 'text-insert', index: 0, value: 'one three' }, 20);
    given.merge();
    given.set(given.a, '/t', 'one two three');
    given.operate(given.b, '/t', { op: 'text-insert', index: 9, value: ' four' });
    expect(given.merge()).toEqual({ t: 'one two three four' });
  });
});

test('[CR2] an edit of a text survives a concurrent delete of it', () => {
  everyCase((given) => {
    given.begin({});
    given.operate(given.c, '/t', { op: 'text-insert', index: 0, value: 'gone' }, 20);
    given.merge();
    given.remove(given.a, '/t');
    given.operate(given.b, '/t', { op: 'text-insert', index: 4, value: 'kept' });
    expect(given.merge()).toEqual({ t: 'kept' });
  });
});

test('[CR6] an element deleted by one and edited by another is gone, the edit readable until the array is written', () => {
  everyCase((given) => {
    given.begin({ k: [{ x: 1 }, { y: 2 }] });
    given.remove(given.a, '/k/0');
    given.set(given.b, '/k/0/x', 'edit');
    expect(given.merge()).toEqual({ k: [{ y: 2 }] });
    expect(given.conflicts()).toEqual([{ path: '/k/-', shown: undefined, others: [{ x: 'edit' }] }]);
    given.operate(given.c, '/k', { op: 'append', value: 3 }, 1);
    expect(given.merge()).toEqual({ k: [{ y: 2 }, 3] });
    expect(given.conflicts()).toEqual([]);
  });
});

test('[CR6] an edit inside an element of a deleted array stays readable', () => {
  everyCase((given) => {
    given.begin({ k: [{ x: 1 }], other: 1 });
    given.remove(given.a, '/k');
    given.set(given.b, '/k/0/x', 'edit');
    expect(given.merge()).toEqual({ other: 1 });
    expect(given.conflicts()).toEqual([{ path: '/k/-', shown: undefined, others: [{ x: 'edit' }] }]);
  });
});

test('[CR7] an element replaced by both is one element; the later value is shown', () => {
  everyCase((given) => {
    given.begin({ k: ['x', 'y', 'z'] });
    given.a.jsonPatch(given.stampA, { op: 'replace', path: given.path('/k/1'), value: 'A' });
    given.b.jsonPatch(given.stampB, { op: 'replace', path: given.path('/k/1'), value: { b: 1 } });
    expect(given.merge()).toEqual({ k: ['x', given.later<unknown>('A', { b: 1 }), 'z'] });
    expect(given.conflicts()).toEqual([
      { path: '/k/1', shown: given.later<unknown>('A', { b: 1 }), others: [given.earlier<unknown>('A', { b: 1 })] },
    ]);
  });
});

test('[CR7] an element moved by both is one element at the later target', () => {
  everyCase((given) => {
    given.begin({ k: ['m', 1, 2, 3] });
    given.operate(given.a, '/k', { op: 'move', from: 0, to: 3 });
    given.b.jsonPatch(given.stampB, { op: 'move', from: given.path('/k/0'), path: given.path('/k/1') });
    expect(given.merge()).toEqual({ k: given.later([1, 2, 3, 'm'], [1, 'm', 2, 3]) });
  });
});

test('[CR7] an element moved by one and edited by another moves with the edit', () => {
  everyCase((given) => {
    given.begin({ k: [{ m: 1 }, 1, 2] });
    given.operate(given.a, '/k', { op: 'move', from: 0, to: 2 });
    given.set(given.b, '/k/0/m', 'edit');
    expect(given.merge()).toEqual({ k: [1, 2, { m: 'edit' }] });
  });
});

test('[CR7] an element moved by one and deleted by another is gone', () => {
  everyCase((given) => {
    given.begin({ k: ['m', 1, 2] });
    given.operate(given.a, '/k', { op: 'move', from: 0, to: 2 });
    given.operate(given.b, '/k', { op: 'remove', index: 0 });
    expect(given.merge()).toEqual({ k: [1, 2] });
  });
});

test('[CR7] an index means the element the accepting replica shows there', () => {
  everyCase((given) => {
    given.begin({ k: ['x', 'y'] });
    given.operate(given.a, '/k', { op: 'insert', index: 0, value: 'A' });
    given.b.jsonPatch(given.stampB, { op: 'replace', path: given.path('/k/1'), value: 'B' });
    expect(given.merge()).toEqual({ k: ['A', 'x', 'B'] });
  });
});

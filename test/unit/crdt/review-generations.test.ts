import { expect, test } from 'vitest';
import { GenerationalDocument, type Change } from '../../../crdt/index.ts';

const C = 2 ** 32;
let stamp = 1_000_000;
const author = (client: number, types?: Record<string, 'text' | 'set'>) => ({ client: C + client, stamp: ++stamp, ...(types && { types }) });
const op = (...operations: object[]): Change => ({ kind: 'operations', operations: operations as never });
const copy = (d: GenerationalDocument): GenerationalDocument => GenerationalDocument.load(...d.encodeParts());
const shown = (d: GenerationalDocument): unknown => JSON.parse(d.view().json);

test('what a node wrote for both, that was set back to when a successor was open, is there once when it hears of two generations at once', () => {
  const p = GenerationalDocument.create();
  p.change({ kind: 'merge-patch', patch: { l: [], x: 1 } }, author(1));
  const s1 = p.prepare('s1')!;
  expect(s1).not.toBe(null);
  const r = copy(p);
  const b = copy(p);
  // All held s1 and s2; R is set back to when s1 was open.
  b.apply(p.succeed('s1'));
  b.apply(p.prepare('s2')!);
  expect(p.isFollowed('s2')).toBe(true);
  const second = p.succeed('s2');
  const update = r.change(op({ op: 'append', path: '/l', value: 'late' }, { op: 'increment', path: '/n', value: 5 }), author(9))!;
  b.apply(update);
  expect(b.takeAlong()).toBe(null);
  expect(shown(b)).toEqual({ l: ['late'], n: 5, x: 1 });
  // A snapshot.
  r.join(p.encodeParts());
  const ofR = r.takeAlong()!;
  b.apply(second);
  const ofB = b.takeAlong()!;
  for (const u of [ofR, ofB]) for (const d of [p, r, b]) d.apply(u);
  for (const d of [p, r, b]) console.log('TWO AT ONCE', d.view().json, d.generation);
  expect(shown(p)).toEqual({ l: ['late'], n: 5, x: 1 });
});

test('base bytes stay the same object while only updates come', () => {
  const p = GenerationalDocument.create();
  p.change({ kind: 'merge-patch', patch: { l: [], x: 1 } }, author(1));
  p.prepare('s1');
  p.succeed('s1');
  const b = copy(p);
  const bases = new Set<Uint8Array>();
  for (let i = 0; i < 20; i++) {
    b.apply(p.change(op({ op: 'increment', path: '/n', value: 5 }), author(1))!);
    bases.add(b.encodeParts()[0]);
  }
  const plain = new Set<Uint8Array>();
  const q = GenerationalDocument.create();
  q.change({ kind: 'merge-patch', patch: { l: [], x: 1 } }, author(1));
  const qb = copy(q);
  for (let i = 0; i < 20; i++) {
    qb.apply(q.change(op({ op: 'increment', path: '/n', value: 5 }), author(1))!);
    plain.add(qb.encodeParts()[0]);
  }
  console.log('BASES', bases.size, 'plain', plain.size, 'parts', b.encodeParts().length);
  expect(bases.size).toBeLessThanOrEqual(plain.size);
});

test('two lineages of generations that meet keep what both show', () => {
  const a = GenerationalDocument.create();
  a.change({ kind: 'merge-patch', patch: { a: 'of a' } }, author(1));
  a.prepare('sa');
  a.succeed('sa');
  const b = GenerationalDocument.create();
  b.change({ kind: 'merge-patch', patch: { b: 'of b' } }, author(2));
  b.prepare('sb');
  b.succeed('sb');
  b.prepare('sc');
  b.succeed('sc');
  const one = copy(a);
  one.join(copy(b).encodeParts());
  one.takeAlong();
  console.log('LINEAGES', one.view().json);
  expect(shown(one)).toMatchObject({ a: 'of a', b: 'of b' });
});

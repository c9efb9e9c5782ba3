/**
 * Generations of a document that meet, and what is stored of one.
 */
import { expect, test } from 'vitest';
import { GenerationalDocument, type Change } from '../../../crdt/index.ts';

const C = 2 ** 32;
let stamp = 1_000_000;
const author = (client: number, types?: Record<string, 'text' | 'set'>) => ({
  client: C + client,
  stamp: ++stamp,
  ...(types && { types }),
});
const op = (...operations: object[]): Change => ({ kind: 'operations', operations: operations as never });
const copy = (d: GenerationalDocument): GenerationalDocument => GenerationalDocument.load(...d.encodeParts());
const shown = (d: GenerationalDocument): unknown => JSON.parse(d.view().json);

test('[CP68] updates of the present generation leave the stored state as it is', () => {
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
  expect(bases.size).toBeLessThanOrEqual(plain.size);
});

test('[CP67] two lineages of generations that meet keep what both show', () => {
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
  expect(shown(one)).toMatchObject({ a: 'of a', b: 'of b' });
});

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
  const update = r.change(
    op({ op: 'append', path: '/l', value: 'late' }, { op: 'increment', path: '/n', value: 5 }),
    author(9),
  )!;
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

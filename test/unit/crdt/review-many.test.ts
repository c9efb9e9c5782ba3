import { expect, test } from 'vitest';
import { GenerationalDocument, type Change } from '../../../crdt/index.ts';

const C = 2 ** 32;
let stamp = 1_000_000;
const author = (client: number) => ({ client: C + client, stamp: ++stamp });
const copy = (d: GenerationalDocument): GenerationalDocument => GenerationalDocument.load(...d.encodeParts());

test('many equal elements of one late write are all there', { timeout: 120_000 }, () => {
  const p = GenerationalDocument.create();
  p.change({ kind: 'merge-patch', patch: { l: [], x: 1 } }, author(1));
  const s = copy(p);
  p.prepare('s1');
  p.succeed('s1');
  const q = copy(p);
  const N = 17_000;
  const late: Change = {
    kind: 'operations',
    operations: Array.from({ length: N }, () => ({ op: 'append', path: '/l', value: 0 })) as never,
  };
  s.change(late, author(9));
  expect((JSON.parse(s.view().json) as { l: number[] }).l).toHaveLength(N);
  s.join(q.encodeParts());
  const before = process.cpuUsage().user;
  const u = s.takeAlong()!;
  console.log(
    'MANY',
    (JSON.parse(s.view().json) as { l: number[] }).l.length,
    'of',
    N,
    'cpu ms',
    (process.cpuUsage().user - before) / 1000,
    'bytes',
    u.length,
    'state',
    s.encode().length,
  );
  expect((JSON.parse(s.view().json) as { l: number[] }).l).toHaveLength(N);
});

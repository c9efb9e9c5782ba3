import { expect, test } from 'vitest';
import type { Change, JsonObject } from '../../../crdt/index.ts';
import { createCompactingReplicas, settleAll, type CompactingReplica } from '../../helper/compacting-replicas.ts';

const TYPES = { '/a': 'text', '/b': 'set' } as const;
const op = (...operations: object[]): Change => ({ kind: 'operations', operations: operations as never });
const json = (r: CompactingReplica): JsonObject => JSON.parse(r.document.view().json) as JsonObject;

/** S writes `first` and `second` after it was set back to before the compaction; B heard of the first only, C of both; then they hear of the new generation. */
function diverge(begin: Change, first: Change, second: Change): CompactingReplica[] {
  const replicas = createCompactingReplicas(4, TYPES);
  const [a, b, c, s] = replicas as [CompactingReplica, CompactingReplica, CompactingReplica, CompactingReplica];
  a.write(begin, 1000);
  settleAll(replicas);
  const backup = s.backUp();
  a.prepare(1001);
  settleAll(replicas);
  expect(a.decide()).toBe('succeeded');
  s.setBack(backup);
  s.write(first, 1010);
  while (b.pull(s));
  s.write(second, 1011);
  while (c.pull(s));
  settleAll(replicas);
  for (const r of replicas) expect(r.document.generation).toBe(1);
  return replicas;
}

test('text of one late writer, of which two holders had heard differently much', () => {
  const [a] = diverge(
    op({ op: 'text-insert', path: '/a', index: 0, value: 'start ' }),
    op({ op: 'text-insert', path: '/a', index: 6, value: '<abc>' }),
    op({ op: 'text-insert', path: '/a', index: 11, value: '<def>' }),
  ) as [CompactingReplica];
  console.log('TEXT', a.document.view().json, '| plain', a.plain.view().json);
  expect((json(a)['a'] as string).match(/<abc>/g)).toHaveLength(1);
});

test('an element of a late writer that he changed, of which two holders had heard differently much', () => {
  const [a] = diverge(
    { kind: 'merge-patch', patch: { l: [1] } },
    op({ op: 'append', path: '/l', value: { k: 'late' } }),
    { kind: 'json-patch', operations: [{ op: 'add', path: '/l/1/m', value: 2 }] } as never,
  ) as [CompactingReplica];
  console.log('ELEMENT', a.document.view().json, '| plain', a.plain.view().json);
  expect(json(a)['l']).toHaveLength(2);
});

test('an element of a late writer that another holder has deleted', () => {
  const replicas = createCompactingReplicas(4, TYPES);
  const [a, b, c, s] = replicas as [CompactingReplica, CompactingReplica, CompactingReplica, CompactingReplica];
  a.write({ kind: 'merge-patch', patch: { l: [1] } }, 1000);
  settleAll(replicas);
  const backup = s.backUp();
  a.prepare(1001);
  settleAll(replicas);
  expect(a.decide()).toBe('succeeded');
  s.setBack(backup);
  s.write(op({ op: 'append', path: '/l', value: 'late' }), 1010);
  while (b.pull(s));
  while (c.pull(s));
  b.write(op({ op: 'remove', path: '/l', index: 1 }), 1020);
  settleAll(replicas);
  console.log(
    'DELETED',
    a.document.view().json,
    '| plain',
    a.plain.view().json,
    JSON.stringify(c.document.conflicts()),
  );
});

/** Rules CR13 and CR14, and the errors of updates. */
import { expect, test } from 'vitest';
import { CrdtDocument, inspectUpdate, normaliseState } from '../../../crdt/index.ts';
import { codeOf } from '../../helper/crdt-failure.ts';
import { createReplicas, settle, type DocumentReplica } from '../../helper/crdt-replicas.ts';

test('[CR13] the same update twice changes nothing', () => {
  const [a, b] = createReplicas(2) as [DocumentReplica, DocumentReplica];
  a.put({ x: [1, 2], n: 1 }, 1);
  a.operate(2, { op: 'increment', path: '/n', value: 5 });
  for (let round = 0; round < 3; round++) for (const { update } of a.log) b.document.apply(update);
  expect(b.json).toBe('{"n":6,"x":[1,2]}');
  expect(normaliseState(b.document.encode())).toEqual(normaliseState(a.document.encode()));
});

test('[CR13] an update with a gap before it is refused and nothing of it is visible', () => {
  const [a, b] = createReplicas(2) as [DocumentReplica, DocumentReplica];
  a.put({ x: 1, y: 1 }, 1);
  a.patch({ x: 2 }, 2);
  a.patch({ y: 3, x: null }, 3);
  b.document.apply(a.log[0]!.update);
  const before = b.document.encode();
  expect(codeOf(() => b.document.apply(a.log[2]!.update))).toBe('CRDT_UPDATE_GAP');
  expect(b.json).toBe('{"x":1,"y":1}');
  expect(b.document.encode()).toEqual(before);
  b.document.apply(a.log[1]!.update);
  b.document.apply(a.log[2]!.update);
  expect(b.json).toBe('{"y":3}');
});

test('[CR13] an update that builds on a client we do not know is refused', () => {
  const [a, b, c] = createReplicas(3) as [DocumentReplica, DocumentReplica, DocumentReplica];
  a.put({ x: 1 }, 1);
  b.pull(a);
  b.patch({ x: 2 }, 2);
  expect(codeOf(() => c.document.apply(b.log[0]!.update))).toBe('CRDT_UPDATE_GAP');
  expect(c.document.view().exists).toBe(false);
});

test('[CR13] cut and damaged updates are refused whole', () => {
  const [a, b] = createReplicas(2) as [DocumentReplica, DocumentReplica];
  a.put({ x: 1, text: 'some words' }, 1);
  a.patch({ x: 2, list: [1, { a: 'b' }] }, 2);
  b.pull(a);
  const { update } = a.log[1]!;
  const before = b.document.encode();
  for (let length = 0; length < update.length; length++) {
    expect(codeOf(() => b.document.apply(update.subarray(0, length)))).toBe('CRDT_UPDATE_MALFORMED');
  }
  expect(codeOf(() => b.document.apply(Uint8Array.from([...update, 0])))).toBe('CRDT_UPDATE_MALFORMED');
  expect(b.document.encode()).toEqual(before);
  expect(b.json).toBe('{"text":"some words","x":1}');
});

test('[CR13] a refused change leaves the document as it was', () => {
  const [a] = createReplicas(1) as [DocumentReplica];
  a.put({ x: 1, list: [1, 2, 3] }, 1);
  const before = a.document.encode();
  const operations = [
    { op: 'remove', path: '/x' },
    { op: 'add', path: '/list/0', value: { deep: [1] } },
    { op: 'test', path: '/list/1', value: 'nope' },
  ];
  expect(codeOf(() => a.jsonPatch(2, ...operations))).toBe('CRDT_PATCH_TEST_FAILED');
  expect(a.json).toBe('{"list":[1,2,3],"x":1}');
  expect(a.document.encode()).toEqual(before);
});

test('[CR14] every order of delivery that respects causes ends in the same JSON and bytes', () => {
  const build = (): DocumentReplica[] => {
    const replicas = createReplicas(3);
    const [a, b, c] = replicas as [DocumentReplica, DocumentReplica, DocumentReplica];
    a.put({ list: [1], n: 0 }, 1);
    b.pull(a);
    c.pull(a);
    a.patch({ list: [1, 2], k: { a: 1 } }, 2);
    b.operate(3, { op: 'append', path: '/list', value: 'b' }, { op: 'increment', path: '/n', value: 2 });
    c.patch({ k: 'c', list: null }, 4);
    b.patch({ k: { b: 2 } }, 5);
    return replicas;
  };
  const outcomes = new Set<string>();
  for (const order of [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ]) {
    const replicas = build();
    settle(
      replicas,
      order.map((index) => replicas[index] as DocumentReplica),
    );
    for (const { document } of replicas)
      outcomes.add(`${document.view().json} ${normaliseState(document.encode()).toString()}`);
  }
  expect(outcomes.size).toBe(1);
});

test('[CR14] every write advances the clock of its client, also one that only removes', () => {
  const [a] = createReplicas(1) as [DocumentReplica];
  let clock = 0;
  const changes: (() => void)[] = [
    () => a.put({ x: 1, list: [1, 2] }, 1),
    () => a.patch({ x: null }, 2),
    () => a.operate(3, { op: 'remove', path: '/list', index: 0 }),
    () => a.put({}, 4),
    () => a.delete(5),
  ];
  for (const change of changes) {
    change();
    const { clients } = inspectUpdate(a.log.at(-1)!.update);
    expect([...clients.keys()]).toEqual([a.client]);
    expect(clients.get(a.client)!.from).toBe(clock);
    expect(clients.get(a.client)!.to).toBeGreaterThan(clock);
    clock = clients.get(a.client)!.to;
  }
});

test('[CR14] a state survives load and encode byte for byte', () => {
  const [a] = createReplicas(1) as [DocumentReplica];
  a.put({ x: [1, { y: 'z' }] }, 1);
  a.patch({ x: [{ y: 'q' }] }, 2);
  const state = a.document.encode();
  const loaded = CrdtDocument.load(state);
  loaded.view();
  expect(loaded.encode()).toEqual(state);
  expect(normaliseState(state)).toEqual(state);
  expect(CrdtDocument.load(CrdtDocument.create().encode()).view().exists).toBe(false);
  expect(codeOf(() => CrdtDocument.load(Uint8Array.of(5)).view())).toBe('CRDT_UPDATE_MALFORMED');
  expect(codeOf(() => CrdtDocument.load(Uint8Array.of(1, 1, 5, 9, 9)).view())).toBe('CRDT_UPDATE_MALFORMED');
});

/**
 * The shortcut for first writes against the general path: same bytes, same view.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonicalOrder } from '../../crdt/canonical-json.ts';
import { CrdtDocument, normaliseState, restoreFirstState, type JsonObject } from '../../crdt/index.ts';
import { createModel } from '../../crdt/model.ts';
import { plainOrder } from '../../crdt/plain-state.ts';
import { Transaction } from '../../crdt/transaction.ts';
import { writeUpdate } from '../../crdt/write-update.ts';
import { assign } from '../../crdt/write-value.ts';

const AUTHOR = { client: 2 ** 41 + 3, stamp: 2 ** 48 + 12_345 };
const value = fc.dictionary(
  fc.string({ unit: 'binary', maxLength: 8 }),
  fc.jsonValue({ maxDepth: 4, noNullPrototype: false } as never),
  { maxKeys: 8 },
);

test('[CR14] a first write encoded without a model has the bytes and the view of one with a model', () => {
  fc.assert(
    fc.property(value, (json) => {
      fc.pre(JSON.stringify(json).isWellFormed());
      const document = CrdtDocument.create();
      const update = document.change({ kind: 'replace', value: json as JsonObject }, AUTHOR);
      const transaction = new Transaction(createModel(), AUTHOR, true);
      const written = document.first !== null ? canonicalOrder(json as JsonObject) : (json as JsonObject);
      assign(transaction, transaction.model.root, written, false);
      const general = writeUpdate(transaction, plainOrder(0, 0)).update;
      expect(update).toEqual(general);
      expect(document.view()).toEqual(CrdtDocument.load(general).view());
      if (document.first === null) return;
      expect(document.first.client).toBe(AUTHOR.client);
      expect(restoreFirstState(document.view().json, AUTHOR)).toEqual(update);
      const copy = CrdtDocument.create();
      copy.apply(general);
      expect({ first: copy.first?.client, view: copy.view() }).toEqual({ first: AUTHOR.client, view: document.view() });
    }),
    { seed: Number(process.env['SEED'] ?? 7), numRuns: Number(process.env['RUNS'] ?? 500) },
  );
});

test('[CR14] compacting a document changes nothing that can be seen', () => {
  const document = CrdtDocument.create();
  const author = (stamp: number) => ({ ...AUTHOR, stamp });
  document.change({ kind: 'replace', value: { a: 1, b: [1, { c: 2 }] } }, author(1));
  // Now after few writes, now after more than are kept beside the state.
  const isCompacted = (stamp: number): boolean => (stamp < 100 ? stamp % 5 === 0 : stamp % 40 === 0);
  for (let stamp = 2; stamp < 300; stamp++) {
    document.change({ kind: 'merge-patch', patch: { a: stamp, [`k${stamp % 7}`]: stamp } }, author(stamp));
    if (!isCompacted(stamp)) continue;
    const before = { view: document.view(), conflicts: document.conflicts() };
    const { weight } = document;
    if (stamp % 2 === 0) document.compact();
    const [state, ...updates] = document.encodeParts();
    expect(CrdtDocument.load(state, ...updates).view()).toEqual(before.view);
    expect({ view: document.view(), conflicts: document.conflicts() }).toEqual(before);
    expect(CrdtDocument.load(document.encode()).view()).toEqual(before.view);
    document.compact();
    expect(document.weight).toBeLessThan(weight);
  }
});

test('[CR14] updates put into a model without a Y.Doc leave what a Y.Doc would show, and what comes next is written the same', () => {
  const key = fc.constantFrom('a', 'b', 'c', 'd');
  const scalar = fc.oneof(fc.integer({ min: 0, max: 9 }), fc.constantFrom('x', 'y'), fc.boolean());
  const member = fc.oneof(
    scalar,
    fc.constant(null),
    fc.dictionary(key, fc.oneof(scalar, fc.constant(null))),
    fc.array(scalar),
  );
  const write = fc.record({
    replica: fc.integer({ min: 0, max: 2 }),
    patch: fc.dictionary(key, member, { minKeys: 1 }),
    by: fc.option(fc.integer({ min: 1, max: 5 }), { freq: 4 }),
    /** Which of the others hear of it at once. */
    heard: fc.tuple(fc.boolean(), fc.boolean(), fc.boolean()),
  });
  fc.assert(
    fc.property(fc.array(write, { minLength: 1, maxLength: 30 }), (writes) => {
      const replicas = [0, 1, 2].map(() => CrdtDocument.create());
      const waiting: Uint8Array[][] = [[], [], []];
      const author = (replica: number, stamp: number) => ({ client: 2 ** 33 + replica, stamp });
      const first = replicas[0]!.change({ kind: 'replace', value: { a: 1, b: { c: 2 }, n: 0 } }, author(0, 1))!;
      for (const other of [1, 2]) replicas[other]!.apply(first);
      const catchUp = (replica: number): void => {
        for (const update of waiting[replica]!.splice(0)) replicas[replica]!.apply(update);
      };
      writes.forEach(({ replica, patch, by, heard }, index) => {
        const change =
          by === null
            ? ({ kind: 'merge-patch', patch: patch as JsonObject } as const)
            : ({ kind: 'operations', operations: [{ op: 'increment', path: '/n', value: by }] } as const);
        if (heard[replica]) catchUp(replica);
        const update = replicas[replica]!.change(change, author(replica, index + 2));
        if (update !== null) waiting.forEach((queue, other) => other !== replica && queue.push(update));
        heard.forEach((isHeard, other) => isHeard && catchUp(other));
      });
      for (const replica of [0, 1, 2]) catchUp(replica);
      const again = { kind: 'merge-patch', patch: { a: 'last', b: null, e: { f: 1 } } } as const;
      const seen = replicas.map((replica) => {
        const plain = CrdtDocument.load(normaliseState(replica.encode()));
        expect(replica.view()).toEqual(plain.view());
        expect(replica.conflicts()).toEqual(plain.conflicts());
        const updates = [replica, plain].map((each) => each.change(again, author(5, 1000)));
        expect(replica.view()).toEqual(plain.view());
        expect(normaliseState(replica.encode())).toEqual(normaliseState(plain.encode()));
        expect(updates[0] === null).toBe(updates[1] === null);
        return replica.view().json;
      });
      expect(new Set(seen).size).toBe(1);
    }),
    { seed: Number(process.env['SEED'] ?? 7), numRuns: Number(process.env['RUNS'] ?? 400) },
  );
});

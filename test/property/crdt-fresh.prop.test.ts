/**
 * The shortcut for first writes against the general path: same bytes, same view.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonicalOrder } from '../../crdt/canonical-json.ts';
import { CrdtDocument, restoreFirstState, type JsonObject } from '../../crdt/index.ts';
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
      const written = document.firstClient !== null ? canonicalOrder(json as JsonObject) : (json as JsonObject);
      assign(transaction, transaction.model.root, written, false);
      const general = writeUpdate(transaction, plainOrder(0, 0)).update;
      expect(update).toEqual(general);
      expect(document.view()).toEqual(CrdtDocument.load(general).view());
      if (document.firstClient === null) return;
      expect(document.firstClient).toBe(AUTHOR.client);
      expect(restoreFirstState(document.view().json, AUTHOR)).toEqual(update);
      const copy = CrdtDocument.create();
      copy.apply(general);
      expect({ first: copy.firstClient, view: copy.view() }).toEqual({ first: AUTHOR.client, view: document.view() });
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

import fc from 'fast-check';
import { expect, test } from 'vitest';
import * as Y from 'yjs';
import { CrdtDocument, mergeClient } from '../../crdt/index.ts';
import type { Change } from '../../crdt/index.ts';

/**
 * Editors and writes take turns at one document. What it says of itself without being rendered must be what a document says that
 * is loaded from its bytes.
 */
const ROOTS = ['a', 'b', '', 't/n', 'n'] as const;
const ADMISSION = { isReadOnly: false, bytesMax: 1_000_000 };

type Step =
  | { readonly kind: 'text' | 'array' | 'map' | 'clear' | 'format'; readonly root: string; readonly editor: number }
  | { readonly kind: 'write'; readonly change: Change }
  | { readonly kind: 'show' };

const member = fc.constantFrom('a', 'b', 'n', 'c', 'd', 'e');
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.tuple(member, fc.constantFrom(1, 'x', null, { k: 1 })).map(([name, value]) => ({
    kind: 'merge-patch' as const,
    patch: { [name]: value },
  })),
  fc.constant<Change>({ kind: 'delete' }),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.oneof(
        { weight: 4, arbitrary: fc.constant('text' as const) },
        {
          weight: 1,
          arbitrary: fc.constantFrom('array' as const, 'map' as const, 'clear' as const, 'format' as const),
        },
      ),
      root: fc.oneof({ weight: 6, arbitrary: fc.constant('a') }, { weight: 1, arbitrary: fc.constantFrom(...ROOTS) }),
      editor: fc.nat(1),
    }),
  },
  { weight: 1, arbitrary: change.map((each) => ({ kind: 'write' as const, change: each })) },
  { weight: 3, arbitrary: fc.constant({ kind: 'show' as const }) },
);

function edit(doc: Y.Doc, { kind, root }: Extract<Step, { root: string }>): void {
  // One kind per name in an editor; the other editor may take another.
  const type = doc.share.get(root);
  if (kind === 'array') {
    if (type === undefined || type instanceof Y.Array) doc.getArray(root).push([1]);
  } else if (kind === 'map') {
    if (type === undefined || type instanceof Y.Map) doc.getMap(root).set('k', 1);
  } else if (type === undefined || type instanceof Y.Text) {
    const text = doc.getText(root);
    if (kind === 'text') text.insert(0, 'x');
    else if (kind === 'clear') text.delete(0, text.length);
    else text.format(0, text.length, { bold: true });
  }
}

/** Two editors use one name for different things before they meet; then all of it is deleted. */
const TWO_KINDS: Step[] = [
  { kind: 'clear', root: 'a', editor: 0 },
  { kind: 'map', root: 'a', editor: 1 },
  { kind: 'text', root: 'a', editor: 0 },
  { kind: 'write', change: { kind: 'delete' } },
  { kind: 'text', root: 'a', editor: 0 },
];

test('[YJ40] what a document says without being rendered is what its content says', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), fc.nat(3), (steps, typed) => {
      const document = CrdtDocument.create();
      const peer = CrdtDocument.create();
      const editors = [new Y.Doc(), new Y.Doc()] as const;
      editors.forEach((doc, index) => (doc.clientID = 10 + index));
      let stamp = 1_000_000;
      const others = (update: Uint8Array | null): void => {
        if (update === null) return;
        peer.apply(update);
        for (const doc of editors) Y.applyUpdate(doc, update);
      };
      for (const each of steps) {
        stamp += 1 + typed * 200_000_000;
        const author = { client: 2 ** 32 + 9, stamp };
        if (each.kind === 'show') void [document.view(), peer.view()];
        else if (each.kind === 'write') others(document.change(each.change, author));
        else {
          const doc = editors[each.editor]!;
          const before = Y.encodeStateVector(doc);
          doc.transact(() => edit(doc, each));
          const update = Y.encodeStateAsUpdate(doc, before);
          for (const effect of mergeClient(document, update, ADMISSION, author)) others(effect);
        }
        for (const copy of [document, peer]) {
          const { outline } = copy;
          if (outline === null) continue;
          const { exists, modified, conflicts } = CrdtDocument.load(copy.encode()).view();
          expect({ exists: outline.exists, modified: outline.modified, conflicts: outline.conflicts }).toEqual({
            exists,
            modified,
            conflicts,
          });
        }
      }
    }),
    { numRuns: 500, examples: [[TWO_KINDS, 0]] },
  );
});

test('[YJ40] a character in a text that was shown leaves it known; what may change more does not', () => {
  const editor = new Y.Doc();
  const document = CrdtDocument.create();
  const take = (): void => {
    const author = { client: 2 ** 32 + 9, stamp: 5 };
    mergeClient(document, Y.encodeStateAsUpdate(editor), ADMISSION, author);
  };
  editor.getText('text').insert(0, 'hello');
  take();
  expect(document.outline).toBeNull();
  document.view();
  editor.getText('text').insert(0, 'x');
  take();
  expect(document.outline).toEqual({ exists: true, modified: 5, conflicts: 0 });
  editor.getText('text').delete(0, editor.getText('text').length);
  take();
  expect(document.outline).toBeNull();
});

/** What the log tells of a document that was compacted since. */
import { expect, test } from 'vitest';
import { CrdtDocument, describeWrites, withoutHistory } from '../../../crdt/index.ts';
import type { JsonObject } from '../../../crdt/index.ts';

test('[CP6] what the log still holds is told as before a compaction', () => {
  const client = 2 ** 32 + 1;
  const document = CrdtDocument.create();
  const updates: Uint8Array[] = [];
  const patch = (value: JsonObject, stamp: number): void => {
    updates.push(document.change({ kind: 'merge-patch', patch: value }, { client, stamp })!);
  };
  for (let count = 0; count < 4; count++) patch({ n: count, q: { a: count } }, 2_000_000 + count);
  document.encode();
  const before = describeWrites([...document.encodeParts()], updates).updates;
  document.apply(withoutHistory(document, client));
  expect(describeWrites([...document.encodeParts()], updates).updates).toEqual(before);
});

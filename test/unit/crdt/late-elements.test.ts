/**
 * Elements that are taken along to a later generation of a document.
 */
import { expect, test } from 'vitest';
import { GenerationalDocument, placesOf, type IntentOperation } from '../../../crdt/index.ts';

const [WRITER, LATE] = [2 ** 32 + 1, 2 ** 32 + 9];
const STAMP = 1_000_000;
const copyOf = (document: GenerationalDocument): GenerationalDocument =>
  GenerationalDocument.load(...document.encodeParts());

/** Returns the clocks that it took. */
function write(document: GenerationalDocument, operation: IntentOperation): readonly [from: number, to: number] {
  const update = document.change({ kind: 'operations', operations: [operation] }, { client: LATE, stamp: STAMP });
  const [, , from, to] = placesOf(update, LATE)[0]!;
  return [from, to];
}

test('[CP69] equal elements that are 2^14 clocks apart are both taken along', () => {
  const document = GenerationalDocument.create();
  const author = { client: WRITER, stamp: STAMP, types: { '/text': 'text' } } as const;
  document.change({ kind: 'replace', value: { list: [], text: '' } }, author);
  const late = copyOf(document);
  document.prepare('s.1');
  document.succeed('s.1');
  const insert = (length: number): IntentOperation => ({
    op: 'text-insert',
    path: '/text',
    index: 0,
    value: 'x'.repeat(length),
  });
  const append: IntentOperation = { op: 'append', path: '/list', value: 'same' };
  write(late, append);
  write(late, insert(1));
  const [first, end] = write(late, append);
  const [from, to] = write(copyOf(late), insert(1));
  write(late, insert(2 ** 14 - (end - first) - (to - from - 1)));
  expect(write(late, append)[0]).toBe(first + 2 ** 14);
  late.join(document.encodeParts());
  late.takeAlong();
  expect(JSON.parse(late.view().json)).toMatchObject({ list: ['same', 'same', 'same'] });
});

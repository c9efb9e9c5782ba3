import { expect, test } from 'vitest';
import { compareIds, compareLists } from '../../../cli/transfer/first-difference.ts';

async function* list(entries: Readonly<Record<string, string>>): AsyncGenerator<{ id: string; etag: string }> {
  for (const id of Object.keys(entries).sort(compareIds)) yield { id, etag: entries[id] as string };
}

test('[CL18] the first document that differs is found: another version, or missing on some node', async () => {
  const same = { a: '1', b: '2', c: '3' };
  expect(await compareLists([list(same), list(same), list(same)])).toBeNull();
  expect(await compareLists([list(same), list({ ...same, b: '9' }), list(same)])).toEqual({
    id: 'b',
    etags: ['2', '9', '2'],
  });
  expect(await compareLists([list(same), list({ b: '2', c: '3' })])).toEqual({ id: 'a', etags: ['1', null] });
  expect(await compareLists([list({ a: '1' }), list(same)])).toEqual({ id: 'b', etags: [null, '2'] });
  expect(await compareLists([list({}), list({})])).toBeNull();
});

test('[CL18] ids are compared as the nodes order them, by UTF-8 bytes', async () => {
  // U+FF5E sorts before U+1F600 in UTF-8, behind it in UTF-16.
  expect(compareIds('\uFF5E', '\u{1F600}')).toBeLessThan(0);
  const both = { '\uFF5E': '1', '\u{1F600}': '2' };
  expect(await compareLists([list(both), list(both)])).toBeNull();
});

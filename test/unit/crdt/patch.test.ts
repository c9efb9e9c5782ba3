/** JSON Merge Patch, JSON Patch and intents, against their standards. */
import patchSpecSuite from 'json-patch-test-suite/spec_tests.json' with { type: 'json' };
import patchSuite from 'json-patch-test-suite/tests.json' with { type: 'json' };
import { expect, test } from 'vitest';
import { canonicalJson, CrdtDocument, type Change, type JsonValue } from '../../../crdt/index.ts';
import { failureOf } from '../../helper/crdt-failure.ts';

let stamp = 0;

function documentOf(value: JsonValue): CrdtDocument {
  const document = CrdtDocument.create();
  document.change({ kind: 'replace', value: value as never }, { client: 7, stamp: ++stamp });
  return document;
}

function change(document: CrdtDocument, what: Change): Uint8Array | null {
  return document.change(what, { client: 8, stamp: ++stamp });
}

/** RFC 7396, appendix A: original, patch, result. */
const MERGE_CASES: readonly [JsonValue, JsonValue, JsonValue][] = [
  [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
  [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
  [{ a: 'b' }, { a: null }, {}],
  [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
  [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
  [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
  [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
  [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
  [
    ['a', 'b'],
    ['c', 'd'],
    ['c', 'd'],
  ],
  [{ a: 'b' }, ['c'], ['c']],
  [{ a: 'foo' }, null, null],
  [{ a: 'foo' }, 'bar', 'bar'],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [[1, 2], { a: 'b', c: null }, { a: 'b' }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
];

test('[CR12] merge patches do what appendix A of RFC 7396 says', () => {
  for (const [original, patch, result] of MERGE_CASES) {
    // A document is an object, so every case also runs one level down, where any value may stand.
    const document = documentOf({ in: original });
    if (patch === null) {
      change(document, { kind: 'merge-patch', patch: { in: null } });
      expect(document.view().json).toBe('{}');
    } else {
      change(document, { kind: 'merge-patch', patch: { in: patch } });
      expect(document.view().json).toBe(canonicalJson({ in: result }));
    }
  }
});

test('[CR12] a merge patch must be an object, since a document is one', () => {
  const document = documentOf({ a: 1 });
  for (const patch of [['c'], 'bar', null]) {
    expect(failureOf(() => change(document, { kind: 'merge-patch', patch: patch as never }))?.code).toBe(
      'CRDT_VALUE_INVALID',
    );
  }
});

interface PatchCase {
  readonly comment?: string;
  readonly doc: JsonValue;
  readonly patch: { readonly op: string; readonly path?: string; readonly from?: string }[];
  readonly expected?: JsonValue;
  readonly error?: string;
  readonly disabled?: boolean;
}

const PATCH_CASES = [...patchSuite, ...patchSpecSuite].filter(
  (entry) => 'patch' in entry && entry.disabled !== true,
) as unknown as PatchCase[];

test('[CR12] JSON patches pass the public suite, one level down so that any root may stand', () => {
  expect(PATCH_CASES.length).toBeGreaterThan(90);
  for (const { comment, doc, patch, expected, error } of PATCH_CASES) {
    const document = documentOf({ in: doc });
    const operations = patch.map((operation) => ({
      ...operation,
      ...(typeof operation.path === 'string' && (operation.path === '' || operation.path.startsWith('/'))
        ? { path: `/in${operation.path}` }
        : {}),
      ...(typeof operation.from === 'string' && (operation.from === '' || operation.from.startsWith('/'))
        ? { from: `/in${operation.from}` }
        : {}),
    }));
    const refused = failureOf(() => change(document, { kind: 'json-patch', operations: operations as never }));
    if (error !== undefined) {
      expect(refused, `${comment}: ${error}`).not.toBeNull();
      expect(document.view().json).toBe(canonicalJson({ in: doc }));
    } else {
      expect(refused, comment).toBeNull();
      if (expected !== undefined) expect(document.view().json, comment).toBe(canonicalJson({ in: expected }));
      expect(CrdtDocument.load(document.encode()).view().json).toBe(document.view().json);
    }
  }
});

test('[CR12] JSON patches pass the public suite at the root where it is an object', () => {
  for (const { comment, doc, patch, expected, error } of PATCH_CASES) {
    if (Array.isArray(doc) || doc === null || typeof doc !== 'object') continue;
    const document = documentOf(doc);
    const refused = failureOf(() => change(document, { kind: 'json-patch', operations: patch as never }));
    const endsAsObject =
      expected !== undefined && expected !== null && typeof expected === 'object' && !Array.isArray(expected);
    if (error !== undefined || (expected !== undefined && !endsAsObject)) expect(refused, comment).not.toBeNull();
    else if (expected !== undefined) expect(document.view().json, comment).toBe(canonicalJson(expected));
  }
});

test('[CR12] a failing patch says which operation failed and where, and changes nothing', () => {
  const document = documentOf({ a: [1, 2], b: {} });
  const cases: readonly [readonly object[], string, object][] = [
    [
      [
        { op: 'add', path: '/a/-', value: 3 },
        { op: 'replace', path: '/b/x', value: 1 },
      ],
      'CRDT_PATCH_TARGET_MISSING',
      { index: 1, path: '/b/x' },
    ],
    [[{ op: 'test', path: '/a/0', value: 9 }], 'CRDT_PATCH_TEST_FAILED', { index: 0, path: '/a/0' }],
    [
      [
        { op: 'remove', path: '/a/1' },
        { op: 'remove', path: '/a/1' },
      ],
      'CRDT_PATCH_TARGET_MISSING',
      { index: 1, path: '/a/1' },
    ],
    [[{ op: 'add', path: '/a/01', value: 1 }], 'CRDT_PATCH_TARGET_MISSING', { index: 0 }],
    [[{ op: 'nonsense', path: '/a' }], 'CRDT_PATCH_INVALID', { index: 0 }],
    [[{ op: 'add', path: '/a' }], 'CRDT_PATCH_INVALID', { index: 0 }],
    [[{ op: 'add', path: 'a', value: 1 }], 'CRDT_POINTER_INVALID', { index: 0 }],
    [[{ op: 'add', path: '', value: [] }], 'CRDT_PATCH_INVALID', { index: 0 }],
    [[{ op: 'move', from: '/b', path: '/b/c' }], 'CRDT_PATCH_INVALID', { index: 0 }],
  ];
  for (const [operations, code, details] of cases) {
    const refused = failureOf(() => change(document, { kind: 'json-patch', operations: operations as never }));
    expect(refused).toMatchObject({ code, details });
    expect(document.view().json).toBe('{"a":[1,2],"b":{}}');
  }
});

test('[CR12] a patch that changes nothing writes nothing, unless the document is missing: that becomes an empty one', () => {
  const document = documentOf({ a: { b: [1, 'x'] } });
  expect(
    change(document, { kind: 'json-patch', operations: [{ op: 'test', path: '/a', value: { b: [1, 'x'] } }] }),
  ).toBeNull();
  const nothing = [
    { kind: 'merge-patch', patch: {} },
    { kind: 'json-patch', operations: [] },
    { kind: 'operations', operations: [] },
  ] as const;
  for (const empty of nothing) {
    expect(change(document, empty)).toBeNull();
    const created = CrdtDocument.create();
    expect(change(created, empty)).not.toBeNull();
    expect(created.view()).toMatchObject({ exists: true, json: '{}' });
  }
});

test('[CR9] an array written as JSON becomes a set with its first set operation, and a string a text', () => {
  const document = documentOf({ a: ['y', 'x', 'x', { k: 1 }], s: 'ab' });
  const operations = [
    { op: 'set-add', path: '/a', value: 'z' },
    { op: 'set-remove', path: '/a', value: 'y' },
    { op: 'text-insert', path: '/s', index: 2, value: 'c' },
    { op: 'text-delete', path: '/s', index: 0, length: 1 },
  ] as const;
  change(document, { kind: 'operations', operations });
  expect(JSON.parse(document.view().json)).toEqual({ a: ['x', 'z', { k: 1 }], s: 'bc' });
  expect(JSON.parse(CrdtDocument.load(document.encode()).view().json)).toEqual(JSON.parse(document.view().json));
});

test('[CR12] an intent at a wrong place is refused with the operation and the path', () => {
  const document = documentOf({ s: 'x', n: 1, a: [1], o: {} });
  const cases: readonly [object, string][] = [
    [{ op: 'increment', path: '/s', value: 1 }, 'CRDT_TYPE_MISMATCH'],
    [{ op: 'append', path: '/n', value: 1 }, 'CRDT_TYPE_MISMATCH'],
    [{ op: 'set-add', path: '/s', value: 1 }, 'CRDT_TYPE_MISMATCH'],
    [{ op: 'text-insert', path: '/n', index: 0, value: 'y' }, 'CRDT_TYPE_MISMATCH'],
    [{ op: 'increment', path: '/n/deeper', value: 1 }, 'CRDT_TYPE_MISMATCH'],
    [{ op: 'increment', path: '', value: 1 }, 'CRDT_TYPE_MISMATCH'],
    [{ op: 'insert', path: '/a', index: 3, value: 1 }, 'CRDT_PATCH_TARGET_MISSING'],
    [{ op: 'remove', path: '/a', index: 1 }, 'CRDT_PATCH_TARGET_MISSING'],
    [{ op: 'move', path: '/a', from: 0, to: 1 }, 'CRDT_PATCH_TARGET_MISSING'],
    [{ op: 'text-insert', path: '/new', index: 1, value: 'y' }, 'CRDT_PATCH_TARGET_MISSING'],
    [{ op: 'insert', path: '/a', index: -1, value: 1 }, 'CRDT_PATCH_INVALID'],
    [{ op: 'increment', path: '/n' }, 'CRDT_PATCH_INVALID'],
    [{ op: 'append', path: '/a' }, 'CRDT_PATCH_INVALID'],
    [{ op: 'insert', path: '/a', index: 0 }, 'CRDT_PATCH_INVALID'],
    [{ op: 'set-add', path: '/new' }, 'CRDT_PATCH_INVALID'],
    [{ op: 'set-remove', path: '/new' }, 'CRDT_PATCH_INVALID'],
    [{ op: 'text-insert', path: '/new', index: 0 }, 'CRDT_PATCH_INVALID'],
    [{ op: 'what', path: '/n' }, 'CRDT_PATCH_INVALID'],
    [{ op: 'append', path: '/a/9/b', value: 1 }, 'CRDT_PATCH_TARGET_MISSING'],
  ];
  for (const [operation, code] of cases) {
    const refused = failureOf(() =>
      change(document, {
        kind: 'operations',
        operations: [{ op: 'increment', path: '/n', value: 1 }, operation] as never,
      }),
    );
    expect(refused, JSON.stringify(operation)).toMatchObject({ code, details: { index: 1 } });
    expect(document.view().json).toBe('{"a":[1],"n":1,"o":{},"s":"x"}');
  }
});

test('[CR12] intents create what is missing, objects on the way included', () => {
  const document = CrdtDocument.create();
  change(document, {
    kind: 'operations',
    operations: [
      { op: 'increment', path: '/a/b/n', value: 2 },
      { op: 'append', path: '/a/list', value: { x: 1 } },
      { op: 'insert', path: '/a/list', index: 0, value: 'first' },
      { op: 'move', path: '/a/list', from: 1, to: 0 },
      { op: 'set-add', path: '/a/set', value: [2] },
      { op: 'text-insert', path: '/a/text', index: 0, value: 'héllo 🎉' },
      { op: 'text-delete', path: '/a/text', index: 0, length: 1 },
      { op: 'increment', path: '/a/list/0/x', value: 1 },
      { op: 'text-insert', path: '/a/list/0/t', index: 0, value: 'in an element' },
    ],
  });
  const json = '{"a":{"b":{"n":2},"list":[{"t":"in an element","x":2},"first"],"set":[[2]],"text":"éllo 🎉"}}';
  expect(document.view().json).toBe(json);
  expect(CrdtDocument.load(document.encode()).view().json).toBe(json);
  expect(
    failureOf(() =>
      change(document, {
        kind: 'operations',
        operations: [{ op: 'text-insert', path: '/a/text', index: 6, value: 'x' }],
      }),
    )?.code,
  ).toBe('CRDT_PATCH_INVALID');
});

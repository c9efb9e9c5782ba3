/** The bytes: equal to what Yjs writes, readable by Yjs, and within budget. */
import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import { expect, test } from 'vitest';
import * as Y from 'yjs';
import { ByteReader } from '../../../crdt/byte-reader.ts';
import { ByteWriter } from '../../../crdt/byte-writer.ts';
import {
  CrdtDocument,
  encodeStamp,
  normaliseState,
  stampCounter,
  stampMs,
  type JsonObject,
} from '../../../crdt/index.ts';

/** Ids and stamps as long as they are in production. */
const CLIENT = 2 ** 42 - 12_345;
const STAMP = encodeStamp(1_790_000_000_000, 17);

const CITY = {
  cityId: 3038816,
  name: 'Xixerella',
  altName: '',
  country: 'AD',
  featureCode: 'PPL',
  adminCode: '04',
  population: 0,
  loc: { type: 'Point', coordinates: [1.48736, 42.55327] },
};
const PROFILE = {
  id: 'u_82731',
  name: { first: 'Ada', last: 'Lovelace' },
  email: 'ada@example.org',
  active: true,
  age: 36,
  address: { street: "12 St James's Square", city: 'London', zip: 'SW1Y 4JH', geo: { lat: 51.5074, lng: -0.1332 } },
  phones: [
    { type: 'home', number: '+44 20 7946 0001' },
    { type: 'work', number: '+44 20 7946 0002' },
  ],
  tags: ['math', 'poetry', 'engines'],
  preferences: { theme: 'dark', language: 'en-GB', notifications: { email: true, sms: false, push: true } },
  history: [
    { at: '2024-05-01T10:00:00Z', event: 'login' },
    { at: '2024-05-02T11:30:00Z', event: 'update' },
  ],
  bio: 'Wrote the first program.',
};
const FLAT = Object.fromEntries(
  Array.from({ length: 20 }, (_, index) => [
    `field_${index}`,
    index % 2 === 0 ? `the value of field ${index}, with some words in it` : index * 1_000_003,
  ]),
);

function documentOf(value: JsonObject): CrdtDocument {
  const document = CrdtDocument.create();
  document.change({ kind: 'replace', value }, { client: CLIENT, stamp: STAMP });
  return document;
}

test('[CR14] bytes are written and read as lib0 does', () => {
  const values = [
    '',
    'ascii',
    'é🎉',
    'x'.repeat(500),
    0,
    1,
    -1,
    63,
    64,
    -64,
    8191,
    8192,
    2 ** 31 - 1,
    2 ** 31,
    -(2 ** 31),
    2 ** 53 - 1,
    0.5,
    0.1,
    -1e300,
    true,
    false,
    null,
  ];
  const ours = new ByteWriter();
  const theirs = encoding.createEncoder();
  for (const value of values) {
    ours.scalar(value);
    encoding.writeAny(theirs, value);
  }
  ours.binary(Uint8Array.of(1, 2));
  encoding.writeAny(theirs, Uint8Array.of(1, 2));
  for (const value of [0, 127, 128, 2 ** 32, 2 ** 53 - 1]) {
    ours.varUint(value);
    encoding.writeVarUint(theirs, value);
  }
  const bytes = ours.take();
  expect(bytes).toEqual(encoding.toUint8Array(theirs));
  const reader = new ByteReader(bytes);
  const decoder = decoding.createDecoder(bytes);
  for (let count = 0; count <= values.length; count++) expect(reader.any()).toEqual(decoding.readAny(decoder));
  for (let count = 0; count < 5; count++) expect(reader.varUint()).toBe(decoding.readVarUint(decoder));
  expect(reader.isAtEnd).toBe(true);
  for (let length = 0; length < bytes.length; length++) {
    const cut = new ByteReader(bytes.subarray(0, length));
    expect(() => {
      for (let count = 0; count <= values.length; count++) cut.any();
      for (let count = 0; count < 5; count++) cut.varUint();
    }).toThrow(RangeError);
  }
});

test('[CR14] a fresh document is byte for byte what Yjs makes of it', () => {
  for (const value of [CITY, PROFILE, FLAT, {}, { list: [[], [{}], 1] }]) {
    const state = documentOf(value).encode();
    expect(normaliseState(state)).toEqual(state);
    const doc = new Y.Doc({ guid: 'a' });
    Y.applyUpdate(doc, state);
    const copy = new Y.Doc({ guid: 'a' });
    copy.clientID = CLIENT;
    copy.getArray('~').push(doc.getArray('~').toJSON());
    expect(Y.encodeStateAsUpdate(copy)).toEqual(state);
    expect(CrdtDocument.load(Y.encodeStateAsUpdate(copy)).view().json).toBe(documentOf(value).view().json);
  }
});

test('[CR14] updates applied one by one by plain Yjs give the state we encode', () => {
  const document = CrdtDocument.create();
  const doc = new Y.Doc({ guid: 'a' });
  const operations = [
    { op: 'insert', path: '/list', index: 0, value: { a: [1] } },
    { op: 'move', path: '/list', from: 0, to: 1 },
    { op: 'text-insert', path: '/text', index: 0, value: 'abc' },
    { op: 'text-insert', path: '/text', index: 1, value: 'XY' },
    { op: 'text-delete', path: '/text', index: 0, length: 1 },
    { op: 'increment', path: '/n', value: 4 },
    { op: 'set-add', path: '/s', value: 1 },
    { op: 'remove', path: '/list', index: 0 },
  ];
  Y.applyUpdate(
    doc,
    document.change({ kind: 'replace', value: { list: ['x', 'y'] } }, { client: CLIENT, stamp: STAMP })!,
  );
  operations.forEach((operation, index) => {
    const update = document.change(
      { kind: 'operations', operations: [operation as never] },
      { client: CLIENT - (index % 3), stamp: STAMP + index },
    )!;
    Y.applyUpdate(doc, update);
    expect(Y.encodeStateAsUpdate(doc)).toEqual(document.encode());
  });
  expect(doc.getText('text').toString()).toBe('XYbc');
});

test('[CR5] an editor attached to the text of a path is read like any other writer', () => {
  const editor = new Y.Doc();
  editor.getText('body').insert(0, 'typed');
  const document = documentOf({ title: 'x' });
  document.apply(Y.encodeStateAsUpdate(editor));
  expect(document.view().json).toBe('{"body":"typed","title":"x"}');
  document.change(
    { kind: 'operations', operations: [{ op: 'text-insert', path: '/body', index: 5, value: ' more' }] },
    { client: CLIENT, stamp: STAMP },
  );
  Y.applyUpdate(editor, document.encode());
  expect(editor.getText('body').toString()).toBe('typed more');
  document.change({ kind: 'merge-patch', patch: { body: null } }, { client: CLIENT, stamp: STAMP });
  expect(document.view().json).toBe('{"title":"x"}');
});

test('[CR5] a declared text is created by a plain write and edited by the next', () => {
  const author = { client: CLIENT, stamp: STAMP, types: { '/body': 'text' } } as const;
  const [a, b] = [CrdtDocument.create(), CrdtDocument.create()];
  b.apply(a.change({ kind: 'replace', value: { body: 'one two' } }, author)!);
  const left = a.change({ kind: 'replace', value: { body: 'one and two' } }, author)!;
  const right = b.change({ kind: 'replace', value: { body: 'one two three' } }, { ...author, client: CLIENT + 1 })!;
  a.apply(right);
  b.apply(left);
  expect(a.view().json).toBe('{"body":"one and two three"}');
  expect(b.view().json).toBe(a.view().json);
});

test('[CR14] budget: state at most 1.5 times the JSON', () => {
  for (const value of [CITY, PROFILE, FLAT]) {
    expect(documentOf(value).encode().length / JSON.stringify(value).length).toBeLessThan(1.5);
  }
});

test('[CR14] budget: a one-field update at most 64 bytes on the wire', () => {
  for (const [value, field] of [
    [CITY, 'population'],
    [PROFILE, 'age'],
    [FLAT, 'field_3'],
  ] as const) {
    const document = documentOf(value);
    for (const client of [CLIENT, CLIENT, CLIENT - 99, CLIENT]) {
      const patch = { [field]: document.view().json.length + 4000 + (client % 7) };
      const update = document.change({ kind: 'merge-patch', patch }, { client, stamp: STAMP + 1 })!;
      expect(update.length).toBeLessThanOrEqual(64);
    }
  }
});

test('[CR14] budget: 100,000 overwrites of ten fields at most 1 KB', () => {
  const document = CrdtDocument.create();
  for (let index = 0; index < 100_000; index++) {
    document.change(
      { kind: 'merge-patch', patch: { [`field_${index % 10}`]: index } },
      { client: CLIENT, stamp: STAMP + index },
    );
  }
  expect(document.encode().length).toBeLessThanOrEqual(1000);
}, 60_000);

test('[CR1] a stamp carries milliseconds and a counter', () => {
  const stamp = encodeStamp(1_790_000_000_123, 4095);
  expect(Number.isSafeInteger(stamp)).toBe(true);
  expect(stampMs(stamp)).toBe(1_790_000_000_123);
  expect(stampCounter(stamp)).toBe(4095);
  expect(encodeStamp(0, 3)).toBe(3);
});

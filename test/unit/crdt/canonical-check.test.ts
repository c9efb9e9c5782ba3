/**
 * The quick check of first writes against parsing and printing: it may only ever say yes to what those would accept.
 */
import { describe, expect, test } from 'vitest';
import { canonicalJson, checkFirstState, isCanonicalObject, parseJson } from '../../../crdt/index.ts';
import { seededRandom } from '../../helper/manual-ports.ts';

const encoder = new TextEncoder();
const bytesOf = (text: string): Uint8Array => encoder.encode(text);

function isFirstWrite(bytes: Uint8Array): boolean {
  try {
    const json = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    checkFirstState({ json, client: 1, stamp: 1 });
    return true;
  } catch {
    return false;
  }
}

describe('[AE61] what is plain is known without parsing', () => {
  test.each([
    '{}',
    '{"a":1}',
    '{"A":0,"a":-1,"aa":true,"b":false,"c":null}',
    '{"10":1,"9":2}',
    '{"a":{"b":{"c":[]}},"b":[1,"x",null,true,0.5,-12.25]}',
    '{"text":"Zürich 東京 😀"}',
    '{"a":123456789012345,"b":0.000001,"c":1.65362}',
  ])('%s', (text) => {
    expect(isCanonicalObject(bytesOf(text))).toBe(true);
    expect(isFirstWrite(bytesOf(text))).toBe(true);
  });
});

describe('[AE61] what is not, or may not be, is left to parsing', () => {
  test.each([
    ...['', '{', '[]', '1', '"a"', '{}{}', '{} ', ' {}', '{"a":1,}', '{"a"}', '{"a":}', '{,}', '{"a":1 }'],
    ...['{"b":1,"a":2}', '{"a":1,"a":2}', '{"aa":1,"a":2}', '{"a":[{}]}', '{"a":[[]]}', '{"a":[1,]}', '{"a":[,1]}'],
    ...[
      '{"a":01}',
      '{"a":-0}',
      '{"a":1.0}',
      '{"a":1.}',
      '{"a":.5}',
      '{"a":-}',
      '{"a":1e5}',
      '{"a":0.0000001}',
      '{"a":+1}',
    ],
    ...[
      '{"a":1234567890123456789}',
      '{"a":0.12345678901234567}',
      '{"a":-0.0}',
      '{"a":tru}',
      '{"a":nul',
      '{"a":"x',
      '{"a":"\n"}',
    ],
    ...[String.raw`{"a":"\n"}`, String.raw`{"\u0061":1}`, '{"é":1}', '{"a!":1,"a":2}'],
  ])('%s', (text) => {
    expect(isCanonicalObject(bytesOf(text))).toBe(false);
  });

  test.each([
    ['a lone continuation', [0x80]],
    ['an overlong slash', [0xc0, 0xaf]],
    ['an overlong character of three bytes', [0xe0, 0x9f, 0xbf]],
    ['a surrogate', [0xed, 0xa0, 0x80]],
    ['an overlong character of four bytes', [0xf0, 0x8f, 0xbf, 0xbf]],
    ['beyond the last character', [0xf4, 0x90, 0x80, 0x80]],
    ['a character that is cut off', [0xe2, 0x82]],
  ])('%s', (_name, odd) => {
    const bytes = Uint8Array.of(...bytesOf('{"a":"'), ...odd, ...bytesOf('"}'));
    expect(isCanonicalObject(bytes)).toBe(false);
    expect(isFirstWrite(bytes)).toBe(false);
  });

  test('nor is what is nested deep read to the end', () => {
    expect(isCanonicalObject(bytesOf('{"a":'.repeat(100_000)))).toBe(false);
  });
});

test('[AE61] no change of a byte makes it say yes where parsing says no', () => {
  const random = seededRandom(5);
  const values = ['{"a":[1,-2.5,"x"],"b":{"c":"é","d":0.05},"e":true}', '{"10":null,"9":"東","_":{"":1}}'];
  const alphabet = bytesOf('{}[]",:\\ 0123456789.-eEtruefalsn"aé\u{1F600}\0');
  let accepted = 0;
  for (let i = 0; i < 20_000; i++) {
    const [which = 0, at = 0, with_ = 0, kind = 0] = random.bytes(4);
    const bytes = bytesOf(values[which % 2]!);
    const place = at % bytes.length;
    const other = kind % 3 === 0 ? with_ : alphabet[with_ % alphabet.length]!;
    if (kind % 4 === 1) bytes.copyWithin(place, place + 1);
    else bytes[place] = other;
    const changed = kind % 4 === 1 ? bytes.subarray(0, -1) : bytes;
    if (!isCanonicalObject(changed)) continue;
    accepted++;
    expect(isFirstWrite(changed), new TextDecoder().decode(changed)).toBe(true);
  }
  expect(accepted).toBeGreaterThan(1000);
});

test('[AE61] numbers it accepts are printed as they are written', () => {
  const random = seededRandom(6);
  for (let i = 0; i < 20_000; i++) {
    const bytes = random.bytes(12);
    const whole = bytes.subarray(0, bytes[0]! % 6).join('');
    const text = `{"a":${bytes[1]! % 2 === 0 ? '-' : ''}${whole === '' ? '0' : whole}.${bytes.subarray(6, 7 + (bytes[2]! % 5)).join('')}}`;
    if (isCanonicalObject(bytesOf(text))) expect(canonicalJson(parseJson(bytesOf(text)))).toBe(text);
  }
});

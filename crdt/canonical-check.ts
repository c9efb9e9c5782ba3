/**
 * @module
 * Owns the quick check of what most documents are: canonical JSON of an object whose arrays hold no containers. It reads each byte once
 * and makes nothing. What it does not know for certain (escapes, numbers that are not written plainly, keys beyond ASCII) it leaves to
 * whoever parses.
 */

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const OPEN_ARRAY = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const DEPTH_MAX = 32;
/** Digits that a double keeps: what is written with so many is what it prints. */
const DIGITS_MAX = 15;
/** Zeros after the point with which a number is not yet printed with an exponent. */
const SMALL_ZEROS_MAX = 5;
const WORDS: readonly Uint8Array[] = ['true', 'false', 'null'].map((word) => new TextEncoder().encode(word));

/** Position after what was read, or this. */
const UNKNOWN = -1;

/** True for certain; false = it may be, and may be anything else. */
export function isCanonicalObject(bytes: Uint8Array): boolean {
  return bytes[0] === OPEN_OBJECT && afterObject(bytes, 1, DEPTH_MAX) === bytes.length;
}

/** @param start - After the brace. */
function afterObject(bytes: Uint8Array, start: number, depth: number): number {
  if (bytes[start] === CLOSE_OBJECT) return start + 1;
  let at = start;
  let key = -1;
  for (;;) {
    if (bytes[at] !== QUOTE) return UNKNOWN;
    const end = afterText(bytes, at + 1, 0x80);
    if (end === UNKNOWN || bytes[end] !== COLON || (key >= 0 && !isBefore(bytes, key, at))) return UNKNOWN;
    key = at;
    at = end + 1;
    if (bytes[at] === OPEN_OBJECT) at = depth === 0 ? UNKNOWN : afterObject(bytes, at + 1, depth - 1);
    else if (bytes[at] === OPEN_ARRAY) at = afterArray(bytes, at + 1);
    else at = afterScalar(bytes, at);
    if (at === UNKNOWN) return UNKNOWN;
    if (bytes[at] === CLOSE_OBJECT) return at + 1;
    if (bytes[at++] !== COMMA) return UNKNOWN;
  }
}

function afterArray(bytes: Uint8Array, start: number): number {
  if (bytes[start] === CLOSE_ARRAY) return start + 1;
  for (let at = start; ; at++) {
    at = afterScalar(bytes, at);
    if (at === UNKNOWN) return UNKNOWN;
    if (bytes[at] === CLOSE_ARRAY) return at + 1;
    if (bytes[at] !== COMMA) return UNKNOWN;
  }
}

/** Do two texts of ASCII stand in this order? Both end with a quote, which is less than most of what may stand in a key. */
function isBefore(bytes: Uint8Array, first: number, second: number): boolean {
  for (let i = 1; ; i++) {
    const a = bytes[first + i]!;
    const b = bytes[second + i]!;
    if (a === b && a !== QUOTE) continue;
    // Only what ends first may be the beginning of the other.
    return a === QUOTE ? b !== QUOTE : b !== QUOTE && a < b;
  }
}

function afterScalar(bytes: Uint8Array, at: number): number {
  if (bytes[at] === QUOTE) return afterText(bytes, at + 1, 0x100);
  const word = WORDS.find(([first]) => first === bytes[at]);
  if (word === undefined) return afterNumber(bytes, at);
  return word.every((byte, i) => byte === bytes[at + i]) ? at + word.length : UNKNOWN;
}

/** @param limit - Bytes from here on are not expected. */
function afterText(bytes: Uint8Array, start: number, limit: number): number {
  for (let at = start; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte === QUOTE) return at + 1;
    if (byte < 0x20 || byte === BACKSLASH || byte >= limit) return UNKNOWN;
    if (byte < 0x80) continue;
    at = lastOfCharacter(bytes, at);
    if (at === UNKNOWN) return UNKNOWN;
  }
  return UNKNOWN;
}

/** Where a character of several bytes ends, if it is the only encoding of one. */
function lastOfCharacter(bytes: Uint8Array, at: number): number {
  const lead = bytes[at]!;
  const more = lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
  if (lead < 0xc2 || lead > 0xf4) return UNKNOWN;
  for (let i = 1; i <= more; i++) if ((bytes[at + i]! & 0xc0) !== 0x80) return UNKNOWN;
  const second = bytes[at + 1]!;
  // Too long, a surrogate, or beyond the last character.
  const isOdd =
    (lead === 0xe0 && second < 0xa0) ||
    (lead === 0xed && second > 0x9f) ||
    (lead === 0xf0 && second < 0x90) ||
    (lead === 0xf4 && second > 0x8f);
  return isOdd ? UNKNOWN : at + more;
}

function afterNumber(bytes: Uint8Array, start: number): number {
  const first = bytes[start] === MINUS ? start + 1 : start;
  const whole = afterDigits(bytes, first);
  const isZero = bytes[first] === ZERO;
  if (whole === first || (isZero && whole > first + 1)) return UNKNOWN;
  if (bytes[whole] !== POINT) return whole - first > DIGITS_MAX || (isZero && first > start) ? UNKNOWN : whole;
  const end = afterDigits(bytes, whole + 1);
  if (end === whole + 1 || bytes[end - 1] === ZERO || end - first - 1 > DIGITS_MAX) return UNKNOWN;
  let zeros = 0;
  while (isZero && bytes[whole + 1 + zeros] === ZERO) zeros++;
  return zeros > SMALL_ZEROS_MAX ? UNKNOWN : end;
}

function afterDigits(bytes: Uint8Array, start: number): number {
  let at = start;
  while (bytes[at]! >= ZERO && bytes[at]! <= NINE) at++;
  return at;
}

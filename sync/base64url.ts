/**
 * @module
 * Owns base64url without padding (RFC 4648). Texts are made of character codes in one go: to join single characters takes ten times as long,
 * and every page of documents has a tag for each.
 */

const DIGITS = Uint8Array.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_', (digit) =>
  digit.codePointAt(0)!,
);
/** A call takes a bounded number of arguments. */
const CALL_CODES = 8192;

export function toBase64Url(bytes: Uint8Array): string {
  const codes: number[] = [];
  writeBase64Url(bytes, 0, bytes.length, codes, 0);
  if (codes.length <= CALL_CODES) return textOf(codes);
  let text = '';
  for (let at = 0; at < codes.length; at += CALL_CODES) text += textOf(codes.slice(at, at + CALL_CODES));
  return text;
}

/** Writes the digits of some bytes, as character codes. */
export function writeBase64Url(bytes: Uint8Array, from: number, to: number, codes: number[], start: number): void {
  let at = start;
  let i = from;
  for (; i + 2 < to; i += 3) {
    const bits = (bytes[i]! << 16) | (bytes[i + 1]! << 8) | bytes[i + 2]!;
    codes[at++] = DIGITS[bits >> 18]!;
    codes[at++] = DIGITS[(bits >> 12) & 63]!;
    codes[at++] = DIGITS[(bits >> 6) & 63]!;
    codes[at++] = DIGITS[bits & 63]!;
  }
  if (i === to) return;
  const bits = (bytes[i]! << 16) | (i + 1 < to ? bytes[i + 1]! << 8 : 0);
  codes[at++] = DIGITS[bits >> 18]!;
  codes[at++] = DIGITS[(bits >> 12) & 63]!;
  if (i + 1 < to) codes[at] = DIGITS[(bits >> 6) & 63]!;
}

export function textOf(codes: readonly number[]): string {
  return String.fromCharCode.apply(null, codes as number[]);
}

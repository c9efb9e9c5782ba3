/**
 * @module
 * Owns small whole numbers as bits, in Elias' gamma code: 1 takes one bit, 2 and 3 take three, n takes 2 log2(n) + 1.
 * P. Elias, Universal codeword sets and representations of the integers (1975).
 */

/** Numbers are below. */
export const GAMMA_MAX: number = 2 ** 30;

/** @param numbers - At least 1 each, and below `GAMMA_MAX`. */
export function encodeGamma(numbers: readonly number[]): Uint8Array {
  const bytes: number[] = [];
  let [bits, count] = [0, 0];
  const push = (bit: number): void => {
    bits = (bits << 1) | bit;
    if (++count < 8) return;
    bytes.push(bits);
    [bits, count] = [0, 0];
  };
  for (const number of numbers) {
    const width = 32 - Math.clz32(number);
    for (let i = 1; i < width; i++) push(0);
    for (let i = width - 1; i >= 0; i--) push((number >> i) & 1);
  }
  while (count > 0) push(0);
  return Uint8Array.from(bytes);
}

/** @throws RangeError when the bytes hold fewer numbers. */
export function decodeGamma(bytes: Uint8Array, count: number): number[] {
  const numbers: number[] = [];
  let at = 0;
  const next = (): number => {
    const byte = bytes[at >> 3];
    if (byte === undefined) throw new RangeError('fewer numbers than were to be read');
    return (byte >> (7 - (at++ & 7))) & 1;
  };
  while (numbers.length < count) {
    let zeros = 0;
    while (next() === 0) if (++zeros > 30) throw new RangeError('number too large');
    let number = 1;
    for (; zeros > 0; zeros--) number = (number << 1) | next();
    numbers.push(number);
  }
  return numbers;
}

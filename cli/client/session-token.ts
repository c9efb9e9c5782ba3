/**
 * @module
 * Owns joining two session tokens: what two answers that came at the same time have shown is more than either says. The bytes are
 * those of the node's tokens: format | cluster | name and generation of the database | positions | positions of the system database |
 * CRC-32, where positions are a count and pairs (origin less the one before, sequence), all numbers LEB128.
 */
import { fromBase64Url, toBase64Url } from './base64-url.ts';

const FORMAT = 1;
const CLUSTER_BYTES = 8;
const CHECKSUM_BYTES = 4;

type Positions = ReadonlyMap<number, number>;

interface Token {
  /** Format, cluster, database: what two tokens must have in common. */
  readonly head: readonly number[];
  readonly positions: readonly Positions[];
}

/** A token that covers both. When they are not of one database of one cluster, or of another format, the newer one stands. */
export function joinTokens(known: string, news: string): string {
  if (known === news) return known;
  const left = decode(known);
  const right = decode(news);
  if (left === null || right === null || left.head.join() !== right.head.join()) return news;
  const joined = left.positions.map((positions, at) => joinPositions(positions, right.positions[at]!));
  // The text of a node is kept where it says all.
  if (joined.every((positions, at) => isEqual(positions, right.positions[at]!))) return news;
  if (joined.every((positions, at) => isEqual(positions, left.positions[at]!))) return known;
  return encode({ head: left.head, positions: joined });
}

function joinPositions(left: Positions, right: Positions): Positions {
  const joined = new Map(left);
  for (const [origin, sequence] of right) if ((joined.get(origin) ?? 0) < sequence) joined.set(origin, sequence);
  return joined;
}

function isEqual(left: Positions, right: Positions): boolean {
  if (left.size !== right.size) return false;
  for (const [origin, sequence] of left) if (right.get(origin) !== sequence) return false;
  return true;
}

function decode(text: string): Token | null {
  const bytes = fromBase64Url(text);
  if (bytes === null || bytes[0] !== FORMAT) return null;
  let at = 1 + CLUSTER_BYTES;
  const next = (): number => {
    let value = 0;
    for (let factor = 1; factor <= Number.MAX_SAFE_INTEGER; factor *= 128) {
      const byte = bytes[at++];
      if (byte === undefined) break;
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
    return Number.NaN;
  };
  const nextPositions = (): Positions => {
    const positions = new Map<number, number>();
    let origin = 0;
    for (let left = next(); left > 0; left--) {
      origin += next();
      positions.set(origin, next());
    }
    return positions;
  };
  const nameBytes = next();
  at += nameBytes;
  const head = bytes.slice(0, at);
  const positions = [nextPositions(), nextPositions()];
  const isWhole = positions.every((each) => [...each].flat().every(Number.isSafeInteger));
  return isWhole && at === bytes.length - CHECKSUM_BYTES ? { head, positions } : null;
}

function encode({ head, positions }: Token): string {
  const bytes = [...head];
  const put = (value: number): void => {
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
    bytes.push(rest);
  };
  for (const each of positions) {
    put(each.size);
    let previous = 0;
    for (const [origin, sequence] of [...each].sort(([a], [b]) => a - b)) {
      put(origin - previous);
      put(sequence);
      previous = origin;
    }
  }
  const checksum = crc32(bytes);
  return toBase64Url([...bytes, ...[0, 8, 16, 24].map((shift) => (checksum >>> shift) & 255)]);
}

function crc32(bytes: readonly number[]): number {
  let rest = ~0;
  for (const byte of bytes) {
    rest ^= byte;
    for (let bit = 0; bit < 8; bit++) rest = (rest >>> 1) ^ (0xedb88320 & -(rest & 1));
  }
  return ~rest >>> 0;
}

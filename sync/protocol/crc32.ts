/**
 * @module
 * Owns the frame checksum: CRC-32 (IEEE 802.3, reflected, as in zlib), in plain TypeScript because `sync/` runs anywhere.
 */

const POLYNOMIAL = 0xedb88320;
const TABLE = createTable();

/** CRC-32 of `bytes` from `start`, unsigned. */
export function computeCrc32(bytes: Uint8Array, start = 0): number {
  let crc = -1;
  for (let i = start; i < bytes.length; i++) crc = TABLE[(crc ^ bytes[i]!) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}

function createTable(): Int32Array {
  const table = new Int32Array(256);
  for (let n = 0; n < 256; n++) {
    let value = n;
    for (let bit = 0; bit < 8; bit++) value = (value & 1) === 1 ? (value >>> 1) ^ POLYNOMIAL : value >>> 1;
    table[n] = value;
  }
  return table;
}

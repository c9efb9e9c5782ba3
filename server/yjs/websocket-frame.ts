/**
 * @module
 * Owns the bytes of binary messages as a server puts them on a websocket (RFC 6455 section 5.2). What many clients are sent is framed
 * once, and is one write to each.
 */
const FINAL_BINARY = 0x82;
/** Longer lengths follow in two bytes, or in eight. */
const LENGTH_7_MAX = 125;
const LENGTH_16_MAX = 65_535;
const [LENGTH_16, LENGTH_64] = [126, 127] as const;

/** The frames of messages, one behind the other, each with `prefix` in front of the message. */
export function frameMessages(prefix: Uint8Array, messages: readonly Uint8Array[]): Uint8Array {
  const sizes = messages.map((message) => prefix.length + message.length);
  const frames = new Uint8Array(sizes.reduce((sum, size) => sum + headerLength(size) + size, 0));
  const view = new DataView(frames.buffer);
  let at = 0;
  for (const [i, message] of messages.entries()) {
    at = writeHeader(view, at, sizes[i]!);
    frames.set(prefix, at);
    frames.set(message, at + prefix.length);
    at += sizes[i]!;
  }
  return frames;
}

function headerLength(size: number): number {
  return size <= LENGTH_7_MAX ? 2 : size <= LENGTH_16_MAX ? 4 : 10;
}

/** @returns where the message begins. */
function writeHeader(view: DataView, at: number, size: number): number {
  view.setUint8(at, FINAL_BINARY);
  if (size <= LENGTH_7_MAX) view.setUint8(at + 1, size);
  else if (size <= LENGTH_16_MAX) {
    view.setUint8(at + 1, LENGTH_16);
    view.setUint16(at + 2, size);
  } else {
    view.setUint8(at + 1, LENGTH_64);
    view.setBigUint64(at + 2, BigInt(size));
  }
  return at + headerLength(size);
}

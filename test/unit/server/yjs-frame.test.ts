import { expect, test } from 'vitest';
import { frameMessages } from '../../../server/yjs/websocket-frame.ts';

/** What a client reads (RFC 6455 section 5.2): unmasked frames, each of which is a whole binary message. */
function read(frames: Uint8Array): readonly Buffer[] {
  const bytes = Buffer.from(frames);
  const messages: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    expect(bytes[at]).toBe(0x82);
    const short = bytes[at + 1]!;
    const [header, length] =
      short < 126
        ? [2, short]
        : short === 126
          ? [4, bytes.readUInt16BE(at + 2)]
          : [10, Number(bytes.readBigUInt64BE(at + 2))];
    messages.push(bytes.subarray(at + header, at + header + length));
    at += header + length;
  }
  return messages;
}

test('[YJ70] messages that are framed together are read one by one, whatever their lengths', () => {
  const sizes = [0, 1, 122, 123, 125, 126, 65_532, 65_533, 65_535, 65_536, 200_000];
  const messages = sizes.map((size) => new Uint8Array(size).fill(size % 251));
  for (const prefix of [new Uint8Array(), Uint8Array.of(1, 2, 3)]) {
    const got = read(frameMessages(prefix, messages));
    expect(got.map(({ length }) => length)).toEqual(sizes.map((size) => size + prefix.length));
    expect(got.every((message, i) => message.equals(Buffer.concat([prefix, messages[i]!])))).toBe(true);
  }
});

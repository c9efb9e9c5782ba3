import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { crc32, deflateRawSync, inflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { computeMac, isSameMac } from '../../../sync/protocol/authentication.ts';
import { CLOSE_CODES, describeCloseCode, isPermanent } from '../../../sync/protocol/close-code.ts';
import { computeCrc32 } from '../../../sync/protocol/crc32.ts';
import { PartAssembler, decodeFrame, encodeFrame, encodeFrames } from '../../../sync/protocol/frame.ts';
import { FRAME_BODY_BYTES_MAX, MESSAGE_BYTES_MAX } from '../../../sync/protocol/limit.ts';
import { MESSAGE_TYPES } from '../../../sync/protocol/message.ts';
import type { DataMessage, PartMessage } from '../../../sync/protocol/message.ts';
import { DEFAULT_LINK_OPTIONS } from '../../../sync/link/options.ts';
import { PayloadCodec } from '../../../sync/protocol/payload.ts';
import { hasCapabilities, negotiateVersion } from '../../../sync/protocol/version.ts';
import type { Compressor } from '../../../sync/port.ts';
import { EXAMPLES } from './protocol-messages.ts';

const GOLDEN = new URL('../../golden/', import.meta.url);
const TYPES = Object.keys(MESSAGE_TYPES) as (keyof typeof EXAMPLES)[];
/** Their last field is as long as what is left. */
const OPEN_ENDED = ['data', 'snapshot-chunk', 'part', 'documents', 'admission'];
const compressor: Compressor = {
  deflate: (bytes) => new Uint8Array(deflateRawSync(bytes, { level: 1 })),
  inflate: (bytes, maxOutputLength) => new Uint8Array(inflateRawSync(bytes, { maxOutputLength })),
};

function code(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
  return 'nothing thrown';
}

/** A frame with another body and the right checksum. */
function reframe(frame: Uint8Array, body: Uint8Array): Uint8Array {
  const result = new Uint8Array(6 + body.length);
  result.set(frame.subarray(0, 6));
  result.set(body, 6);
  new DataView(result.buffer).setUint32(1, computeCrc32(result, 5), true);
  return result;
}

describe('frames', () => {
  test.each(TYPES)('[SY1] %s comes back as it went', (type) => {
    expect(decodeFrame(encodeFrame(EXAMPLES[type]))).toEqual(EXAMPLES[type]);
  });

  test.each(TYPES)('[SY2] the bytes of %s are those of test/golden', (type) => {
    const file = new URL(`link-${type}.hex`, GOLDEN);
    const hex = `${Buffer.from(encodeFrame(EXAMPLES[type])).toString('hex')}\n`;
    if (process.env['GOLDEN_UPDATE'] === '1') writeFileSync(file, hex);
    expect(hex).toBe(readFileSync(file, 'utf8'));
  });

  test('[SY2] test/golden holds every message and no other', () => {
    const files = readdirSync(GOLDEN).filter((name) => name.startsWith('link-'));
    expect(files.sort()).toEqual(TYPES.map((type) => `link-${type}.hex`).sort());
  });

  test.each(TYPES)('[SY3] %s cut at any byte is refused, with the right checksum as well', (type) => {
    const frame = encodeFrame(EXAMPLES[type]);
    for (let length = 0; length < frame.length; length++) {
      expect(code(() => decodeFrame(frame.subarray(0, length)))).toBe('SYNC_FRAME_MALFORMED');
      // What ends in open bytes is shorter but well-formed.
      if (length < 6 || OPEN_ENDED.includes(type)) continue;
      expect(code(() => decodeFrame(reframe(frame, frame.subarray(6, length))))).toBe('SYNC_FRAME_MALFORMED');
    }
  });

  test.each(TYPES)('[SY3] %s with a flipped bit is refused', (type) => {
    const frame = encodeFrame(EXAMPLES[type]);
    for (let i = 1; i < frame.length; i++) {
      const damaged = frame.slice();
      damaged[i]! ^= 1 << (i % 8);
      expect(code(() => decodeFrame(damaged))).toBe('SYNC_FRAME_MALFORMED');
    }
  });

  test('[SY3] trailing bytes are refused, except after HELLO, which later versions may extend', () => {
    for (const type of TYPES) {
      const frame = encodeFrame(EXAMPLES[type]);
      const longer = reframe(frame, Uint8Array.from([...frame.subarray(6), 0]));
      if (type === 'hello') expect(decodeFrame(longer)).toEqual(EXAMPLES.hello);
      else if (!OPEN_ENDED.includes(type)) {
        expect(code(() => decodeFrame(longer))).toBe('SYNC_FRAME_MALFORMED');
      }
    }
  });

  test('[SY3] random bytes never do anything but fail with a code', () => {
    const known = ['SYNC_FRAME_MALFORMED', 'nothing thrown'];
    fc.assert(
      fc.property(fc.constantFrom(...TYPES), fc.uint8Array({ maxLength: 200 }), (type, body) => {
        expect(known).toContain(code(() => decodeFrame(reframe(encodeFrame(EXAMPLES[type]), body))));
      }),
      { numRuns: 2000 },
    );
  });

  test('[SY4] a frame above 256 KiB is refused', () => {
    const frame = encodeFrame({ ...EXAMPLES.part, bytes: new Uint8Array(FRAME_BODY_BYTES_MAX) });
    expect(code(() => decodeFrame(frame))).toBe('SYNC_FRAME_TOO_LARGE');
  });

  test('[SY5] another frame format is refused as a version', () => {
    const frame = encodeFrame(EXAMPLES.ping);
    frame[0] = 2;
    expect(code(() => decodeFrame(frame))).toBe('SYNC_VERSION_UNSUPPORTED');
  });

  test('[SY3] the checksum is CRC-32', () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => computeCrc32(bytes) === crc32(bytes)));
  });
});

describe('long messages', () => {
  const long: DataMessage = {
    ...EXAMPLES.data,
    weight: 700_000,
    payload: { codec: 'none', bytes: new Uint8Array(700_000).fill(7) },
  };
  const parts = encodeFrames(long, () => 9).map((frame) => decodeFrame(frame) as PartMessage);

  test('[SY6] a message longer than a frame travels in parts, in any order and more than once', () => {
    expect(parts).toHaveLength(3);
    const assembler = new PartAssembler(MESSAGE_BYTES_MAX);
    expect(assembler.add(parts[2]!)).toBeNull();
    expect(assembler.add(parts[0]!)).toBeNull();
    expect(assembler.add(parts[0]!)).toBeNull();
    const whole = assembler.add(parts[1]!) as typeof long;
    expect(Buffer.compare(whole.payload.bytes, long.payload.bytes)).toBe(0);
    expect({ ...whole, payload: null }).toEqual({ ...long, payload: null });
    expect(assembler.heldBytes).toBe(0);
  });

  test('[SY6] a new message discards an unfinished one, and the limit holds', () => {
    const assembler = new PartAssembler(MESSAGE_BYTES_MAX);
    assembler.add(parts[0]!);
    expect(assembler.add({ ...parts[1]!, id: 10 })).toBeNull();
    expect(assembler.heldBytes).toBe(parts[1]!.bytes.length);
    expect(code(() => new PartAssembler(300_000).add(parts[0]!))).toBe('SYNC_FRAME_MALFORMED');
    expect(code(() => assembler.add({ ...parts[0]!, index: 3 }))).toBe('SYNC_FRAME_MALFORMED');
    expect(
      code(() =>
        encodeFrames({ ...long, payload: { codec: 'none', bytes: new Uint8Array(MESSAGE_BYTES_MAX) } }, () => 1),
      ),
    ).toBe('SYNC_FRAME_TOO_LARGE');
  });
});

describe('payloads', () => {
  const batches = Array.from({ length: 50 }, (_, i) => new Uint8Array(60).fill(i));

  test('[SY7] batches come back as they went, deflated when that pays and both can', () => {
    const codec = new PayloadCodec(compressor, 1024);
    const deflated = codec.encodeBatches(batches, true);
    expect(deflated.codec).toBe('deflate');
    expect(deflated.bytes.length).toBeLessThan(1000);
    expect(codec.decodeBatches(deflated)).toEqual(batches);
    expect(codec.encodeBatches(batches, false).codec).toBe('none');
    expect(codec.encodeBatches(batches.slice(0, 2), true).codec).toBe('none');
    expect(new PayloadCodec(undefined, 1024).encodeBatches(batches, true).codec).toBe('none');
  });

  test('[SY7] what a single write of a kilobyte sends is not deflated, and from 4 KiB on payloads are', () => {
    const codec = new PayloadCodec(compressor, DEFAULT_LINK_OPTIONS.compressBytesMin);
    expect(codec.encodeChunk(new Uint8Array(4095), true).codec).toBe('none');
    expect(codec.encodeChunk(new Uint8Array(4096), true).codec).toBe('deflate');
  });

  test('[SY7] the same group is deflated once for all peers', () => {
    let calls = 0;
    const codec = new PayloadCodec({ ...compressor, deflate: (bytes) => (calls++, compressor.deflate(bytes)) }, 1024);
    const first = codec.encodeBatches(batches, true);
    expect(codec.encodeBatches([...batches], true)).toBe(first);
    codec.encodeBatches(batches.slice(0, 40), true);
    expect(calls).toBe(2);
  });

  test('[SY7] a payload that inflates beyond a frame, or is damaged, is refused', () => {
    const codec = new PayloadCodec(compressor, 1024);
    const bomb = compressor.deflate(new Uint8Array(FRAME_BODY_BYTES_MAX * 2));
    expect(code(() => codec.decodeChunk({ codec: 'deflate', bytes: bomb }))).toBe('SYNC_FRAME_MALFORMED');
    expect(code(() => codec.decodeBatches({ codec: 'deflate', bytes: Uint8Array.of(1, 2, 3) }))).toBe(
      'SYNC_FRAME_MALFORMED',
    );
    expect(code(() => codec.decodeBatches({ codec: 'none', bytes: Uint8Array.of(9, 1) }))).toBe('SYNC_FRAME_MALFORMED');
    expect(code(() => new PayloadCodec(undefined, 0).decodeChunk({ codec: 'deflate', bytes: bomb }))).toBe(
      'SYNC_FRAME_MALFORMED',
    );
  });
});

describe('negotiation and proof', () => {
  test('[SY5] the highest common version is spoken, or none', () => {
    expect(negotiateVersion({ versionMin: 1, versionMax: 3 }, { versionMin: 2, versionMax: 5 })).toBe(3);
    expect(negotiateVersion({ versionMin: 1, versionMax: 1 }, { versionMin: 2, versionMax: 5 })).toBeNull();
    expect(hasCapabilities(0b111, 0b101)).toBe(true);
    expect(hasCapabilities(0b011, 0b101)).toBe(false);
  });

  test('[SY8] a proof depends on the secret, the role and both HELLOs', () => {
    const secret = Uint8Array.of(1);
    const [a, b] = [encodeFrame(EXAMPLES.hello), encodeFrame({ ...EXAMPLES.hello, nodeId: 'node-b' })];
    const mac = computeMac(secret, 'dialer', a, b);
    const others = [
      computeMac(Uint8Array.of(2), 'dialer', a, b),
      computeMac(secret, 'acceptor', a, b),
      computeMac(secret, 'dialer', b, a),
      computeMac(secret, 'dialer', a, a),
    ];
    expect(isSameMac(mac, computeMac(secret, 'dialer', a, b))).toBe(true);
    for (const other of others) expect(isSameMac(mac, other)).toBe(false);
    expect(isSameMac(mac, mac.subarray(1))).toBe(false);
  });

  test('[SY9] 44xx codes are permanent, 45xx transient, and every code has a name', () => {
    for (const [name, value] of Object.entries(CLOSE_CODES)) {
      expect(value).toBeGreaterThanOrEqual(4400);
      expect(value).toBeLessThan(4600);
      expect(isPermanent(value)).toBe(value < 4500);
      expect(describeCloseCode(value)).toBe(name);
    }
    expect(describeCloseCode(1006)).toBe('CONNECTION_LOST');
    expect(describeCloseCode(1001)).toBe('1001');
  });
});

import { expect, test } from 'vitest';
import { bindingFault, openFault, storageFault } from '../../../../server/storage/storage-fault.ts';
import { decodeFrame, encodeFrame } from '../../../../server/storage/value-frame.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test('[ST13] what RocksDB says becomes a code', () => {
  const codeOf = (message: string): string => storageFault(new Error(message)).code;
  expect(codeOf('IO error: No space left on device: While appending to file: /d/000003.log')).toBe('STORAGE_FULL');
  expect(codeOf('IO error: While fdatasync: /d/000003.log: Input/output error')).toBe('STORAGE_IO');
  expect(codeOf('Corruption: block checksum mismatch')).toBe('STORAGE_CORRUPT');
});

test('[ST12] a lock held by another process or by this one is a directory in use', () => {
  const held = 'IO error: While lock file: /d/LOCK: Resource temporarily unavailable';
  expect(openFault('/d', new Error(held)).code).toBe('STORAGE_IN_USE');
  expect(openFault('/d', new Error('IO error: lock hold by current process: /d/LOCK')).code).toBe('STORAGE_IN_USE');
  expect(openFault('/d', new Error('IO error: /d: Permission denied')).code).toBe('STORAGE_OPEN_FAILED');
});

test('a missing addon is reported with the platform and the remedy', () => {
  const fault = bindingFault(new Error('No native build was found'));
  expect(fault.code).toBe('STORAGE_OPEN_FAILED');
  expect(fault.message).toContain(`${process.platform}-${process.arch}`);
  expect(fault.message).toContain('npm rebuild rocksdb');
});

test('[ST11] a frame reads back under its own key only, and no flipped bit passes', () => {
  const key = bytes('key');
  for (const payload of [bytes(''), bytes('x'), bytes('a longer payload')]) {
    const frame = encodeFrame(key, payload);
    expect(decodeFrame(key, frame)).toEqual(payload);
    expect(() => decodeFrame(bytes('other'), frame)).toThrow(expect.objectContaining({ code: 'STORAGE_CORRUPT' }));
    for (let bit = 0; bit < frame.length * 8; bit++) {
      const flipped = Buffer.from(frame);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => decodeFrame(key, flipped)).toThrow(expect.objectContaining({ code: 'STORAGE_CORRUPT' }));
    }
    expect(() => decodeFrame(key, frame.subarray(0, 4))).toThrow(expect.objectContaining({ code: 'STORAGE_CORRUPT' }));
  }
});

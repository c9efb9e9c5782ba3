/**
 * @module
 * Owns the batches that storage tests write and check: batch n is five entries, all or none of which may survive, whose values follow from
 * their keys, so that wrong data cannot pass for right.
 */
import { createHash } from 'node:crypto';
import type { Store, StoreOperation } from '../../sync/index.ts';

const ENTRIES_PER_BATCH = 5;
const decoder = new TextDecoder();

export function batchOf(n: number, valueBytes: number): StoreOperation[] {
  return Array.from({ length: ENTRIES_PER_BATCH }, (_, part) => {
    const key = keyOf(n, part);
    return { type: 'put', key, value: valueOf(key, valueBytes) };
  });
}

export function keyOf(n: number, part: number): Uint8Array {
  return new TextEncoder().encode(`batch/${String(n).padStart(6, '0')}/${part}`);
}

/** Incompressible bytes that only this key has. */
export function valueOf(key: Uint8Array, bytes: number): Uint8Array {
  const value = new Uint8Array(bytes);
  for (let at = 0, block = createHash('sha256').update(key).digest(); at < bytes; at += block.length) {
    value.set(block.subarray(0, bytes - at), at);
    block = createHash('sha256').update(block).digest();
  }
  return value;
}

/** Numbers of the batches found. Throws when one is torn or holds a value that was never written. */
export async function readBatches(store: Store): Promise<Set<number>> {
  const parts = new Map<number, number>();
  for await (const chunk of store.range({ gte: bound('batch/'), lt: bound('batch0') })) {
    for (const [key, value] of chunk) {
      if (!isValueOf(key, value)) throw new Error(`wrong data under ${decoder.decode(key)}`);
      const n = Number(decoder.decode(key).split('/')[1]);
      parts.set(n, (parts.get(n) ?? 0) + 1);
    }
  }
  for (const [n, found] of parts)
    if (found !== ENTRIES_PER_BATCH) throw new Error(`batch ${n} is torn: ${found} entries`);
  return new Set(parts.keys());
}

export function isValueOf(key: Uint8Array, value: Uint8Array): boolean {
  return Buffer.compare(valueOf(key, value.length), value) === 0;
}

function bound(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

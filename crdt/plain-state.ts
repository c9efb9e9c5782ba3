/**
 * @module
 * Owns the shortcut for small documents: a state that is one run of elements by one client, which every document is until its
 * second write, is read and continued without a Y.Doc.
 */
import { ByteReader } from './byte-reader.ts';
import type { ElementId, Model } from './model.ts';
import { ModelReader } from './read-model.ts';
import { ROOT } from './root-name.ts';
import { CONTENT_ANY, type RootOrder } from './write-update.ts';

export interface PlainState {
  readonly model: Model;
  readonly order: RootOrder;
}

/** Reads a state that is one live struct in the root array, or returns null for any other. */
export function readPlainState(state: Uint8Array): PlainState | null {
  try {
    const bytes = new ByteReader(state);
    const head = readPlainHead(bytes);
    if (head === null) return null;
    const { client, length } = head;
    const reader = new ModelReader();
    reader.startClient(client);
    for (let clock = 0; clock < length; clock++) reader.read(clock, bytes.any(), clock);
    if (length === 0 || bytes.varUint() !== 0 || !bytes.isAtEnd) return null;
    const model = reader.finish();
    model.clocks.set(client, length);
    return { model, order: plainOrder(client, length) };
  } catch (error) {
    // Malformed bytes: the general path reports them.
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/** Reads up to the elements of a state that is one struct in the root array: who wrote it, and how many there are. */
export function readPlainHead(bytes: ByteReader): { readonly client: number; readonly length: number } | null {
  if (bytes.varUint() !== 1 || bytes.varUint() !== 1) return null;
  const client = bytes.varUint();
  if (bytes.varUint() !== 0 || bytes.uint8() !== CONTENT_ANY || bytes.varUint() !== 1 || bytes.string() !== ROOT)
    return null;
  return { client, length: bytes.varUint() };
}

/** The order of a root array that one client wrote in one piece; empty when `length` is 0. */
export function plainOrder(client: number, length: number): RootOrder {
  const at = (clock: number): ElementId | null => (clock < 0 || clock >= length ? null : { client, clock });
  return {
    tail: () => ({ left: at(length - 1), right: null }),
    rightOf: (id) => at(id.clock + 1),
    leftOf: (id) => at(id.clock - 1),
  };
}

/**
 * @module
 * Owns what each member was last known to hold durably, and when it was last seen: the lag of members that are away, and their
 * part in the stability horizon. Kept on disk without fsync: what a crash takes is only that they hold more than we think.
 */
import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import type { OriginId } from './engine.ts';
import { memberNodeOf, progressKey, rangeOf } from './key.ts';
import type { Store, StoreOperation } from './port.ts';

/** Database key → what is held of it. */
export type Holdings = ReadonlyMap<string, ReadonlyMap<OriginId, number>>;

interface Progress {
  holdings: Holdings;
  /** Wall clock, ms. */
  seenMs: number;
}

const FORMAT = 1;
const NOTHING: Holdings = new Map();

export class MemberProgress {
  readonly #store: Store;
  readonly #progress = new Map<string, Progress>();
  readonly #changed = new Set<string>();

  private constructor(store: Store) {
    this.#store = store;
  }

  static async open(store: Store): Promise<MemberProgress> {
    const progress = new MemberProgress(store);
    for await (const entries of store.range(rangeOf('p'))) {
      for (const [key, value] of entries) progress.#progress.set(memberNodeOf(key), decodeProgress(value));
    }
    return progress;
  }

  /** It was seen, directly or through others. */
  noteSeen(node: string, nowMs: number): void {
    const known = this.#progress.get(node);
    if (known === undefined) this.#progress.set(node, { holdings: NOTHING, seenMs: nowMs });
    else known.seenMs = nowMs;
    this.#changed.add(node);
  }

  /** It told us what it holds. That replaces what it said before: its disk may have been set back. */
  noteHoldings(node: string, holdings: Holdings, nowMs: number): void {
    this.#progress.set(node, { holdings, seenMs: nowMs });
    this.#changed.add(node);
  }

  holdingsOf(node: string): Holdings {
    return this.#progress.get(node)?.holdings ?? NOTHING;
  }

  /** Wall clock, ms; `null` = never seen. */
  seenMsOf(node: string): number | null {
    return this.#progress.get(node)?.seenMs ?? null;
  }

  /** The clock jumped: nobody was away for longer because of it. */
  shift(byMs: number): void {
    for (const [node, progress] of this.#progress) {
      progress.seenMs += byMs;
      this.#changed.add(node);
    }
  }

  /** Everything of a node that is no member any more. */
  forget(node: string): void {
    if (this.#progress.delete(node)) this.#changed.add(node);
  }

  /** Writes what changed. Not synced. */
  async save(): Promise<void> {
    if (this.#changed.size === 0) return;
    const operations = [...this.#changed].map((node): StoreOperation => {
      const progress = this.#progress.get(node);
      const key = progressKey(node);
      return progress === undefined ? { type: 'del', key } : { type: 'put', key, value: encodeProgress(progress) };
    });
    this.#changed.clear();
    await this.#store.batch(operations, { sync: false });
  }
}

function encodeProgress({ holdings, seenMs }: Progress): Uint8Array {
  const encoder = encoding.createEncoder();
  encoding.writeUint8(encoder, FORMAT);
  encoding.writeVarUint(encoder, Math.max(0, Math.floor(seenMs)));
  encoding.writeVarUint(encoder, holdings.size);
  for (const [database, holding] of holdings) {
    encoding.writeVarString(encoder, database);
    encoding.writeVarUint(encoder, holding.size);
    for (const [origin, seq] of holding) {
      encoding.writeVarUint(encoder, origin);
      encoding.writeVarUint(encoder, seq);
    }
  }
  return encoding.toUint8Array(encoder);
}

/** What cannot be read is as good as nothing: the member is asked again. */
function decodeProgress(bytes: Uint8Array): Progress {
  const holdings = new Map<string, Map<OriginId, number>>();
  const decoder = decoding.createDecoder(bytes);
  if (decoding.readUint8(decoder) !== FORMAT) return { holdings, seenMs: 0 };
  const seenMs = decoding.readVarUint(decoder);
  for (let databases = decoding.readVarUint(decoder); databases > 0; databases--) {
    const holding = new Map<OriginId, number>();
    holdings.set(decoding.readVarString(decoder), holding);
    for (let origins = decoding.readVarUint(decoder); origins > 0; origins--) {
      holding.set(decoding.readVarUint(decoder), decoding.readVarUint(decoder));
    }
  }
  return { holdings, seenMs };
}

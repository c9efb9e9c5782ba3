/**
 * @module
 * Owns the ports of the replication core: everything nondeterministic or external (clock, timers, randomness, storage,
 * transport, compression) is one of these and is passed in, so that a whole cluster runs in one process from one seed.
 */

/** Wall clock. Milliseconds since the Unix epoch; may jump. Decides between concurrent values only, never correctness. */
export interface Clock {
  now(): number;
}

/** One-shot timers. The returned function cancels; cancelling twice is a no-op. Delays in milliseconds. */
export interface Timers {
  after(delayMs: number, run: () => void): () => void;
  /**
   * Runs after the input that waits already has been handled: what all of it asks for then shares one commit. Default: a
   * microtask.
   */
  readonly soon?: (run: () => void) => void;
}

/** Randomness. Cryptographic in production, seeded in simulation. */
export interface Random {
  bytes(length: number): Uint8Array;
}

export type StoreOperation =
  | { readonly type: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: Uint8Array };

export interface RangeOptions {
  /** Inclusive lower bound. */
  readonly gte: Uint8Array;
  /** Exclusive upper bound. Always required: an unbounded seek over tombstones costs milliseconds. */
  readonly lt: Uint8Array;
  readonly reverse?: boolean;
  /** Entries at most; default no limit. */
  readonly limit?: number;
  /** When false, values are empty arrays. Default true. */
  readonly values?: boolean;
}

export type StoreEntry = readonly [key: Uint8Array, value: Uint8Array];

/** A store as it was at one moment, whatever is written afterwards. Costs disk space for as long as it is open. */
export interface StoreSnapshot {
  get(key: Uint8Array): Promise<Uint8Array | undefined>;
  /** As `Store.range`, ascending only. */
  range(bounds: { readonly gte: Uint8Array; readonly lt: Uint8Array }): AsyncIterable<readonly StoreEntry[]>;
  /** Idempotent. Ends what is being read with `STORAGE_CLOSED`. */
  close(): Promise<void>;
}

/**
 * An ordered key-value store (bytes, unsigned lexicographic order).
 *
 * Every method rejects with a `StorageError`. After the first failed write the store is *failed*: every later write rejects
 * with `STORAGE_FAILED` until the process reopens the directory, because retrying an fsync is unsafe (USENIX ATC 2020).
 * Values handed out must not be modified by the caller, nor values handed in after the call.
 */
export interface Store {
  get(key: Uint8Array): Promise<Uint8Array | undefined>;
  /** Results in the order of the keys. */
  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]>;
  /** Atomic: all or none survive any crash. With `sync` it resolves only after fsync. Later operations on one key win. */
  batch(operations: readonly StoreOperation[], options: { readonly sync: boolean }): Promise<void>;
  /** Iterates in key order, in chunks, over the state at the time of this call (a snapshot, also under later writes). */
  range(options: RangeOptions): AsyncIterable<readonly StoreEntry[]>;
  /** The state at the time of this call. */
  snapshot(): StoreSnapshot;
  /** Deletes all keys in [gte, lt). Not atomic; idempotent; safe to repeat after a crash. */
  clear(bounds: { readonly gte: Uint8Array; readonly lt: Uint8Array }): Promise<void>;
  close(): Promise<void>;
}

/** Message-oriented, ordered, binary. A lost message means a lost channel in production; simulations are less kind. */
export interface Channel {
  /** Queues one message. Never throws; after close it is a no-op. */
  send(message: Uint8Array): void;
  /** Bytes handed to `send` that have not left the process. */
  readonly bufferedBytes: number;
  /** Close codes 4000–4999 are ours (PROTOCOL.md). Idempotent. */
  close(code: number, reason: string): void;
  /** Set once, before any message is delivered. */
  onMessage: (message: Uint8Array) => void;
  /** Called exactly once, whichever side closed. */
  onClose: (code: number, reason: string) => void;
}

/** Opens channels to peers. */
export interface Dialer {
  /** Resolves with an open channel or rejects; the caller retries with back-off. */
  dial(url: string): Promise<Channel>;
}

/** SHA-256 of the concatenation of the parts. A port because a native one is five times faster on large batches. */
export type Sha256 = (...parts: readonly Uint8Array[]) => Uint8Array;

/** Raw deflate (RFC 1951), synchronous because frames are at most 256 KiB. */
export interface Compressor {
  deflate(bytes: Uint8Array): Uint8Array;
  /** Throws when the output would exceed `bytesMax`. */
  inflate(bytes: Uint8Array, bytesMax: number): Uint8Array;
}

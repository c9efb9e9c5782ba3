/**
 * @module
 * Owns who a replica is: a node id, and a new origin for every start, so that no sequence number or Yjs clock is ever used twice
 * after a crash, a restore or a copied directory (I2). What cannot be seen at the start, a process that was set back or copied
 * while it ran, is met by taking a new origin, or a new node id, while it runs.
 */
import { bytesToHex } from '@noble/hashes/utils.js';
import { decodeStamp } from './database.ts';
import type { OriginId } from './engine.ts';
import { StorageError } from './errors.ts';
import type { SyncError } from './errors.ts';
import { metaKey, originOf, rangeOf } from './key.ts';
import type { Identity } from './link/peers.ts';
import type { Random, Store } from './port.ts';

const STORE_FORMAT = 1;
const NODE_ID_BYTES = 10;
/** Origins lie above the 32-bit client ids that editors draw. */
const ORIGIN_MIN = 2 ** 32;
const ORIGIN_MAX = 2 ** 42;

/** Who this process writes as at this moment. One object for all databases of a replica, so that a change is one for all. */
export class Epoch {
  #nodeId: string;
  #origin: OriginId;
  /** Set once this node may write no more. */
  end: SyncError | null = null;
  /** Every origin of this process, and the node id it belongs to. */
  readonly #written = new Map<OriginId, string>();

  constructor(nodeId: string, origin: OriginId) {
    this.#nodeId = nodeId;
    this.#origin = origin;
    this.#written.set(origin, nodeId);
  }

  get nodeId(): string {
    return this.#nodeId;
  }

  /** Numbers the records written from now on, and is their Yjs client id. */
  get origin(): OriginId {
    return this.#origin;
  }

  /** From the next write on. What is written already stays what it is. */
  begin(nodeId: string, origin: OriginId): void {
    this.#nodeId = nodeId;
    this.#origin = origin;
    this.#written.set(origin, nodeId);
  }

  /** @throws SyncError the reason, when this node may write no more. */
  assertWritable(): void {
    if (this.end !== null) throw this.end;
  }

  /** The node id under which this process wrote as `origin`; `undefined` when it never did. */
  nodeOf(origin: OriginId): string | undefined {
    return this.#written.get(origin);
  }
}

/** Who we are to peers. Asked for with every batch, so it is made anew only when it changes. */
export function introductionOf(epoch: Epoch, name: () => string, url: string | null): () => Identity {
  let known: Identity | null = null;
  return () => {
    const { nodeId, origin } = epoch;
    if (known?.origin !== origin || known.nodeId !== nodeId) known = { nodeId, name: name(), url, origin };
    return known;
  };
}

export interface LoadedIdentity {
  readonly nodeId: string;
  readonly origin: OriginId;
  readonly owners: Map<OriginId, string>;
  /** Largest stamp this node is known to have used. */
  readonly lastStamp: number;
  /** The cluster secret a join token was exchanged for; `null` = none. */
  readonly secret: Uint8Array | null;
}

/** @throws StorageError `STORAGE_FORMAT_UNSUPPORTED` for a store written by a newer version. */
export async function loadIdentity(store: Store, random: Random): Promise<LoadedIdentity> {
  await checkFormat(store);
  const owners = new Map<OriginId, string>();
  for await (const entries of store.range(rangeOf('o'))) {
    for (const [key, value] of entries) owners.set(originOf(key), new TextDecoder().decode(value));
  }
  const nodeId = await loadNodeId(store, random);
  const origin = drawOrigin(random, owners);
  const stamp = await store.get(metaKey('stamp'));
  const secret = (await store.get(metaKey('secret'))) ?? null;
  return { nodeId, origin, owners, lastStamp: stamp ? decodeStamp(stamp) : 0, secret };
}

async function checkFormat(store: Store): Promise<void> {
  const format = await store.get(metaKey('format'));
  if (format === undefined) {
    await store.batch([{ type: 'put', key: metaKey('format'), value: Uint8Array.of(STORE_FORMAT) }], { sync: true });
  } else if (format[0] !== STORE_FORMAT) {
    throw new StorageError(
      'STORAGE_FORMAT_UNSUPPORTED',
      `The data directory has format ${format[0]}; this version reads ${STORE_FORMAT}.`,
      {
        details: { format: format[0] ?? null, supported: STORE_FORMAT },
      },
    );
  }
}

async function loadNodeId(store: Store, random: Random): Promise<string> {
  const stored = await store.get(metaKey('node'));
  if (stored) return new TextDecoder().decode(stored);
  return replaceNodeId(store, random);
}

/** Draws a node id and keeps it. Durable when it resolves: nobody may hear of an id that a restart forgets. */
export async function replaceNodeId(store: Store, random: Random): Promise<string> {
  const nodeId = bytesToHex(random.bytes(NODE_ID_BYTES));
  await store.batch([{ type: 'put', key: metaKey('node'), value: new TextEncoder().encode(nodeId) }], { sync: true });
  return nodeId;
}

/** Keeps the cluster secret for later starts. */
export function storeSecret(store: Store, secret: Uint8Array): Promise<void> {
  return store.batch([{ type: 'put', key: metaKey('secret'), value: secret }], { sync: true });
}

/** An origin that nobody known has used. */
export function drawOrigin(random: Random, owners: ReadonlyMap<OriginId, string>): OriginId {
  for (;;) {
    const view = new DataView(random.bytes(8).buffer.slice(0));
    const origin =
      ORIGIN_MIN + (((view.getUint32(0) % 1024) * 2 ** 32 + view.getUint32(4)) % (ORIGIN_MAX - ORIGIN_MIN));
    if (!owners.has(origin)) return origin;
  }
}

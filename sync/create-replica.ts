/**
 * @module
 * Owns putting a replica into somebody else's program: what the program does not care about is taken from the platform.
 */
import { platformClock, platformRandom, platformTimers } from './platform.ts';
import type { Clock, Dialer, Random, Store, Timers } from './port.ts';
import { Replica } from './replica.ts';
import type { ReplicaOptions } from './replica-options.ts';
import { MemoryStore } from './store/memory-store.ts';
import { createBrowserWebSocketDialer } from './transport/browser-websocket.ts';

export interface EmbedOptions extends Omit<
  ReplicaOptions,
  'store' | 'clock' | 'timers' | 'random' | 'dialer' | 'clusterSecret'
> {
  /** Where the data lies; the replica closes it. Default: memory, which is empty again after a restart. */
  readonly store?: Store;
  /** How to reach peers. Default: the global WebSocket. */
  readonly transport?: Dialer;
  /** Default: the platform's. */
  readonly clock?: Clock;
  readonly timers?: Timers;
  readonly random?: Random;
  /** The cluster secret, as in the secret file of the nodes. */
  readonly secret?: string | Uint8Array;
  /** Addresses of nodes to keep links to. */
  readonly peers?: readonly string[];
}

/**
 * Opens a replica inside a program, in a browser or in Node. It works without any of its peers, and syncs when it reaches one.
 *
 * @throws StorageError when what the store holds cannot be read; SyncError `SYNC_TOKEN_INVALID`
 */
export async function createReplica(options: EmbedOptions = {}): Promise<Replica> {
  const { transport, secret, peers = [], ...rest } = options;
  const store = options.store ?? new MemoryStore();
  try {
    const replica = await Replica.open({
      clock: platformClock,
      timers: platformTimers,
      random: platformRandom,
      isJoining: peers.length > 0,
      ...rest,
      store,
      dialer: transport ?? createBrowserWebSocketDialer(),
      ...(secret !== undefined && { clusterSecret: bytesOf(secret) }),
    });
    for (const peer of peers) replica.addPeer(peer);
    return replica;
  } catch (error) {
    await store.close();
    throw error;
  }
}

function bytesOf(secret: string | Uint8Array): Uint8Array {
  return typeof secret === 'string' ? new TextEncoder().encode(secret.trim()) : secret;
}

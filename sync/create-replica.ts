/**
 * @module
 * Owns putting a replica into somebody else's program: what the program does not care about is taken from the platform.
 */
import { platformClock, platformRandom, platformTimers } from './platform.ts';
import type { Clock, Dialer, Random, Store, Timers } from './port.ts';
import {
  invalidArgument,
  validateAddress,
  validateDialer,
  validateStore,
  validateSurroundings,
} from './program-argument.ts';
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

type Given = { readonly [Option in 'transport' | 'secret' | 'peers']: EmbedOptions[Option] | undefined };

/**
 * Opens a replica inside a program, in a browser or in Node. It works without any of its peers, and syncs when it reaches one.
 *
 * @throws StorageError when what the store holds cannot be read; SyncError `SYNC_CONFIG_INVALID`, `SYNC_TOKEN_INVALID`
 */
export async function createReplica(options: EmbedOptions = {}): Promise<Replica> {
  const { transport, secret, peers = [], store = new MemoryStore(), ...rest } = options ?? {};
  validateStore(store);
  try {
    validateEmbedding({ ...rest, transport, secret, peers });
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

/** @throws SyncError `SYNC_CONFIG_INVALID` */
function validateEmbedding(options: Omit<EmbedOptions, 'store' | 'transport' | 'secret'> & Given): void {
  const { clock = platformClock, timers = platformTimers, random = platformRandom } = options;
  const { transport, secret, peers, name, staleAfterMs } = options;
  validateSurroundings(clock, timers, random);
  if (transport !== undefined) validateDialer(transport);
  if (!Array.isArray(peers)) throw invalidArgument('peers', 'peers is an array of addresses.');
  for (const peer of peers) validateAddress('peers', peer);
  if (secret !== undefined && typeof secret !== 'string' && !(secret instanceof Uint8Array))
    throw invalidArgument('secret', 'The secret of the cluster is a string or a Uint8Array.');
  if (name !== undefined && typeof name !== 'string') throw invalidArgument('name', 'A name is a string.');
  if (staleAfterMs !== undefined && !(staleAfterMs > 0))
    throw invalidArgument('staleAfterMs', 'staleAfterMs is a number of milliseconds above 0.');
}

function bytesOf(secret: string | Uint8Array): Uint8Array {
  return typeof secret === 'string' ? new TextEncoder().encode(secret.trim()) : secret;
}

/**
 * @module
 * Owns putting a leaf into somebody else's program: what the program does not care about is taken from the platform.
 */
import { platformClock, platformRandom, platformTimers } from '../platform.ts';
import type { Dialer, Store } from '../port.ts';
import { validateStore } from '../program-argument.ts';
import { portableSha256 } from '../sha256.ts';
import { createBrowserWebSocketDialer } from '../transport/browser-websocket.ts';
import { Leaf } from './leaf.ts';
import type { LeafParts } from './leaf.ts';

export interface LeafOptions extends Partial<Omit<LeafParts, 'urls' | 'dialer' | 'subscribe'>> {
  /** Addresses of nodes: the first that answers is used, and the next one when it fails. */
  readonly urls: string | readonly string[];
  /** An access token of the cluster, as `atoll token create` makes it. Default: none, for clusters without tokens. */
  readonly token?: string;
  readonly subscribe: LeafParts['subscribe'];
  /** Where the data lies; the leaf closes it. One that is to be empty after a restart has a `MemoryStore`. */
  readonly store: Store;
  /** How to reach nodes. Default: the global WebSocket. */
  readonly transport?: Dialer;
}

/**
 * Opens a leaf: a replica of the documents it subscribes to, which works without a node and syncs with any that it reaches.
 *
 * @throws StorageError when what the store holds cannot be read; SyncError `SYNC_CONFIG_INVALID`
 */
export async function createLeaf(options: LeafOptions): Promise<Leaf> {
  const { urls, transport, store, ...rest } = options ?? ({} as LeafOptions);
  validateStore(store);
  try {
    return await Leaf.open({
      token: '',
      clock: platformClock,
      timers: platformTimers,
      random: platformRandom,
      sha256: portableSha256,
      ...rest,
      urls: typeof urls === 'string' ? [urls] : urls,
      store,
      dialer: transport ?? createBrowserWebSocketDialer(undefined, 'leaf'),
    });
  } catch (error) {
    await store.close();
    throw error;
  }
}

/**
 * @module
 * Owns what this node promises to single clients beyond its own durability: that they never see older data than they have seen,
 * and how many copies of a write there are.
 */
import { Copies } from './copies.ts';
import type { Membership } from './membership.ts';
import type { Timers } from './port.ts';
import type { ReplicaParts } from './replica-parts.ts';
import { Sessions } from './sessions.ts';

export class Guarantees {
  readonly sessions: Sessions;
  readonly copies: Copies;

  constructor({ catalog, set, epoch, owners }: ReplicaParts, membership: Membership, timers: Timers) {
    this.sessions = new Sessions({
      catalog,
      timers,
      databaseOf: (key) => set.get(key),
      isPlaced: (key) => catalog.isPlaced(epoch.nodeId, key),
      isOfRemoved: (origin) => membership.isRemoved(owners.get(origin) ?? ''),
    });
    this.copies = new Copies({
      catalog,
      timers,
      nodeId: () => epoch.nodeId,
      holdingOf: (node, key) => membership.holdingOf(node, key),
    });
  }

  /** Ends all waits at once: the node stops, or will take no more requests. */
  end(): void {
    this.sessions.end();
    this.copies.end();
  }
}

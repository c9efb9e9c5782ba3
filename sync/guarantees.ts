/**
 * @module
 * Owns what this node promises to single clients beyond its own durability: that they never see older data than they have seen,
 * and how many copies of a write there are.
 */
import { Copies } from './copies.ts';
import type { Holding } from './horizon.ts';
import type { PeersStatus } from './link/status.ts';
import { LostHistory } from './lost-history.ts';
import type { Membership } from './membership.ts';
import type { Timers } from './port.ts';
import type { ReplicaParts } from './replica-parts.ts';
import { Sessions } from './sessions.ts';

export class Guarantees {
  readonly sessions: Sessions;
  readonly copies: Copies;

  readonly #lost: LostHistory;

  constructor(parts: ReplicaParts, membership: Membership, timers: Timers, peers: () => PeersStatus) {
    const { catalog, set, epoch, owners } = parts;
    this.#lost = new LostHistory({
      timers,
      liveOrigins: () => new Set([epoch.origin, ...peers().links.flatMap(({ origin }) => origin ?? [])]),
      holdingsOf: (database) => holdingsOf(parts, membership, database, peers()),
    });
    this.sessions = new Sessions({
      catalog,
      timers,
      databaseOf: (key) => set.get(key),
      isPlaced: (key) => catalog.isPlaced(epoch.nodeId, key),
      isOfRemoved: (origin) => membership.isRemoved(owners.get(origin) ?? ''),
      hasLost: (database, positions) => this.#lost.hasLost(database, positions),
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
    this.#lost.end();
  }
}

/** What all others that may hold a database say that they hold; null when one of them does not say so now. */
function holdingsOf(
  { catalog, epoch, set }: ReplicaParts,
  membership: Membership,
  database: string,
  { links }: PeersStatus,
): readonly Holding[] | null {
  const linked = new Set(links.filter(({ state }) => state === 'live').map(({ node }) => node));
  const holdings: Holding[] = [];
  for (const [node, { state }] of catalog.members) {
    if (node === epoch.nodeId || state === 'removed' || !catalog.isPlaced(node, database)) continue;
    const word = membership.wordOf(node, database);
    if (!linked.has(node) || word === null) return null;
    // What follows from an epoch that is not here yet is not known.
    const vector = set.get(database)?.parts.log.durableVector;
    if ([...word].some(([origin, seq]) => seq > 0 && vector?.get(origin) === undefined)) return null;
    holdings.push(membership.holdingOf(node, database));
  }
  return holdings;
}

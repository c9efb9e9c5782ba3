/**
 * @module
 * Owns what this node has written as others see it: what of it only this node holds, and beginning anew with a database in which
 * peers hold something else under the numbers this node gave.
 */
import { SYSTEM_KEY } from './catalog.ts';
import type { Catalog } from './catalog.ts';
import type { DatabaseSet } from './database-set.ts';
import type { OriginId } from './engine.ts';
import type { Epoch } from './identity.ts';
import type { IdentityGuard } from './identity-guard.ts';
import type { Peers } from './link/peers.ts';
import type { Membership } from './membership.ts';
import { unsentDocuments } from './unsent.ts';
import type { UnsentDocument } from './unsent.ts';

export interface OwnHistoryParts {
  readonly set: DatabaseSet;
  readonly catalog: Catalog;
  readonly epoch: Epoch;
  readonly owners: ReadonlyMap<OriginId, string>;
  readonly guard: IdentityGuard;
  readonly membership: Membership;
  readonly peers: Peers;
  readonly onFailure: (error: unknown) => void;
}

export class OwnHistory {
  readonly #parts: OwnHistoryParts;

  constructor(parts: OwnHistoryParts) {
    this.#parts = parts;
  }

  /** Documents with writes of this node that no member is known to hold, what was set aside included. */
  async *unsent(): AsyncGenerator<UnsentDocument> {
    const { set } = this.#parts;
    const open = set.keys().map((key) => ({ key, database: set.get(key)!, floors: this.#floorsOf(key) }));
    const sources = [...(await set.openAsides()), ...open];
    yield* unsentDocuments(sources.filter(({ key }) => key !== SYSTEM_KEY));
  }

  /** What this node has written twice stays here, aside; everything else comes back from peers. */
  beginAnew(database: string): void {
    const { set, guard, peers, membership, onFailure } = this.#parts;
    set
      .setAside(database, this.#floorsOf(database), () => guard.handleSetAside(database))
      .then(() => {
        peers.reintroduce();
        return membership.announce('joining');
      })
      .catch(onFailure);
  }

  /** Origin of this node → sequence up to which others hold it, by all we know. */
  #floorsOf(database: string): ReadonlyMap<OriginId, number> {
    const { catalog, epoch, owners, guard, membership } = this.#parts;
    const others = [...catalog.members.keys()].filter((node) => node !== epoch.nodeId);
    const holdings = others.map((node) => membership.holdingOf(node, database));
    const floors = new Map<OriginId, number>();
    for (const [origin, node] of owners) {
      if (node !== epoch.nodeId) continue;
      const held = Math.max(0, ...holdings.map((holding) => holding.get(origin) ?? 0));
      floors.set(origin, guard.floorOf(database, origin) ?? held);
    }
    return floors;
  }
}

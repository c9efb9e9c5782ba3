/**
 * @module
 * Owns what a replica knows of how far the other members are in a database: what they hold, which is the horizon up to which logs
 * are cut, and what is stable, up to which tombstones are forgotten.
 */
import type { Catalog } from './catalog.ts';
import { computeHorizon } from './horizon.ts';
import type { Horizon } from './horizon.ts';
import type { Membership } from './membership.ts';
import { computeStability } from './stability.ts';
import type { Stability } from './stability.ts';
import type { VersionVector } from './version-vector.ts';

export interface StableViewParts {
  readonly catalog: Catalog;
  readonly membership: Membership;
  /** What is durable here. */
  readonly vectorOf: (database: string) => VersionVector;
}

export class StableView {
  readonly #parts: StableViewParts;

  constructor(parts: StableViewParts) {
    this.#parts = parts;
  }

  horizon(database: string): Horizon {
    const { membership, vectorOf } = this.#parts;
    const members = this.#holders(database).map((node) => ({ node, holding: membership.holdingOf(node, database) }));
    return computeHorizon(vectorOf(database), members);
  }

  stability(database: string): Stability {
    const { membership, vectorOf } = this.#parts;
    const words = this.#holders(database).map((node) => [node, membership.wordOf(node, database)] as const);
    return computeStability(vectorOf(database), new Map(words));
  }

  /** Is this node to be counted on, and does it know so many members? */
  isComplete(membersMin: number): boolean {
    const { catalog, membership } = this.#parts;
    return membership.ownState === 'live' && catalog.members.size >= membersMin;
  }

  /** Is every member that was not removed one that counts? */
  isAllCounted(): boolean {
    return [...this.#parts.catalog.members.values()].every(({ state }) => state !== 'stale');
  }

  /** Is this node the first, in some order, of those that count? */
  isFirst(): boolean {
    const { membership } = this.#parts;
    return membership.others().every((other) => membership.nodeId < other);
  }

  /** The other members that count. */
  #holders(database: string): readonly string[] {
    const { catalog, membership } = this.#parts;
    return membership.others().filter((node) => catalog.isPlaced(node, database));
  }
}

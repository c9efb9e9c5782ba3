/**
 * @module
 * Owns what was seen of every node's processes, to tell a restart from a copy. A process that comes back after its successor was
 * seen is alive beside it: a copied directory runs twice. A proof covers our nonce, so whoever proves on a connection that was
 * opened after the successor's proof was alive then; no clock is involved.
 */

export type RosterVerdict =
  /** The process known, or the first. */
  | 'current'
  /** A new process: the one before is dead, as far as we know. */
  | 'restarted'
  /** Its successor was seen before, and it lives: that successor is a copy. */
  | 'returned'
  /** It is the copy. */
  | 'copy'
  /** Opened before its successor was seen: it proves nothing. It may try again. */
  | 'unproven';

interface Sighting {
  boot: string;
  /** When its first proof came, in openings of this roster. */
  provenAt: number;
  /** Processes that had a successor. */
  readonly superseded: Set<string>;
  readonly copies: Set<string>;
}

/** Processes remembered per node. */
const SUPERSEDED_MAX = 64;

export class Roster {
  readonly #sightings = new Map<string, Sighting>();
  #moment = 0;

  /** A moment that is later than all before; a link takes it when it opens. */
  nextMoment(): number {
    return ++this.#moment;
  }

  /** A process of `node` proved itself on a connection opened at `openedAt`. */
  see(node: string, boot: string, openedAt: number): RosterVerdict {
    const provenAt = this.nextMoment();
    const seen = this.#sightings.get(node);
    if (seen === undefined) {
      this.#sightings.set(node, { boot, provenAt, superseded: new Set(), copies: new Set() });
      return 'current';
    }
    if (seen.boot === boot) return 'current';
    if (seen.copies.has(boot)) return 'copy';
    if (seen.superseded.has(boot)) {
      if (openedAt < seen.provenAt) return 'unproven';
      seen.superseded.delete(boot);
      remember(seen.copies, seen.boot);
      Object.assign(seen, { boot, provenAt });
      return 'returned';
    }
    remember(seen.superseded, seen.boot);
    Object.assign(seen, { boot, provenAt });
    return 'restarted';
  }
}

function remember(boots: Set<string>, boot: string): void {
  boots.add(boot);
  if (boots.size > SUPERSEDED_MAX) boots.delete(boots.values().next().value!);
}

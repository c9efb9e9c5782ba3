/**
 * @module
 * Owns who does not count for a database any more, because it was removed or is to hold the database no longer, and whether every member
 * knows. From then on nobody takes anything more from those who are gone, so that of what they wrote there is only what members hold
 * already. Until then it is not enough to know what the others hold: something may still come to them.
 */
import { SYSTEM_KEY } from './catalog.ts';
import type { Catalog } from './catalog.ts';
import { isWithin } from './forgotten.ts';
import type { ForgottenVector } from './forgotten.ts';
import type { Stability } from './stability.ts';
import type { VersionVector } from './version-vector.ts';

interface Known {
  readonly name: string;
  /** What was here of the system database when they were first seen to be gone. */
  readonly since: ForgottenVector;
}

export interface DeparturesParts {
  readonly catalog: Catalog;
  readonly stability: (database: string) => Stability;
  readonly vectorOf: (database: string) => VersionVector;
}

export class Departures {
  readonly #parts: DeparturesParts;
  readonly #known = new Map<string, Known>();

  constructor(parts: DeparturesParts) {
    this.#parts = parts;
  }

  /** Names who is gone: another name, others. */
  nameOf(database: string): string {
    const { catalog } = this.#parts;
    const gone = [...catalog.members].filter(
      ([node, { state }]) => state === 'removed' || !catalog.isPlaced(node, database),
    );
    return shorten(
      gone
        .map(([node]) => node)
        .sort()
        .join(),
    );
  }

  /** Does every member know? Asked again until it is so. */
  areKnown(database: string): boolean {
    const { stability, vectorOf } = this.#parts;
    const name = this.nameOf(database);
    let known = this.#known.get(database);
    if (known?.name !== name) {
      known = { name, since: new Map([...vectorOf(SYSTEM_KEY)].map(([origin, { seq }]) => [origin, seq])) };
      this.#known.set(database, known);
    }
    const { vector } = stability(SYSTEM_KEY);
    return vector !== null && isWithin(known.since, vector);
  }
}

/** Ids of nodes are long, and this is written down with every compaction. */
function shorten(text: string): string {
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = (hash * 131 + text.charCodeAt(i)) % 2 ** 40;
  return hash.toString(36);
}

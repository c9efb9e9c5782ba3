/**
 * @module
 * Owns who is linked to whom. Up to sixteen members everybody is linked to everybody. Beyond, members stand in a ring, in the order
 * of the hashes of their ids, and everybody is linked to those at four distances in both directions: eight links however many
 * members there are, a few hops between any two, and both sides of a link know it without talking about it.
 */
import { fingerprintNode } from './protocol/authentication.ts';

/** Members up to which all are linked to all. */
export const MESH_MAX = 16;
/** Distances in each direction. */
const DISTANCES = 4;
/** Members tried in the place of one that does not answer. */
const SUBSTITUTES_MAX = 8;

/**
 * @param nodes - All members that count, `self` among them.
 * @param isAway - A member that does not answer: the next one in the ring is taken besides.
 */
export function neighboursOf(self: string, nodes: readonly string[], isAway: (node: string) => boolean): Set<string> {
  const others = nodes.filter((node) => node !== self);
  if (nodes.length <= MESH_MAX) return new Set(others);
  const ring = ringOf(nodes);
  const place = ring.indexOf(self);
  const neighbours = new Set<string>();
  for (const distance of distancesOf(ring.length)) {
    for (const direction of [1, -1]) addFrom(ring, place, direction, distance, neighbours, isAway);
  }
  neighbours.delete(self);
  return neighbours;
}

function addFrom(
  ring: readonly string[],
  place: number,
  direction: number,
  distance: number,
  neighbours: Set<string>,
  isAway: (node: string) => boolean,
): void {
  for (let step = 0; step <= SUBSTITUTES_MAX; step++) {
    const node = ring[(place + direction * (distance + step) + 2 * ring.length) % ring.length]!;
    neighbours.add(node);
    if (!isAway(node)) return;
  }
}

/** 1 and powers of the fourth root: 1, 3, 10, 32 for a hundred members. */
function distancesOf(members: number): number[] {
  const root = members ** (1 / DISTANCES);
  return Array.from({ length: DISTANCES }, (_, i) => Math.max(i + 1, Math.round(root ** i)));
}

function ringOf(nodes: readonly string[]): string[] {
  const places = nodes.map((node) => [fingerprintNode(node), node] as const);
  return places.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, node]) => node);
}

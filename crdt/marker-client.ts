/**
 * @module
 * Owns the Yjs clients that say that a document was compacted. They are not those of the nodes that do it: to have compacted a document is not to have
 * written it. Ids of nodes are below, those of leaves above.
 */

const MARKER_CLIENT_MIN = 2 ** 51;
const MARKER_CLIENT_MAX = 2 ** 52;

/** The client under which a node says it. */
export function markerClientOf(client: number): number {
  return MARKER_CLIENT_MIN + client;
}

export function isMarkerClient(client: number): boolean {
  return client >= MARKER_CLIENT_MIN && client < MARKER_CLIENT_MAX;
}

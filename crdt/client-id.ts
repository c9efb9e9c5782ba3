/**
 * @module
 * Owns who writes under which Yjs clients: editors choose any 32-bit number, nodes write under their origins, a copy of a document
 * without its history (fresh-copy.ts) has a client of its own, and leaves are from 2^52 on.
 */
const NODE_CLIENT_MIN = 2 ** 32;
const COPY_CLIENT_MIN = 2 ** 42;
const COPY_CLIENT_END = 2 ** 43;

/** A node, or the copy that a node made. */
export function isNodeClient(client: number): boolean {
  return client >= NODE_CLIENT_MIN && client < COPY_CLIENT_END;
}

export function isCopyClient(client: number): boolean {
  return client >= COPY_CLIENT_MIN && client < COPY_CLIENT_END;
}

/** The writer of the copy with this id, and of nothing else. */
export function copyClientOf(id: string): number {
  let hash = 0;
  for (let i = 0; i < id.length; i++) hash = (hash * 131 + id.charCodeAt(i)) % (COPY_CLIENT_END - COPY_CLIENT_MIN);
  return COPY_CLIENT_MIN + hash;
}

/**
 * The generation that a copy of a document is of, by what it holds: the client of the copy that the generation began with, which everybody
 * knows who knows anything of nodes in it. 0 is the first generation.
 */
export function generationClientOf(clients: Iterable<number>): number {
  for (const client of clients) if (isCopyClient(client)) return client;
  return 0;
}

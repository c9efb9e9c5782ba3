/**
 * @module
 * Owns who writes under which Yjs clients: editors choose any 32-bit number, nodes write under their origins, a copy of a document
 * without its history (fresh-copy.ts) has a client of its own, and so has each write that is taken along from a generation that is gone
 * (late-write.ts). Leaves are from 2^52 on.
 */
import type { WrittenId } from './change.ts';

const NODE_CLIENT_MIN = 2 ** 32;
const COPY_CLIENT_MIN = 2 ** 42;
const COPY_CLIENT_END = 2 ** 43;
/** Above the operations that stand in the place of clients (`DuplicateWrite`). */
const LATE_CLIENT_MIN = 2 ** 50;
const LATE_CLIENT_END = 2 ** 51;
const LATE_OPERATION_MIN = 2 ** 49;
const LATE_CONTENTS = 2 ** 14;

/** Stands in the place of a client for a write that was made twice (`DuplicateWrite.operation`). */
export function isRepetition(operation: number): boolean {
  return operation >= COPY_CLIENT_END && operation < LATE_OPERATION_MIN;
}

/** A node, the copy that a node made, or what it took along. */
export function isNodeClient(client: number): boolean {
  return (client >= NODE_CLIENT_MIN && client < COPY_CLIENT_END) || isLateClient(client);
}

function isLateClient(client: number): boolean {
  return client >= LATE_CLIENT_MIN && client < LATE_CLIENT_END;
}

/**
 * The client of one write that is taken along. Whoever takes the same along writes the same under it: it is named by its writer, by its
 * clock, so that what one writer wrote stays in order, and by what is written, so that nothing else is ever written under it.
 */
export function lateClientOf({ client, clock }: WrittenId, generation: number, content: string): number {
  const what = hashOf(content) % LATE_CONTENTS;
  // What is taken along once more is still what it was.
  if (isLateClient(client)) return client - (client % LATE_CONTENTS) + what;
  // All of a clock counts: two writes of one writer never have one client.
  const place = ((hashOf(`${client}.${generation}`) % 2 ** 22) * 2 ** 14 + clock) % 2 ** 36;
  return LATE_CLIENT_MIN + place * LATE_CONTENTS + what;
}

/** Stands for a writer of a generation that is gone where tallies count: of one operation the latest tally counts. */
export function lateOperationOf(writer: string): number {
  return LATE_OPERATION_MIN + hashOf(writer) * 2 ** 16 + (hashOf(`+${writer}`) % 2 ** 16);
}

/** FNV-1a, 32 bits. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
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

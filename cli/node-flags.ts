/**
 * @module
 * Owns the flags that a node's process wants from Node itself. The first line of bin.ts repeats them, for who runs `atoll`; a
 * test compares the two.
 */

/**
 * Young objects are looked through by one thread, in portions of Node's usual 16 MB. Several threads, Node's default, cost 25 µs of
 * processor per write more, because they mostly wait for each other, and larger portions are kept in memory when nothing happens.
 * Garbage collection is exposed because a node that rests asks for one (server/memory-release.ts).
 */
export const NODE_FLAGS: readonly string[] = ['--max-semi-space-size=16', '--no-parallel-scavenge', '--expose-gc'];

/**
 * @module
 * Owns the flags that a node's process wants from Node itself. The first line of bin.ts repeats them, for who runs `atoll`; a
 * test compares the two.
 */

/**
 * Semi-space: megabytes of young objects before they are looked through. A request outlives Node's default of 16 while it waits for the
 * disk, and what outlives is copied, which costs a sixth of the processor under writes. Garbage collection is exposed because
 * a node that rests asks for one (server/memory-release.ts).
 */
export const NODE_FLAGS: readonly string[] = ['--max-semi-space-size=32', '--expose-gc'];

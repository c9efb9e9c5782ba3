/**
 * @module
 * Owns assertions: a failed one is a bug in Atoll, has no code, and is meant to be loud.
 */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}

/** Marks a branch the type checker proved impossible. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${String(value)}`);
}

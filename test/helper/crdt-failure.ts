/**
 * @module
 * Owns catching the errors of the document layer in tests; any other error is a failed test.
 */
import { CrdtError } from '../../crdt/index.ts';

/** The error that a call throws, or null. */
export function failureOf(run: () => unknown): CrdtError | null {
  try {
    run();
    return null;
  } catch (error) {
    if (error instanceof CrdtError) return error;
    throw error;
  }
}

/** Its code, or `accepted`. */
export function codeOf(run: () => unknown): string {
  return failureOf(run)?.code ?? 'accepted';
}

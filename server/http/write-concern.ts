/**
 * @module
 * Owns what `Prefer: replicas=N` asks for: that an answer to a write waits for copies on other members, and says how many there
 * are. The write stands in any case. SPEC.md SE6.
 */
import type { Database, Positions } from '../../sync/index.ts';
import type { HttpContext } from './context.ts';
import type { Preferences } from './prefer.ts';

export interface Concern {
  /** Fewer copies than asked for are known: the answer is 202. */
  readonly isMissed: boolean;
  /** Headers and their values, in turn. */
  readonly headers: readonly string[];
  /** For `Preference-Applied`. */
  readonly applied: readonly string[];
}

/** @param version - What the write left; undefined when there was none to wait for. */
export async function awaitCopies(
  { replica }: Pick<HttpContext, 'replica'>,
  database: Database,
  version: Positions,
  { replicas, waitMs }: Preferences & { readonly replicas: number },
): Promise<Concern> {
  const { copies, members } = await replica.guarantees.copies.await(database, version, replicas, waitMs);
  const isMissed = copies < replicas;
  return {
    isMissed,
    headers: ['atoll-replicas', `${copies}/${members}`],
    applied: isMissed ? [] : [`replicas=${replicas}`],
  };
}

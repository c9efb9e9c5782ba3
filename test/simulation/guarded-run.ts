/**
 * @module
 * Owns that nothing which goes wrong in a run stays unseen, whoever runs it: what is thrown, and promises that fail while nobody waits for them.
 */
import type { Cluster } from './cluster.ts';
import { describeError } from './sim-node.ts';

/** Runs to the end; what breaks is a problem of the cluster. @returns What `run` does; null when it broke. */
export async function runGuarded<T>(cluster: Cluster, run: () => Promise<T>): Promise<T | null> {
  const onRejection = (error: unknown): void => cluster.complain(`unhandled rejection: ${describeError(error)}`);
  process.on('unhandledRejection', onRejection);
  try {
    return await run();
  } catch (error) {
    cluster.complain(`the run broke: ${describeError(error)}`);
    return null;
  } finally {
    // Rejections are told of a turn later.
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', onRejection);
  }
}

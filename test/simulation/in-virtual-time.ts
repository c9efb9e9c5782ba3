/**
 * @module
 * Owns waiting for something that needs virtual time to go on, as disks do to answer.
 */
import type { Cluster } from './cluster.ts';

/** @throws Error when it is not over after so long. */
export async function inVirtualTime<T>({ time }: Cluster, msMax: number, work: Promise<T>): Promise<T> {
  let isDone = false;
  const done = work.finally(() => {
    isDone = true;
  });
  if (!(await time.run(time.now + msMax, () => isDone))) throw new Error('reads were never answered');
  return done;
}

/**
 * @module
 * Owns telling how long writes of other nodes took to become durable here, by the clocks of both: what operators see as the time to
 * convergence. After a partition it is as long as the partition was.
 */
import { stampMs } from '../crdt/index.ts';
import { decodeBatchHeader } from './batch.ts';
import type { Clock } from './port.ts';
import type { Replica } from './replica.ts';

/** Returns what ends it. */
export function watchArrivals(replica: Replica, clock: Clock, onArrival: (seconds: number) => void): () => void {
  return replica.engine.onDurable((_database, batches) => {
    for (const { origin, bytes } of batches) {
      if (replica.engine.nodeOf(origin) === replica.nodeId) continue;
      // Clocks may differ a little.
      onArrival(Math.max(0, clock.now() - stampMs(decodeBatchHeader(bytes).stamp)) / 1000);
    }
  });
}

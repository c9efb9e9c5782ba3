/**
 * @module
 * Owns giving memory back when the node rests. Node collects garbage when something allocates; a node that stops working keeps
 * what its last burst left behind, often three times what it needs. SPEC.md ND.
 */
import { performance } from 'node:perf_hooks';

/** How long the process must have rested. */
export const REST_MS = 5_000;
/** Share of one processor that it uses although it rests: heartbeats, probes, scrapes, cutting the log, the scrub. */
const RESTING_UTILIZATION_MAX = 0.1;
/** Less growth than this is not worth the pause of a collection, which is tens of milliseconds. */
const GROWTH_BYTES_MIN = 33_554_432;
/** The second collection returns the pages the first one emptied. */
const COLLECTIONS = 2;

export interface MemoryReleaseOptions {
  /** Lets go of what can be read from the disk again. */
  readonly releaseCaches: () => void;
  /** Null where the process was started without `--expose-gc`: then only caches are released. */
  readonly collectGarbage: (() => void) | null;
  /**
   * Share of one processor that was used since the last call. Not of the time in which the event loop was busy: on a machine that has too
   * much to do, a node that rests is busy all the time, waiting for a processor.
   */
  readonly utilization: () => number;
  /** Memory of the process, bytes. */
  readonly usedBytes: () => number;
}

/** Decides at every look whether there is something to give back. */
export class MemoryRelease {
  readonly #options: MemoryReleaseOptions;
  /** The least that the process had since it gave back: pages that were given back leave it some time later. */
  #restingBytes = 0;

  constructor(options: MemoryReleaseOptions) {
    this.#options = options;
  }

  /** Call it every {@link REST_MS}. */
  look(): void {
    const { utilization, usedBytes, releaseCaches, collectGarbage } = this.#options;
    const isResting = utilization() <= RESTING_UTILIZATION_MAX;
    const used = usedBytes();
    this.#restingBytes = Math.min(this.#restingBytes, used);
    if (!isResting || used < this.#restingBytes + GROWTH_BYTES_MIN) return;
    releaseCaches();
    for (let done = 0; done < COLLECTIONS; done++) collectGarbage?.();
    this.#restingBytes = usedBytes();
  }
}

/** Watches this process until the returned function is called. */
export function releaseMemoryAtRest(releaseCaches: () => void): () => void {
  let lastMs = performance.now();
  let lastUsage = process.cpuUsage();
  const release = new MemoryRelease({
    releaseCaches,
    collectGarbage: typeof globalThis.gc === 'function' ? () => globalThis.gc!() : null,
    utilization: () => {
      const { user, system } = process.cpuUsage(lastUsage);
      const elapsedMs = performance.now() - lastMs;
      lastUsage = process.cpuUsage();
      lastMs = performance.now();
      return (user + system) / 1000 / elapsedMs;
    },
    usedBytes: () => process.memoryUsage.rss(),
  });
  const timer = setInterval(() => release.look(), REST_MS);
  timer.unref();
  return () => clearInterval(timer);
}

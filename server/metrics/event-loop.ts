/**
 * @module
 * Owns how late the event loop is. Everything in a node waits for it, so its lag is the measure of overload. SPEC.md OB3.
 */
import { monitorEventLoopDelay, type IntervalHistogram } from 'node:perf_hooks';

const SAMPLE_MS = 50;
const NANOSECONDS = 1e9;

export interface LoopDelay {
  /** Seconds. */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export class EventLoop {
  readonly #histogram: IntervalHistogram = monitorEventLoopDelay({ resolution: SAMPLE_MS });
  #timer: NodeJS.Timeout | undefined;
  /** The last two samples, ms: a single stall is over when it is noticed, and no reason to turn anybody away. */
  #samples: readonly [number, number] = [0, 0];

  start(): void {
    this.#histogram.enable();
    let expectedMs = performance.now() + SAMPLE_MS;
    this.#timer = setInterval(() => {
      const nowMs = performance.now();
      this.note(Math.max(0, nowMs - expectedMs));
      expectedMs = nowMs + SAMPLE_MS;
    }, SAMPLE_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#histogram.disable();
  }

  /** A sample: how much later a timer fired than it should have. */
  note(lagMs: number): void {
    this.#samples = [this.#samples[1], lagMs];
  }

  /** How late the loop has been for the last two samples at least. */
  get lagMs(): number {
    return Math.min(...this.#samples);
  }

  /** Since the last call. */
  takeDelay(): LoopDelay {
    const histogram = this.#histogram;
    // The histogram counts the whole distance between two samples.
    const seconds = (nanoseconds: number): number =>
      Number.isFinite(nanoseconds) ? Math.max(0, nanoseconds / NANOSECONDS - SAMPLE_MS / 1000) : 0;
    const delay = {
      p50: seconds(histogram.percentile(50)),
      p99: seconds(histogram.percentile(99)),
      max: seconds(histogram.max),
    };
    histogram.reset();
    return delay;
  }
}

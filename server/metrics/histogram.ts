/**
 * @module
 * Owns counting durations on the hot path: plain numbers, added up into the form of Prometheus only when somebody asks.
 */

/** Seconds. From an answer out of memory to the time limit of a request. */
const BOUNDS: readonly number[] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export class Histogram {
  /** Of each bucket by itself; the last one has no bound. */
  readonly #counts: number[] = Array.from({ length: BOUNDS.length + 1 }, () => 0);
  #sum = 0;
  #count = 0;

  observe(seconds: number): void {
    let bucket = 0;
    while (bucket < BOUNDS.length && seconds > BOUNDS[bucket]!) bucket++;
    this.#counts[bucket]!++;
    this.#sum += seconds;
    this.#count++;
  }

  get count(): number {
    return this.#count;
  }

  /** Samples in the text format of Prometheus. */
  lines(name: string, labels: Readonly<Record<string, string>>): string[] {
    const inner = formatLabels(labels);
    const prefix = inner === '' ? '' : `${inner},`;
    let sum = 0;
    const buckets = this.#counts.map((count, bucket) => {
      sum += count;
      return `${name}_bucket{${prefix}le="${BOUNDS[bucket] ?? '+Inf'}"} ${sum}`;
    });
    const suffix = inner === '' ? '' : `{${inner}}`;
    return [...buckets, `${name}_sum${suffix} ${this.#sum}`, `${name}_count${suffix} ${this.#count}`];
  }
}

export function header(name: string, type: 'histogram' | 'counter' | 'gauge', help: string): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
}

/** `a="b",c="d"` */
export function formatLabels(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${value.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n')}"`)
    .join(',');
}

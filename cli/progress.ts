/**
 * @module
 * Owns showing progress on standard error: a bar with rate and remaining time on a terminal, a line now and then elsewhere.
 */

/** Cells of the bar. */
const BAR_WIDTH = 24;
const REDRAW_INTERVAL_MS = 100;
const LINE_INTERVAL_MS = 5_000;
/** The rate is that of about this long: it should follow a change, but not jump. */
const RATE_WINDOW_MS = 5_000;

export interface ProgressOptions {
  /** What is going on, e.g. `importing`. */
  readonly label: string;
  /** Units (bytes or documents) of the whole; null when unknown. */
  readonly total: number | null;
  /** Receives text; null shows nothing. */
  readonly write: ((text: string) => void) | null;
  /** Redraw one line (a terminal), or append lines. */
  readonly redraw: boolean;
  /** Milliseconds, monotonic; for tests. */
  readonly now?: () => number;
}

interface Sample {
  readonly atMs: number;
  readonly done: number;
  readonly documents: number;
}

export class Progress {
  readonly #options: ProgressOptions;
  readonly #now: () => number;
  readonly #startedAtMs: number;
  #samples: Sample[];
  #shownAtMs: number;
  #drawn = false;

  /** `done` and `documents` are where this run starts, which is not 0 when it continues an earlier one. */
  constructor(options: ProgressOptions, done = 0, documents = 0) {
    this.#options = options;
    this.#now = options.now ?? ((): number => performance.now());
    this.#startedAtMs = this.#now();
    this.#shownAtMs = options.redraw ? -Infinity : this.#startedAtMs;
    this.#samples = [{ atMs: this.#startedAtMs, done, documents }];
  }

  /** Reports where things stand: units done and documents done, both from the very start. */
  update(done: number, documents: number): void {
    const atMs = this.#now();
    const last = this.#samples.at(-1) as Sample;
    if (atMs - last.atMs >= REDRAW_INTERVAL_MS) {
      this.#samples.push({ atMs, done, documents });
      while (this.#samples.length > 2 && atMs - (this.#samples[1] as Sample).atMs > RATE_WINDOW_MS)
        this.#samples.shift();
    }
    if (this.#options.write === null) return;
    if (atMs - this.#shownAtMs < (this.#options.redraw ? REDRAW_INTERVAL_MS : LINE_INTERVAL_MS)) return;
    this.#shownAtMs = atMs;
    const text = this.#render({ atMs, done, documents });
    this.#options.write(this.#options.redraw ? `\r${text}\u001b[K` : `${text}\n`);
    this.#drawn = this.#options.redraw;
  }

  /** Removes the bar, so that other text can be written. */
  clear(): void {
    if (this.#drawn) this.#options.write?.('\r\u001b[K');
    this.#drawn = false;
  }

  /** Milliseconds since the beginning of this run. */
  elapsedMs(): number {
    return this.#now() - this.#startedAtMs;
  }

  #render(current: Sample): string {
    const first = this.#samples[0] as Sample;
    const seconds = Math.max((current.atMs - first.atMs) / 1000, 0.001);
    const perSecond = Math.round((current.documents - first.documents) / seconds);
    const parts = [this.#options.label];
    const { total } = this.#options;
    if (total !== null && total > 0) {
      const fraction = Math.min(current.done / total, 1);
      if (this.#options.redraw) parts.push(renderBar(fraction));
      parts.push(`${Math.floor(fraction * 100)} %`);
    }
    parts.push(`${formatCount(current.documents)} documents`, `${formatCount(perSecond)}/s`);
    const unitsPerSecond = (current.done - first.done) / seconds;
    if (total !== null && unitsPerSecond > 0)
      parts.push(`${formatDuration((Math.max(total - current.done, 0) / unitsPerSecond) * 1000)} left`);
    return parts.join('  ');
  }
}

function renderBar(fraction: number): string {
  const filled = Math.floor(fraction * BAR_WIDTH);
  return `[${'#'.repeat(filled)}${'-'.repeat(BAR_WIDTH - filled)}]`;
}

/** 1234567 → `1,234,567`, in every locale. */
export function formatCount(count: number): string {
  return count.toLocaleString('en');
}

/** `42 s`, `3:07`, `1:02:03`. */
export function formatDuration(durationMs: number): string {
  const seconds = Math.ceil(durationMs / 1000);
  if (seconds < 60) return `${seconds} s`;
  const two = (value: number): string => String(value).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

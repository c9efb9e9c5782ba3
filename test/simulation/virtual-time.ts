/**
 * @module
 * Owns virtual time: a heap of events, and a loop that lets every promise chain run dry between two of them. Nothing in a
 * simulation waits for real time.
 */
interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
  cancelled: boolean;
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** Resolves when the microtask queue has run dry: Node drains it completely before the check phase. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Virtual milliseconds since the start of the run, and what is due when. Events at one instant run in order of scheduling. */
export class VirtualTime {
  #now = 0;
  #order = 0;
  #processed = 0;
  readonly #heap: Event[] = [];
  /** What a process would die of. */
  onError: (error: unknown) => void = (error) => {
    throw error;
  };

  get now(): number {
    return this.#now;
  }

  /** Events run so far. */
  get processed(): number {
    return this.#processed;
  }

  /** Schedules `run`; the returned function cancels. */
  after(delayMs: number, run: () => void): () => void {
    const event = { at: this.#now + Math.max(0, delayMs), order: this.#order++, run, cancelled: false };
    this.#push(event);
    return () => {
      event.cancelled = true;
    };
  }

  /**
   * Runs events until `isDone` holds, nothing is left, or the next event lies after `deadline` (then time stands at it).
   *
   * @returns whether `isDone` held at the end.
   */
  async run(deadline: number, isDone: () => boolean = () => false): Promise<boolean> {
    await settle();
    while (!isDone()) {
      const next = this.#heap[0];
      if (next === undefined || next.at > deadline) {
        this.#now = Math.max(this.#now, deadline);
        return isDone();
      }
      this.#pop();
      if (next.cancelled) continue;
      this.#now = next.at;
      this.#processed++;
      try {
        next.run();
      } catch (error) {
        this.onError(error);
      }
      await settle();
    }
    return true;
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(event);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
  }
}

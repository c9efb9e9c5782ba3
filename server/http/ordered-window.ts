/**
 * @module
 * Owns pipelining with bounded memory: work starts in order, up to a window of items and bytes is in flight, and results come out
 * in the order of the work. A slow consumer stops the producer. SPEC.md HT17.
 */

export interface WindowBounds {
  readonly items: number;
  /** One item may exceed it alone. */
  readonly bytes: number;
}

interface Slot<Result> {
  readonly bytes: number;
  readonly settled: Promise<Result>;
  result: { readonly value: Result } | null;
}

export class OrderedWindow<Result> {
  readonly #bounds: WindowBounds;
  readonly #slots: Slot<Result>[] = [];
  #bytes = 0;
  #ended = false;
  #failure: { readonly error: unknown } | null = null;
  #wakeProducer: (() => void) | null = null;
  #wakeConsumer: (() => void) | null = null;

  constructor(bounds: WindowBounds) {
    this.#bounds = bounds;
  }

  /** Resolves when there is room for another item, or nobody will take results any more. Await it before each `push`. */
  async room(bytes: number): Promise<void> {
    while (!this.#hasRoom(bytes)) {
      await new Promise<void>((resolve) => {
        this.#wakeProducer = resolve;
      });
    }
  }

  /** Adds work under way. Its promise must not reject: a failed item is a result too. */
  push(bytes: number, settled: Promise<Result>): void {
    const slot: Slot<Result> = { bytes, settled, result: null };
    void settled.then((value) => {
      slot.result = { value };
    });
    this.#slots.push(slot);
    this.#bytes += bytes;
    wake(this.#wakeConsumer);
  }

  /** No more work; with an error, `take` throws it after the results. */
  end(failure: { readonly error: unknown } | null = null): void {
    this.#ended = true;
    this.#failure = failure;
    wake(this.#wakeConsumer);
  }

  get isEnded(): boolean {
    return this.#ended;
  }

  /** The next results, at least one, all that are there; null at the end. */
  async take(): Promise<Result[] | null> {
    while (this.#slots.length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wakeConsumer = resolve;
      });
    }
    const head = this.#slots[0];
    if (head === undefined) {
      if (this.#failure !== null) throw this.#failure.error;
      return null;
    }
    // `push` subscribed first, so the slot knows its result before we go on.
    await head.settled;
    const ready = this.#slots.findIndex((slot) => slot.result === null);
    const done = this.#slots.splice(0, ready === -1 ? this.#slots.length : ready);
    for (const slot of done) this.#bytes -= slot.bytes;
    wake(this.#wakeProducer);
    return done.map((slot) => slot.result!.value);
  }

  #hasRoom(bytes: number): boolean {
    if (this.#ended || this.#slots.length === 0) return true;
    return this.#slots.length < this.#bounds.items && this.#bytes + bytes <= this.#bounds.bytes;
  }
}

function wake(resolve: (() => void) | null): void {
  resolve?.();
}

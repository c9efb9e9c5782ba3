/**
 * @module
 * Owns which feeds are open on this node: how many there may be, and what they hold in memory. SPEC.md FE5.
 */
import type { FeedsAnswer } from '../api/index.ts';
import { HttpError } from './errors.ts';
import type { FeedStream } from './feed-stream.ts';

export class FeedRegistry {
  readonly #streams = new Set<FeedStream>();
  #open = 0;
  /** A feed failed for a reason that is nobody's but ours. */
  onUnexpected: (error: unknown) => void = () => {};

  /**
   * A place for one more feed; returns what gives it back.
   *
   * @throws HttpError `HTTP_FEEDS_EXHAUSTED`
   */
  enter(feedsMax: number): () => void {
    if (this.#open >= feedsMax) {
      const message = `this node serves ${feedsMax} change feeds at a time; try again later, or on another node`;
      throw new HttpError('HTTP_FEEDS_EXHAUSTED', message, {
        retryable: true,
        details: { limit: 'feeds', max: feedsMax },
      });
    }
    this.#open++;
    return () => void this.#open--;
  }

  /** Runs a stream to its end. */
  async run(stream: FeedStream): Promise<void> {
    this.#streams.add(stream);
    try {
      await stream.run(this.onUnexpected);
    } finally {
      this.#streams.delete(stream);
    }
  }

  status(): FeedsAnswer {
    let bufferedBytes = 0;
    for (const stream of this.#streams) bufferedBytes += stream.bufferedBytes;
    return { open: this.#open, bufferedBytes };
  }
}

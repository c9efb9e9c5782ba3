/**
 * @module
 * Owns how many requests a token may send: a bucket that fills at the permitted rate and holds one second's worth. SPEC.md AC6.
 */
import { HttpError } from './errors.ts';

export class RateLimit {
  readonly #perSecond: number;
  #left: number;
  #filledMs: number;

  /** @param nowMs - Of the monotonic clock. */
  constructor(perSecond: number, nowMs: number) {
    this.#perSecond = perSecond;
    this.#left = perSecond;
    this.#filledMs = nowMs;
  }

  /** Counts a request. @throws HttpError `HTTP_RATE_LIMITED` */
  take(nowMs: number): void {
    // A request may have come before the bucket was made.
    const earned = (Math.max(0, nowMs - this.#filledMs) / 1000) * this.#perSecond;
    this.#left = Math.min(this.#perSecond, this.#left + earned);
    this.#filledMs = Math.max(this.#filledMs, nowMs);
    if (this.#left < 1) {
      const seconds = Math.max(1, Math.ceil((1 - this.#left) / this.#perSecond));
      throw new HttpError('HTTP_RATE_LIMITED', `this token may send ${this.#perSecond} requests per second`, {
        retryable: true,
        details: { parameter: 'Authorization', limit: 'requestsPerSecond', max: this.#perSecond, retryAfter: seconds },
      });
    }
    this.#left--;
  }
}

/**
 * @module
 * Owns when a link may send its next message: not into a full channel, and not at once after a full message. To gather and deflate one
 * takes milliseconds, and a window has room for many: requests are taken in between.
 */
import type { LinkContext } from './context.ts';

export class SendPace {
  readonly #context: LinkContext;
  readonly #onReady: () => void;
  #isResting = false;
  #cancelPoll: (() => void) | null = null;

  /** @param onReady - What could not be sent may be tried again. */
  constructor(context: LinkContext, onReady: () => void) {
    this.#context = context;
    this.#onReady = onReady;
  }

  /** If not, we call back. */
  mayGoOn(): boolean {
    return !this.#isResting && this.#hasRoom();
  }

  /** There is no drain event on every transport, so a full channel is polled. */
  #hasRoom(): boolean {
    const { options, timers } = this.#context;
    if (this.#context.channelBytes() < options.channelBufferBytesMax) return true;
    this.#cancelPoll ??= timers.after(options.channelPollMs, () => {
      this.#cancelPoll = null;
      this.#onReady();
    });
    return false;
  }

  /** A message with batches of so many bytes was sent. */
  noteSent(weight: number): void {
    const { options, timers } = this.#context;
    if (weight < options.messageBytesTarget / 2) return;
    this.#isResting = true;
    const goOn = (): void => {
      this.#isResting = false;
      this.#onReady();
    };
    if (timers.soon) timers.soon(goOn);
    else timers.after(0, goOn);
  }

  close(): void {
    this.#cancelPoll?.();
  }
}

/**
 * @module
 * Owns waiting for the wish to stop: an interrupt, a termination signal, the end of the parent, or a command.
 */

export class StopRequest {
  /** Resolves at the first wish. */
  readonly requested: Promise<void>;
  readonly #onSecond: () => void;
  #resolve: () => void = () => undefined;
  #isRequested = false;

  /** `onSecond` runs when a *signal* comes while stopping is under way: somebody does not want to wait. */
  constructor(onSecond: () => void) {
    this.#onSecond = onSecond;
    this.requested = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    process.on('SIGINT', this.#onSignal).on('SIGTERM', this.#onSignal);
  }

  readonly request = (): void => {
    this.#isRequested = true;
    this.#resolve();
  };

  dispose(): void {
    process.removeListener('SIGINT', this.#onSignal).removeListener('SIGTERM', this.#onSignal);
  }

  readonly #onSignal = (): void => {
    if (this.#isRequested) this.#onSecond();
    else this.request();
  };
}

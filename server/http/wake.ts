/**
 * @module
 * Owns sleeping until something happens or a time has passed, for one sleeper. What happens while nobody sleeps ends the next
 * sleep at once, so nothing is missed between a look and the sleep.
 */
export class Wake {
  #isDue = false;
  #resolve: (() => void) | null = null;

  readonly notify = (): void => {
    this.#isDue = true;
    this.#resolve?.();
  };

  /** @param ms - At most so long; nothing is kept afterwards. */
  async sleep(ms: number): Promise<void> {
    if (!this.#isDue && ms > 0) {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.#resolve = resolve;
        timer = setTimeout(resolve, ms);
      });
      clearTimeout(timer);
      this.#resolve = null;
    }
    this.#isDue = false;
  }
}

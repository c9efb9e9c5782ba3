/**
 * @module
 * Owns the receiving end every channel has: what arrives before somebody listens is kept, in order, and the close is told once.
 */
import type { Channel } from '../port.ts';

/** A channel without its sending end. */
export abstract class InboundChannel implements Channel {
  #listener: ((message: Uint8Array) => void) | null = null;
  #closeListener: ((code: number, reason: string) => void) | null = null;
  #early: Uint8Array[] = [];
  #close: readonly [code: number, reason: string] | null = null;
  #isTold = false;
  #isMuted = false;

  abstract get bufferedBytes(): number;
  abstract send(message: Uint8Array): void;
  abstract close(code: number, reason: string): void;

  get onMessage(): (message: Uint8Array) => void {
    return this.#listener ?? ((): void => {});
  }

  set onMessage(listener: (message: Uint8Array) => void) {
    const isFirst = this.#listener === null;
    this.#listener = listener;
    // Not from within the assignment: the owner may still be setting itself up.
    if (isFirst) queueMicrotask(() => this.#flush());
  }

  get onClose(): (code: number, reason: string) => void {
    return this.#closeListener ?? ((): void => {});
  }

  set onClose(listener: (code: number, reason: string) => void) {
    this.#closeListener = listener;
    if (this.#close !== null) queueMicrotask(() => this.#tell());
  }

  protected deliver(message: Uint8Array): void {
    if (this.#isMuted) return;
    if (this.#listener === null || this.#early.length > 0) this.#early.push(message);
    else this.#listener(message);
  }

  /** The owner closed: it wants no more messages, only the end. */
  protected mute(): void {
    this.#isMuted = true;
    this.#early = [];
  }

  protected finish(code: number, reason: string): void {
    this.#close ??= [code, reason];
    this.#tell();
  }

  #flush(): void {
    while (this.#early.length > 0 && !this.#isMuted) {
      const message = this.#early[0]!;
      this.#listener!(message);
      this.#early.shift();
    }
    this.#tell();
  }

  #tell(): void {
    // The close comes after what was sent before it.
    if (this.#isTold || this.#close === null || this.#closeListener === null || this.#early.length > 0) return;
    this.#isTold = true;
    this.#isMuted = true;
    this.#closeListener(...this.#close);
  }
}

/**
 * @module
 * Owns the order of a client's messages for one document: they are handled at once while the document is in memory, and wait for it
 * otherwise, during which nothing more is read from the connection.
 */
import type { ClientSocket } from './client-socket.ts';
import { Refusal } from './close-code.ts';
import type { Room } from './room.ts';

export class Inbox {
  readonly #socket: ClientSocket;
  readonly #room: Room;
  readonly #refuse: (refusal: unknown) => void;
  #waiting: (() => void)[] = [];
  #isClosed = false;

  constructor(socket: ClientSocket, room: Room, refuse: (refusal: unknown) => void) {
    this.#socket = socket;
    this.#room = room;
    this.#refuse = refuse;
  }

  /** Runs when the document is in memory, after what came before. */
  run(handle: () => void): void {
    if (this.#isClosed) return;
    if (this.#waiting.length === 0 && this.#room.isOpen) return this.#attempt(handle);
    this.#waiting.push(handle);
    if (this.#waiting.length === 1) this.#load();
  }

  close(): void {
    this.#isClosed = true;
    this.#waiting = [];
  }

  #load(): void {
    this.#socket.pause();
    this.#room.open().then(
      () => {
        this.#socket.resume();
        const waiting = this.#waiting;
        this.#waiting = [];
        for (const handle of waiting) if (!this.#isClosed) this.#attempt(handle);
      },
      () => {
        this.#socket.resume();
        this.#refuse(new Refusal('unavailable', 'the document cannot be read here'));
      },
    );
  }

  #attempt(handle: () => void): void {
    try {
      handle();
    } catch (error) {
      this.#refuse(error);
    }
  }
}

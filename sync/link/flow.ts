/**
 * @module
 * Owns byte credits. Each direction of a link is a stream; DATA and SNAPSHOT_CHUNK occupy `weight` bytes of it from `offset`.
 * Credit comes back as a cumulative offset, only for what is durable or was dropped (I11).
 */

/** The sending end: how much more the peer is ready to hold. */
export class OutgoingFlow {
  readonly #windowBytes: number;
  #sent = 0;
  #acked = 0;
  #reserved = 0;

  constructor(windowBytes: number) {
    this.#windowBytes = windowBytes;
  }

  /** Where the next message starts. */
  get offset(): number {
    return this.#sent;
  }

  get unackedBytes(): number {
    return this.#sent - this.#acked;
  }

  /** A message larger than the window goes alone. */
  hasRoom(weight: number): boolean {
    const used = this.unackedBytes + this.#reserved;
    return used === 0 || used + weight <= this.#windowBytes;
  }

  reserve(weight: number): void {
    this.#reserved += weight;
  }

  release(weight: number): void {
    this.#reserved -= weight;
  }

  /** @returns The offset of the message. */
  send(weight: number): number {
    const offset = this.#sent;
    this.#sent += weight;
    return offset;
  }

  /** @returns True when credit came back. */
  acknowledge(offset: number): boolean {
    const acked = Math.min(offset, this.#sent);
    if (acked <= this.#acked) return false;
    this.#acked = acked;
    return true;
  }
}

/** A received message whose bytes are not credited yet. */
export interface FlowToken {
  readonly end: number;
  readonly weight: number;
  /** Parts of it still to be settled; 0 = credit may go back. */
  open: number;
}

/** The receiving end: what may be credited. */
export class IncomingFlow {
  #tokens: FlowToken[] = [];
  #head = 0;
  #offset = 0;
  #heldBytes = 0;
  #lastAcked = 0;

  /** Bytes received and not settled. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Bytes settled since the last `take`. */
  get creditBytes(): number {
    return this.#offset - this.#lastAcked;
  }

  /** Bytes from the first that is not settled on. */
  get blockedBytes(): number {
    const last = this.#tokens.at(-1);
    return last === undefined || this.#head >= this.#tokens.length ? 0 : Math.max(0, last.end - this.#offset);
  }

  /** A message at this place of the stream is being worked on: what comes again is a copy that the channel made. */
  isOpen(offset: number, weight: number): boolean {
    const end = offset + weight;
    for (let i = this.#head; i < this.#tokens.length; i++) {
      const token = this.#tokens[i]!;
      if (token.end === end && token.weight === weight && token.open > 0) return true;
    }
    return false;
  }

  /** @param open - Parts that have to be settled; with 0 the message is settled at once. */
  receive(offset: number, weight: number, open: number): FlowToken {
    const token: FlowToken = { end: offset + weight, weight, open };
    this.#tokens.push(token);
    this.#heldBytes += weight;
    if (open === 0) {
      token.open = 1;
      this.settle(token);
    }
    return token;
  }

  /** Settles one part of a message. */
  settle(token: FlowToken): void {
    token.open--;
    if (token.open > 0) return;
    this.#heldBytes -= token.weight;
    while (this.#head < this.#tokens.length && this.#tokens[this.#head]!.open <= 0) {
      this.#offset = Math.max(this.#offset, this.#tokens[this.#head]!.end);
      this.#head++;
    }
    if (this.#head > 64 && this.#head * 2 > this.#tokens.length) {
      this.#tokens = this.#tokens.slice(this.#head);
      this.#head = 0;
    }
  }

  /** The cumulative offset to acknowledge. */
  take(): number {
    this.#lastAcked = this.#offset;
    return this.#offset;
  }
}

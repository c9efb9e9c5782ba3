/**
 * @module
 * Owns a link between two replicas in this process that counts what passes: messages by type, with their bytes and the direction.
 */
import type { Channel, Dialer, Replica } from '../../sync/index.ts';

/** Where the type of a message is in its frame (PROTOCOL.md, "Frame"). */
const TYPE_OFFSET = 5;

export interface PassedFrame {
  readonly from: 'dialer' | 'acceptor';
  readonly type: number;
  readonly bytes: number;
  readonly atMs: number;
}

export class CountingLink {
  readonly frames: PassedFrame[] = [];
  #accept: (channel: Channel) => void = () => {};

  get dialer(): Dialer {
    return {
      dial: () => {
        const ours = new CountedChannel('dialer', this.frames);
        const theirs = new CountedChannel('acceptor', this.frames);
        ours.other = theirs;
        theirs.other = ours;
        this.#accept(theirs);
        return Promise.resolve(ours);
      },
    };
  }

  connect(dialing: Replica, accepting: Replica): void {
    this.#accept = (channel) => accepting.accept(channel);
    dialing.addPeer('ws://counted');
  }
}

class CountedChannel implements Channel {
  onMessage: (message: Uint8Array) => void = () => {};
  onClose: (code: number, reason: string) => void = () => {};
  other: CountedChannel | null = null;
  readonly bufferedBytes = 0;
  readonly #side: PassedFrame['from'];
  readonly #frames: PassedFrame[];
  #isClosed = false;

  constructor(side: PassedFrame['from'], frames: PassedFrame[]) {
    this.#side = side;
    this.#frames = frames;
  }

  send(message: Uint8Array): void {
    if (this.#isClosed) return;
    const type = message[TYPE_OFFSET] ?? 0;
    this.#frames.push({ from: this.#side, type, bytes: message.length, atMs: performance.now() });
    const { other } = this;
    setImmediate(() => {
      if (other !== null && !other.#isClosed) other.onMessage(message.slice());
    });
  }

  close(code: number, reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { other } = this;
    setImmediate(() => {
      if (other !== null && !other.#isClosed) {
        other.#isClosed = true;
        other.onClose(code, reason);
      }
      this.onClose(code, reason);
    });
  }
}

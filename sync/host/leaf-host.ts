/**
 * @module
 * Owns the leaves that are connected to a node. A leaf is no member: nothing waits for it, and when it is away nothing is kept for it.
 */
import type { Replica } from '../replica.ts';
import { portableSha256 } from '../sha256.ts';
import type { Channel, Clock, Sha256, Timers } from '../port.ts';
import type { LeafAuthorise } from './leaf-grant.ts';
import { LeafSession } from './leaf-session.ts';
import type { LeafSessionStatus } from './leaf-session.ts';

export interface LeafHostOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  /** Default: a portable one. */
  readonly sha256?: Sha256;
  /** Bytes of a message, of an update, and of a document. Default 8 MiB. */
  readonly bytesMax?: number;
  /** A mistake of this node, or a failure of its storage. */
  readonly onError?: (error: unknown) => void;
}

const BYTES_MAX_DEFAULT = 8 * 1024 * 1024;

export class LeafHost {
  readonly #replica: Replica;
  readonly #options: LeafHostOptions;
  readonly #sessions = new Set<LeafSession>();
  #isClosed = false;

  constructor(replica: Replica, options: LeafHostOptions) {
    this.#replica = replica;
    this.#options = options;
  }

  /** Talks to a leaf that has connected. `authorise` is asked once, with the token that the leaf brings. */
  accept(channel: Channel, authorise: LeafAuthorise): void {
    const { clock, timers, sha256 = portableSha256, bytesMax = BYTES_MAX_DEFAULT, onError } = this.#options;
    const session: LeafSession = new LeafSession(channel, {
      node: this.#replica.name,
      clock,
      timers,
      sha256,
      authorise,
      bytesMax,
      databaseOf: (name) => this.#replica.database(name),
      onError: (error) => onError?.(error),
      onClose: () => void this.#sessions.delete(session),
    });
    this.#sessions.add(session);
    if (this.#isClosed) session.close('GOING_AWAY', 'the node is shutting down');
  }

  /** Leaves that were let in. */
  status(): readonly LeafSessionStatus[] {
    return [...this.#sessions].flatMap((session) => session.status ?? []);
  }

  /** Parts with every leaf: each goes on with another node. */
  close(): void {
    this.#isClosed = true;
    for (const session of this.#sessions) session.close('GOING_AWAY', 'the node is shutting down');
  }
}

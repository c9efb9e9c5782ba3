/**
 * @module
 * Owns the memory of what went wrong with a node's identity and was noticed: what an operator should know although the node has
 * dealt with it. In memory only; the log of the node has it for longer.
 */
import type { Clock } from './port.ts';

export type IncidentKind =
  /** Another process wrote as the epoch of this one: it was set back or copied while it ran. It has a new epoch. */
  | 'epoch-shared'
  /** Peers hold more of what this node wrote than it does: an old directory, or a lost tail of the log. It comes back. */
  | 'history-lost'
  /** Peers hold something else under a name that this node gave: what only this node holds cannot be sent. */
  | 'history-forked'
  /** Another process runs under the node id of this one, which has a new one. */
  | 'node-id-shared'
  /** Two processes run under the node id of a peer. */
  | 'copy-seen'
  /** This node was removed from the cluster. */
  | 'removed';

export interface Incident {
  readonly kind: IncidentKind;
  /** What it is about: an origin or a node id. */
  readonly subject: string;
  readonly message: string;
  /** Wall clock, ms: first and last time. */
  readonly since: number;
  readonly at: number;
  readonly count: number;
}

const INCIDENTS_MAX = 50;

export class IncidentList {
  readonly #clock: Clock;
  readonly #onFirst: (incident: Incident) => void;
  readonly #incidents = new Map<string, Incident>();

  /** @param onFirst - Called for what has not been noticed before. */
  constructor(clock: Clock, onFirst: (incident: Incident) => void) {
    this.#clock = clock;
    this.#onFirst = onFirst;
  }

  note(kind: IncidentKind, subject: string, message: string): void {
    const key = `${kind} ${subject}`;
    const at = this.#clock.now();
    const known = this.#incidents.get(key);
    const incident = { kind, subject, message, since: known?.since ?? at, at, count: (known?.count ?? 0) + 1 };
    this.#incidents.delete(key);
    this.#incidents.set(key, incident);
    if (this.#incidents.size > INCIDENTS_MAX) this.#incidents.delete(this.#incidents.keys().next().value!);
    if (known === undefined) this.#onFirst(incident);
  }

  /** Oldest first. */
  list(): readonly Incident[] {
    return [...this.#incidents.values()];
  }
}

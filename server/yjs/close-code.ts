/**
 * @module
 * Owns why a client of shared documents is parted with. 44xx is permanent, as y-websocket 3.1 understands it: connecting again cannot
 * help. Everything else is transient. SPEC.md section "Shared documents".
 */

export const CLOSE = {
  /** What the client sent is not the protocol, or builds on what it does not bring. */
  malformed: 4400,
  unauthorized: 4401,
  /** It may not write this. */
  forbidden: 4403,
  /** No such database, or not a name for a document. */
  notFound: 4404,
  /** The document was deleted. */
  deleted: 4410,
  /** The document was compacted since: what the client holds of it is of no use any more. */
  compacted: 4412,
  tooLarge: 4413,
  /** The node stops, or the document must be loaded anew: connect again. */
  goingAway: 4500,
  /** This node cannot serve it now; another one may. */
  unavailable: 4503,
  /** The client did not answer. */
  timeout: 4504,
  /** The client does not take what it is sent. */
  tooSlow: 4508,
} as const;

export type CloseReason = keyof typeof CLOSE;

/** Hocuspocus clients know other codes: version 2 stops at these, later ones connect again after any. */
const HOCUSPOCUS: Partial<Record<CloseReason, number>> = {
  malformed: 4403,
  tooLarge: 1009,
};

export function hocuspocusCode(reason: CloseReason): number {
  return HOCUSPOCUS[reason] ?? CLOSE[reason];
}

/** A client must be parted with. */
export class Refusal extends Error {
  readonly reason: CloseReason;

  constructor(reason: CloseReason, message: string) {
    super(message);
    this.reason = reason;
  }
}

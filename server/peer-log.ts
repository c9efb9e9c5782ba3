/**
 * @module
 * Owns what the log of a node says about its peers: who is linked, who is refused and why, what is wrong with identities. A peer
 * that tries again and again is told of once a minute.
 */
import type { Logger } from 'pino';
import { describeCloseCode, isPermanent, type Clock, type PeersEvent } from '../sync/index.ts';

const REPEAT_MS = 60_000;
/** Peers remembered for that. */
const REMEMBERED_MAX = 1000;
/** What an operator has to mend, besides what is permanent. */
const FAULTS: ReadonlySet<string> = new Set([
  'CHAIN_FORKED',
  'BATCH_REFUSED',
  'FRAME_MALFORMED',
  'STALLED',
  'TOKEN_UNKNOWN',
]);
/** What two nodes settle between themselves. */
const SETTLED: ReadonlySet<string> = new Set(['SELF_CONNECTION', 'DUPLICATE_NODE']);

const EXPLANATIONS: Readonly<Record<string, string>> = {
  AUTH_FAILED: 'the cluster secrets differ: give both nodes the same --cluster-secret-file',
  FENCED: 'the node was removed from the cluster',
  TOKEN_REFUSED: 'the join token is not valid (any more): make another with atoll cluster token',
  TOKEN_UNKNOWN: 'the join token is not known to that member (yet)',
  VERSION_UNSUPPORTED: 'no common version of the protocol: upgrade the older node',
};

export class PeerLog {
  readonly #log: Logger;
  readonly #clock: Clock;
  /** What was said last, when. */
  readonly #said = new Map<string, number>();

  constructor(log: Logger, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  handleEvent(event: PeersEvent): void {
    if (event.type === 'live') {
      this.#log.info({ peer: event.node, name: event.name, url: event.url }, 'linked');
    } else if (event.type === 'closed') {
      this.#handleClosed(event);
    }
  }

  #handleClosed({ node, claimed, url, code, reason }: Extract<PeersEvent, { type: 'closed' }>): void {
    const name = describeCloseCode(code);
    const fields = { peer: node, ...(node === null && { claimed }), url, code: name, reason };
    const isFault = (isPermanent(code) && !SETTLED.has(name)) || FAULTS.has(name);
    if (isFault && this.#isDue(`${name} ${url ?? claimed}`)) {
      this.#log.warn(fields, EXPLANATIONS[name] ?? 'a link was closed');
    } else {
      this.#log.debug(fields, 'link closed');
    }
  }

  #isDue(what: string): boolean {
    const now = this.#clock.now();
    const last = this.#said.get(what);
    if (last !== undefined && Math.abs(now - last) < REPEAT_MS) return false;
    this.#said.delete(what);
    this.#said.set(what, now);
    if (this.#said.size > REMEMBERED_MAX) this.#said.delete(this.#said.keys().next().value!);
    return true;
  }
}

/**
 * @module
 * Owns what a running process does when it learns that somebody else bears its name: a new epoch at once, or a new node id. Both
 * take effect between two writes; what was written before keeps its name, and nothing is numbered twice (I2).
 */
import type { OriginId } from './engine.ts';
import { drawOrigin, replaceNodeId } from './identity.ts';
import type { Epoch } from './identity.ts';
import type { IncidentList } from './incident.ts';
import type { PeersEvent } from './link/peers.ts';
import type { Random, Store } from './port.ts';

export interface IdentityGuardParts {
  readonly store: Store;
  readonly random: Random;
  readonly epoch: Epoch;
  readonly owners: Map<OriginId, string>;
  readonly incidents: IncidentList;
  /** The node has a new id: its links and its entry in the member list are of another node. */
  readonly onNodeId: () => void;
  readonly onFailure: (error: unknown) => void;
}

export class IdentityGuard {
  readonly #parts: IdentityGuardParts;
  #isChangingId = false;
  readonly #forked = new Set<OriginId>();

  constructor(parts: IdentityGuardParts) {
    this.#parts = parts;
  }

  handle(event: PeersEvent): void {
    if (event.type === 'origin-conflict') this.beginEpoch(event.origin, event.reason);
    else if (event.type === 'history') this.#noteHistory(event);
    else if (event.type === 'node-id-shared') this.#takeNodeId(event.reason);
    else if (event.type === 'copy-seen') {
      const message = `two processes run under the id of node ${event.node}: one was told to take another`;
      this.#parts.incidents.note('copy-seen', event.node, message);
    }
  }

  /** Do peers hold something else under the numbers of this epoch? */
  isForked(origin: OriginId): boolean {
    return this.#forked.has(origin);
  }

  /** Stops writing as `origin`, if that is what this process does. */
  beginEpoch(origin: OriginId, reason: string): void {
    const { epoch, owners, random, incidents } = this.#parts;
    if (origin !== epoch.origin) return;
    this.#begin(epoch.nodeId, drawOrigin(random, owners));
    incidents.note('epoch-shared', String(origin), `epoch ${origin} ended, ${epoch.origin} began: ${reason}`);
  }

  /** What comes from others as an epoch of this node, and it does not know it, it has forgotten or a copy of it has written. */
  handleOwner(origin: OriginId, nodeId: string): void {
    const { epoch, incidents } = this.#parts;
    if (nodeId !== epoch.nodeId || epoch.nodeOf(origin) !== undefined) return;
    const message = `peers hold epoch ${origin} of this node, which did not know it: its directory was set back, or a copy of it runs`;
    incidents.note('history-lost', String(origin), message);
  }

  #begin(nodeId: string, origin: OriginId): void {
    this.#parts.epoch.begin(nodeId, origin);
    this.#parts.owners.set(origin, nodeId);
  }

  #noteHistory({ node, database, origin, seq, held, isForked }: Extract<PeersEvent, { type: 'history' }>): void {
    const where = `of epoch ${origin} in ${database}`;
    if (isForked) {
      this.#forked.add(origin);
      const message = `node ${node} holds other records up to ${seq} ${where} than this node, which wrote them twice`;
      this.#parts.incidents.note('history-forked', String(origin), message);
    } else {
      const message = `this node had lost records ${held + 1} to ${seq} ${where}; node ${node} has them and sends them back`;
      this.#parts.incidents.note('history-lost', String(origin), message);
    }
  }

  #takeNodeId(reason: string): void {
    if (this.#isChangingId) return;
    this.#isChangingId = true;
    const { store, random, epoch, owners, incidents, onNodeId, onFailure } = this.#parts;
    const before = epoch.nodeId;
    replaceNodeId(store, random)
      .then((nodeId) => {
        this.#isChangingId = false;
        this.#begin(nodeId, drawOrigin(random, owners));
        incidents.note('node-id-shared', before, `this process was node ${before} and is now ${nodeId}: ${reason}`);
        onNodeId();
      })
      .catch(onFailure);
  }
}

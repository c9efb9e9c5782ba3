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
  /** What others are known to have acknowledged of an origin of ours, up to what we hold, by what was known before now. */
  readonly acknowledgedOf: (database: string, origin: OriginId, held: number) => number;
  /** What this node wrote in a database is not what others hold under the same numbers. */
  readonly onFork: (database: string) => void;
  /** The node has a new id: its links and its entry in the member list are of another node. */
  readonly onNodeId: () => void;
  readonly onFailure: (error: unknown) => void;
}

/** Databases are begun anew this often per process. */
const RECOVERIES_MAX = 3;

export class IdentityGuard {
  readonly #parts: IdentityGuardParts;
  #isChangingId = false;
  /** Database and origin → what others had acknowledged of it before they turned out to hold something else. */
  readonly #floors = new Map<string, number>();
  readonly #forked = new Set<string>();
  readonly #recoveries = new Map<string, number>();

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

  /** Of an origin that forked: what of it is surely the same everywhere. */
  floorOf(database: string, origin: OriginId): number | undefined {
    const name = `${database} ${origin}`;
    return this.#forked.has(name) ? this.#floors.get(name) : undefined;
  }

  /** What follows is written as another origin: something that this process wrote is about to be forgotten, names included. */
  renewEpoch(): void {
    const { epoch, random, owners } = this.#parts;
    this.#begin(epoch.nodeId, drawOrigin(random, owners));
  }

  /** Stops writing as `origin`, if that is what this process does. */
  beginEpoch(origin: OriginId, reason: string): void {
    const { epoch, owners, random, incidents } = this.#parts;
    if (origin !== epoch.origin) return;
    this.#begin(epoch.nodeId, drawOrigin(random, owners));
    incidents.note('epoch-shared', String(origin), `epoch ${origin} ended, ${epoch.origin} began: ${reason}`);
  }

  /** A batch of ours, by its number, does not follow what is held here. */
  handleFork(database: string, origin: OriginId, seq: number): void {
    const { owners, epoch } = this.#parts;
    if (owners.get(origin) !== epoch.nodeId) return;
    this.#noteHistory({ type: 'history', node: '', database, origin, seq, held: seq, isForked: true });
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
    const name = `${database} ${origin}`;
    if (!this.#floors.has(name)) this.#floors.set(name, this.#parts.acknowledgedOf(database, origin, held));
    if (isForked) {
      this.#forked.add(name);
      const message = `this node was set back and wrote on: peers hold other records ${where} under the same numbers; its own are set aside, see: atoll cluster unsent`;
      this.#parts.incidents.note('history-forked', String(origin), message);
      this.#recover(database);
    } else {
      const message = `this node had lost records ${held + 1} to ${seq} ${where}; node ${node} has them and sends them back`;
      this.#parts.incidents.note('history-lost', String(origin), message);
    }
  }

  /** A few times at most: should peers disagree among themselves, beginning anew does not help. */
  #recover(database: string): void {
    const count = (this.#recoveries.get(database) ?? 0) + 1;
    this.#recoveries.set(database, count);
    if (count <= RECOVERIES_MAX) this.#parts.onFork(database);
  }

  /** A database begins anew: its history is that of the peers, and the next write one of a new epoch. */
  handleSetAside(database: string): void {
    for (const names of [this.#floors, this.#forked]) {
      for (const name of names.keys()) if (name.startsWith(`${database} `)) names.delete(name);
    }
    const { epoch, random, owners } = this.#parts;
    this.#begin(epoch.nodeId, drawOrigin(random, owners));
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

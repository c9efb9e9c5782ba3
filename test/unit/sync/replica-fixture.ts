/**
 * @module
 * Owns whole replicas in memory on one network with virtual time, for tests of what nodes say and do to each other.
 */
import { MemoryStore, Replica } from '../../../sync/index.ts';
import type { ReplicaOptions } from '../../../sync/index.ts';
import type { Incident } from '../../../sync/incident.ts';
import type { PeersEvent } from '../../../sync/link/peers.ts';
import { seededRandom } from '../../helper/manual-ports.ts';
import { FakeNetwork, VirtualTime, urlOf } from './link-fixture.ts';

export interface Member {
  readonly replica: Replica;
  readonly store: MemoryStore;
  readonly events: PeersEvent[];
  readonly incidents: Incident[];
}

export class ReplicaCluster {
  readonly time: VirtualTime = new VirtualTime();
  readonly network: FakeNetwork = new FakeNetwork(this.time);
  readonly #open: Replica[] = [];
  #seed = 1;

  /** A node at the address of its name. `joins` are names of others. */
  async start(name: string, joins: readonly string[] = [], options: Partial<ReplicaOptions> = {}): Promise<Member> {
    const store = (options.store as MemoryStore | undefined) ?? new MemoryStore();
    const events: PeersEvent[] = [];
    const incidents: Incident[] = [];
    const replica = await Replica.open({
      store,
      clock: this.time,
      timers: this.time,
      random: seededRandom(7919 * this.#seed++),
      dialer: this.network.dialerOf(name),
      name,
      advertise: urlOf(name),
      isJoining: joins.length > 0,
      onPeerEvent: (event) => events.push(event),
      onIncident: (incident) => incidents.push(incident),
      ...options,
    });
    this.#open.push(replica);
    this.network.listen(name, (channel) => replica.accept(channel));
    for (const other of joins) replica.addPeer(urlOf(other));
    return { replica, store, events, incidents };
  }

  /** Resolves when the condition holds; virtual time passes meanwhile. */
  until(condition: () => boolean, msMax?: number): Promise<number> {
    return this.time.until(condition, msMax);
  }

  async close(): Promise<void> {
    await Promise.all(this.#open.map((replica) => replica.close()));
  }
}

export function stateOf(seenBy: Member, node: Member | string): string | undefined {
  const id = typeof node === 'string' ? node : node.replica.nodeId;
  return seenBy.replica.status().members.find((member) => member.node === id)?.state;
}

export function isLinked(a: Member, b: Member): boolean {
  return a.replica.status().links.some(({ node, state }) => node === b.replica.nodeId && state === 'live');
}

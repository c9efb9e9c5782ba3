/**
 * @module
 * Owns a run with leaves: a simulated cluster, the leaves beside it, what is done to both, and what is written.
 */
import type { Change } from '../../../crdt/index.ts';
import type { LeafEvent } from '../../../sync/index.ts';
import { Cluster } from '../cluster.ts';
import { injectFault } from '../fault.ts';
import { SeededRandom } from '../seeded-random.ts';
import { SimDisk } from '../sim-disk.ts';
import { describeError } from '../sim-node.ts';
import { GROUPS } from './leaf-plan.ts';
import type { CollectionName, LeafAction, LeafPlan } from './leaf-plan.ts';
import { SimLeaf } from './sim-leaf.ts';
import { History } from './written.ts';
import type { Written } from './written.ts';

/** The documents that everybody writes to. */
const SHARED = 6;
const DELETES = 0.35;

interface Step {
  readonly id: string;
  readonly kind: Written['kind'];
  readonly change: Change;
}

export class LeafWorld {
  readonly plan: LeafPlan;
  readonly cluster: Cluster;
  readonly leaves: readonly SimLeaf[];
  readonly history: History = new History();
  readonly #random: SeededRandom;

  constructor(plan: LeafPlan, isVerbose: boolean) {
    this.plan = plan;
    this.cluster = new Cluster(plan.nodes, isVerbose);
    this.#random = new SeededRandom(plan.nodes.seed).fork('leaf run');
    const { time, trace, network } = this.cluster;
    this.leaves = plan.leaves.map((leafPlan, i) => {
      const disk = new SimDisk(this.#random.fork(`disk ${i}`), plan.nodes.disk, () => {});
      return new SimLeaf(plan.nodes.nodes.length + i, {
        time,
        trace,
        network,
        disk,
        random: this.#random.fork(`leaf ${i}`),
        plan: leafPlan,
        complain: (problem) => this.cluster.complain(problem),
        onEvent: (leaf, event) => this.#note(leaf, event),
      });
    });
  }

  #note({ machine }: SimLeaf, event: LeafEvent): void {
    const { time, trace } = this.cluster;
    trace.count(`leaf events ${event.type}`);
    if (event.type === 'status') {
      if (event.status.state === 'online') this.history.show(machine, time.now);
      if (event.status.unsent === 0) this.history.acknowledge(machine);
      return;
    }
    if (event.type !== 'refused') return;
    const { collection, id, code } = event;
    trace.event(time.now, `leaf ${machine} is refused ${collection}/${id}: ${code}`);
    const mayGo = collection === 'lives' || collection === 'mixed';
    if (!mayGo || code !== 'SYNC_LEAF_GONE')
      this.cluster.complain(`leaf ${machine} is refused ${collection}/${id}: ${code} ${event.message}`);
    this.history.lose(machine, (written) => written.collection === collection && written.id === id);
  }

  perform(action: LeafAction): void {
    const { cluster } = this;
    cluster.trace.count(`leaf action ${action.type}`);
    if (action.type === 'fault') return injectFault(cluster, action.fault);
    if (action.type === 'write') {
      this.#write(action).catch((error: unknown) => {
        // The program that wrote is just ending.
        if (codeOf(error) !== 'SYNC_CLOSED') cluster.complain(`a write broke: ${describeError(error)}`);
      });
      return;
    }
    const leaf = this.leaves[action.leaf]!;
    const later = (): unknown => cluster.time.after(action.forMs, () => leaf.start());
    switch (action.type) {
      case 'cut':
        return this.#cut(leaf, action.nodes, action.forMs);
      case 'crash':
        leaf.crash(action.unsyncedKept);
        return void later();
      case 'reload':
        leaf
          .close()
          .then(later)
          .catch((error: unknown) => cluster.complain(`a leaf does not close: ${describeError(error)}`));
        return;
      case 'vanish':
        this.history.lose(leaf.machine, () => true);
        leaf.vanish();
        return void later();
    }
  }

  #cut({ machine }: SimLeaf, nodes: readonly number[], forMs: number): void {
    const { network, time } = this.cluster;
    for (const node of nodes) {
      for (const direction of [
        [machine, node],
        [node, machine],
      ] as const) {
        network.cut(...direction);
        time.after(forMs, () => network.mend(...direction));
      }
    }
  }

  async #write({ machine, collection, key }: Extract<LeafAction, { type: 'write' }>): Promise<void> {
    const random = this.#random.fork(`write ${key}`);
    const node = this.cluster.nodes[machine];
    if (node !== undefined) return this.#writeOnNode(machine, collection, key, random);
    const leaf = this.leaves[machine - this.cluster.nodes.length]!;
    if (leaf.leaf === null || !leaf.subscriptions.some((each) => each.collection === collection))
      return this.cluster.trace.count('leaf writes not made');
    const held = leaf.leaf.collection('app', collection);
    const step = chooseStep(
      collection,
      key,
      random,
      held.list().map(({ id }) => id),
    );
    const { id, kind, change } = step;
    const { time, trace } = this.cluster;
    const visibleFrom = leaf.isOnline ? time.now : Infinity;
    const written = this.history.begin({
      machine,
      collection,
      id,
      kind,
      member: `m${key}`,
      calledAt: time.now,
      visibleFrom,
    });
    if (change.kind === 'delete') this.#answer(written, await held.delete(id));
    else if (change.kind === 'operations')
      this.#answer(written, await held.apply(id, change.operations).then(() => true));
    else if (change.kind === 'merge-patch')
      this.#answer(written, await held.mergePatch(id, change.patch).then(() => true));
    trace.count('leaf writes answered');
  }

  async #writeOnNode(machine: number, collection: CollectionName, key: number, random: SeededRandom): Promise<void> {
    const { time, trace, nodes } = this.cluster;
    const { replica } = nodes[machine]!;
    if (replica?.databases().includes('app') !== true) return trace.count('node writes not made');
    const database = replica.database('app');
    const calledAt = time.now;
    const { items } = await database.list(collection, { limit: 100 });
    const { id, kind, change } = chooseStep(
      collection,
      key,
      random,
      items.map((item) => item.id),
    );
    const written = this.history.begin({
      machine,
      collection,
      id,
      kind,
      member: `m${key}`,
      calledAt,
      visibleFrom: calledAt,
    });
    try {
      const { status } = await database.write(collection, id, change);
      this.#answer(written, kind !== 'delete' || status === 'deleted');
      written.isAcknowledged = true;
      trace.count('node writes answered');
    } catch (error) {
      // The disk or the process is going: whether it was done nobody knows.
      trace.event(time.now, `write on node ${machine} failed: ${describeError(error).slice(0, 80)}`);
      if (codeOf(error) === 'SYNC_DOCUMENT_NOT_FOUND') written.status = 'failed';
    }
  }

  #answer(written: Written, hadEffect: boolean): void {
    written.answeredAt = this.cluster.time.now;
    if (written.status === 'pending') written.status = hadEffect ? 'answered' : 'without effect';
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

function chooseStep(collection: CollectionName, key: number, random: SeededRandom, shown: readonly string[]): Step {
  const id = `d${random.int(0, SHARED - 1)}`;
  const patch = { [`m${key}`]: key, ...(random.chance(0.5) && { group: random.pick(GROUPS) }) };
  const set = (into: string): Step => ({ id: into, kind: 'set', change: { kind: 'merge-patch', patch } });
  if (collection === 'counters') {
    const operations = [{ op: 'increment', path: '/n', value: 1 }] as const;
    return { id, kind: 'add', change: { kind: 'operations', operations } };
  }
  if (collection === 'items') return set(id);
  const isDelete = shown.length > 0 && random.chance(DELETES);
  if (isDelete) return { id: random.pick(shown), kind: 'delete', change: { kind: 'delete' } };
  return set(collection === 'lives' ? `l${key}` : id);
}

/**
 * @module
 * Owns one leaf of a simulation: a machine with a store and a clock, and the program on it that starts, dies, and starts again. The leaf is
 * the production code; only its ports are simulated.
 */
import { Leaf, leafQueries } from '../../../sync/index.ts';
import type { LeafEvent, LeafSubscription } from '../../../sync/index.ts';
import { MemoryStore } from '../../../sync/store/memory-store.ts';
import type { SeededRandom } from '../seeded-random.ts';
import type { SimDisk } from '../sim-disk.ts';
import { runInProcess } from '../sim-host.ts';
import type { Host } from '../sim-host.ts';
import { SimNetwork } from '../sim-network.ts';
import { describeError, nativeSha256, WALL_CLOCK_START_MS } from '../sim-node.ts';
import type { Trace } from '../trace.ts';
import type { VirtualTime } from '../virtual-time.ts';
import type { LeafMachinePlan } from './leaf-plan.ts';

export interface SimLeafParts {
  readonly time: VirtualTime;
  readonly trace: Trace;
  readonly network: SimNetwork;
  readonly disk: SimDisk;
  readonly random: SeededRandom;
  readonly plan: LeafMachinePlan;
  readonly complain: (problem: string) => void;
  readonly onEvent: (leaf: SimLeaf, event: LeafEvent) => void;
}

interface LeafProcess {
  readonly host: Host;
  leaf: Leaf | null;
}

export class SimLeaf {
  /** Among the machines of the network. */
  readonly machine: number;
  readonly #parts: SimLeafParts;
  #process: LeafProcess | null = null;
  #starts = 0;
  /** It may be started. */
  isWanted = false;
  #subscription = 0;

  constructor(machine: number, parts: SimLeafParts) {
    this.machine = machine;
    this.#parts = parts;
  }

  /** Null while it is down, or starts. */
  get leaf(): Leaf | null {
    return this.#process?.leaf ?? null;
  }

  get subscriptions(): readonly LeafSubscription[] {
    const { subscriptions } = this.#parts.plan;
    return subscriptions[this.#subscription % subscriptions.length]!;
  }

  get isOnline(): boolean {
    return this.leaf?.status().state === 'online';
  }

  start(): void {
    this.isWanted = true;
    if (this.#process !== null) return;
    const { network, trace, time } = this.#parts;
    const process: LeafProcess = { host: network.attach(this.machine), leaf: null };
    this.#process = process;
    trace.event(time.now, `start leaf ${this.machine}`);
    trace.count('leaf starts');
    this.#open(process).catch((error: unknown) => {
      if (process.host.isAlive) this.#parts.complain(`leaf ${this.machine} does not start: ${describeError(error)}`);
    });
  }

  async #open(process: LeafProcess): Promise<void> {
    const { time, network, disk, random, plan, complain, onEvent } = this.#parts;
    const { host } = process;
    const after = (delayMs: number, run: () => void): (() => void) => runInProcess(time, host, delayMs, run);
    const leaf = await Leaf.open({
      urls: plan.nodes.map((node) => SimNetwork.leafUrl(node)),
      token: '',
      subscribe: this.subscriptions,
      store: disk.open(after),
      dialer: network.dialer(host),
      clock: { now: () => Math.floor(WALL_CLOCK_START_MS + plan.clockOffsetMs + time.now) },
      timers: { after },
      random: random.fork(`process ${++this.#starts}`),
      sha256: nativeSha256,
      queries: leafQueries,
      onFailure: (error) => {
        if (host.isAlive) complain(`leaf ${this.machine} failed: ${describeError(error)}`);
      },
    });
    if (!host.isAlive) return;
    process.leaf = leaf;
    leaf.onEvent((event) => {
      if (host.isAlive) onEvent(this, event);
    });
  }

  /** The power fails: what was not synced is lost, but for the oldest `unsyncedKept` batches. */
  crash(unsyncedKept: number): void {
    const process = this.#process;
    if (process === null) return;
    this.#parts.trace.event(this.#parts.time.now, `crash leaf ${this.machine}`);
    this.#parts.network.kill(process.host, true);
    this.#process = null;
    this.#parts.disk.crash(unsyncedKept);
  }

  /** The program ends as programs should, and subscribes to something else the next time. */
  async close(): Promise<void> {
    const process = this.#process;
    if (process === null || process.leaf === null) return;
    await process.leaf.close();
    if (this.#process === process) this.crash(0);
    this.#subscription++;
  }

  /** The store is gone with everything in it. */
  vanish(): void {
    this.crash(0);
    this.#parts.disk.replace(new MemoryStore());
  }
}

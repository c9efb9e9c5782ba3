/**
 * @module
 * Owns one node of a simulated cluster: a machine with a disk and a clock, and the process on it that starts, dies and starts
 * again. The process is the production replica; only its ports are simulated.
 */
import { createHash } from 'node:crypto';
import { LeafHost, Replica, StorageError } from '../../sync/index.ts';
import type { LeafGrant } from '../../sync/index.ts';
import type { MemoryStore } from '../../sync/store/memory-store.ts';
import type { Compressor, Random, Sha256 } from '../../sync/port.ts';
import { BOOT_NONCE_BYTES } from '../../sync/protocol/limit.ts';
import type { LinkOptions } from '../../sync/link/options.ts';
import type { LogRetention } from '../../sync/log-cutter.ts';
import type { CollectionOptions } from '../../sync/collector.ts';
import type { CompactionOptions } from '../../sync/compactor.ts';
import type { SnapshotOptions } from '../../sync/snapshot-options.ts';
import { drawTurns } from './event-loop.ts';
import type { NodePlan } from './plan.ts';
import type { SeededRandom } from './seeded-random.ts';
import type { SimDisk } from './sim-disk.ts';
import { SimNetwork } from './sim-network.ts';
import { runInProcess } from './sim-host.ts';
import type { Host } from './sim-host.ts';
import type { Trace } from './trace.ts';
import type { VirtualTime } from './virtual-time.ts';

/** 2026-01-01: the wall clock at the start of every run. */
export const WALL_CLOCK_START_MS = 1_767_225_600_000;
const CLUSTER_SECRET = new TextEncoder().encode('simulated cluster');

const LEAF_GRANT: LeafGrant = { tokenId: 'simulated', mayWrite: true, mayUse: () => true, isCurrent: () => true };

/** The portable one takes most of the time of a run. */
export const nativeSha256: Sha256 = (...parts) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
};

export interface SimProcess {
  readonly host: Host;
  readonly startedAt: number;
  /** Null while it starts. */
  replica: Replica | null;
  leaves: LeafHost | null;
  /** Storage failed: a supervisor would start it again. */
  hasFailed: boolean;
}

export interface SimNodeParts {
  readonly time: VirtualTime;
  readonly trace: Trace;
  readonly network: SimNetwork;
  readonly disk: SimDisk;
  readonly random: SeededRandom;
  readonly compressor: Compressor;
  readonly plan: NodePlan;
  readonly link: Partial<LinkOptions>;
  readonly scrubPerSecond: number;
  readonly log: Partial<LogRetention>;
  readonly snapshot: Partial<SnapshotOptions>;
  readonly collection: Partial<CollectionOptions>;
  readonly compaction: () => Partial<CompactionOptions>;
  readonly staleAfterMs: number | undefined;
  /** Whom it is told to join. */
  readonly joins: readonly number[];
  readonly complain: (problem: string) => void;
  /** With a replica that reports a failed disk. */
  readonly onFailure: (node: SimNode) => void;
}

export class SimNode {
  readonly index: number;
  readonly disk: SimDisk;
  readonly #parts: SimNodeParts;
  #process: SimProcess | null = null;
  #clockJumpMs = 0;
  #starts = 0;
  /** What names the last process. */
  #source: SeededRandom;
  #isRepeating = false;

  constructor(index: number, parts: SimNodeParts) {
    this.index = index;
    this.disk = parts.disk;
    this.#parts = parts;
    this.#source = parts.random;
  }

  get process(): SimProcess | null {
    return this.#process;
  }

  /** The replica, if it is up and works. */
  get replica(): Replica | null {
    return this.#process?.hasFailed === false ? this.#process.replica : null;
  }

  jumpClock(byMs: number): void {
    this.#clockJumpMs += byMs;
  }

  #wallClock(): number {
    const { time, plan } = this.#parts;
    const driftMs = (time.now / 1000) * plan.clockDriftMs;
    return Math.floor(WALL_CLOCK_START_MS + plan.clockOffsetMs + time.now + driftMs + this.#clockJumpMs);
  }

  /** Starts a process, unless one runs. */
  start(): void {
    if (this.#process !== null) return;
    const { time, network, trace } = this.#parts;
    const host = network.attach(this.index);
    const process: SimProcess = { host, startedAt: time.now, replica: null, leaves: null, hasFailed: false };
    this.#process = process;
    trace.event(time.now, `start ${this.index}`);
    trace.count('starts');
    this.#open(process).catch((error: unknown) => {
      if (!host.isAlive || process.hasFailed) return;
      process.hasFailed = true;
      if (error instanceof StorageError && error.code === 'STORAGE_IO') this.#parts.onFailure(this);
      else this.#parts.complain(`node ${this.index} does not start: ${describeError(error)}`);
    });
  }

  async #open(process: SimProcess): Promise<void> {
    const { time, network, trace, compressor, link, log, snapshot, collection, compaction, staleAfterMs, joins } =
      this.#parts;
    const { host } = process;
    const after = (delayMs: number, run: () => void): (() => void) => runInProcess(time, host, delayMs, run);
    const turns = this.#parts.random.fork(`turns ${this.index}.${this.#starts}`);
    const soon = drawTurns(turns, () => time.now, after);
    const timers = { after, ...(soon !== undefined && { soon }) };
    const replica = await Replica.open({
      store: this.disk.open(after),
      clock: { now: () => this.#wallClock() },
      timers,
      random: this.#drawRandom(),
      dialer: network.dialer(host),
      compressor,
      name: `n${this.index}`,
      advertise: SimNetwork.url(this.index),
      clusterSecret: CLUSTER_SECRET,
      cacheBytesMax: 64 * 1024,
      scrubPerSecond: this.#parts.scrubPerSecond,
      link,
      log,
      snapshot,
      collection,
      compaction: compaction(),
      ...(staleAfterMs !== undefined && { staleAfterMs }),
      onFailure: (error) => {
        trace.event(time.now, `storage failed on ${this.index}: ${error.code}`);
        if (error.code.startsWith('STORAGE_')) this.#parts.onFailure(this);
        else this.#parts.complain(`node ${this.index} failed: ${describeError(error)}`);
        process.hasFailed = true;
      },
    });
    if (!host.isAlive) return;
    process.replica = replica;
    process.leaves = new LeafHost(replica, {
      clock: { now: () => this.#wallClock() },
      timers,
      sha256: nativeSha256,
      onError: (error) => {
        // A failed disk is told elsewhere.
        if (!(error instanceof StorageError))
          this.#parts.complain(`[LF14] node ${this.index} and a leaf: ${describeError(error)}`);
      },
    });
    host.accept = (channel) => replica.accept(channel);
    host.acceptLeaf = (channel) => process.leaves!.accept(channel, () => LEAF_GRANT);
    for (const other of joins) replica.addPeer(SimNetwork.url(other));
    trace.event(time.now, `ready ${this.index} origin ${replica.origin}`);
  }

  /** The next start draws what the last one of `other` drew, as a machine that is copied or set back while it runs. */
  repeatStartOf(other: SimNode): void {
    this.#source = other.#source;
    this.#isRepeating = true;
  }

  #drawRandom(): Random {
    const own = this.#parts.random.fork(`process ${this.index}.${++this.#starts}`);
    if (!this.#isRepeating) this.#source = own;
    this.#isRepeating = false;
    return new ProcessRandom(this.#source, own);
  }

  /**
   * Kills the process. With `isPowerLoss` its peers hear nothing.
   *
   * @returns A copy of what is left on disk; null if there was no process.
   */
  crash(isPowerLoss: boolean, unsyncedKept: number): MemoryStore | null {
    const process = this.#process;
    if (process === null) return null;
    const { network, trace, time } = this.#parts;
    trace.event(
      time.now,
      `crash ${this.index} ${isPowerLoss ? 'power' : 'process'} unsynced ${this.disk.unsyncedBatches}`,
    );
    trace.count('unsynced batches at a crash', this.disk.unsyncedBatches);
    network.kill(process.host, !isPowerLoss);
    this.#process = null;
    return this.disk.crash(unsyncedKept);
  }

  /** Stops the process as SIGTERM does. Resolves when the replica has closed, or false if it was not up. */
  async stop(): Promise<boolean> {
    const process = this.#process;
    if (process === null || process.replica === null || process.hasFailed) return false;
    process.leaves?.close();
    await process.replica.close();
    return this.#process === process;
  }
}

/** Draws of a process: its origin and boot nonce, which a copy of it in memory shares, and then all else. */
class ProcessRandom implements Random {
  readonly #names: SeededRandom;
  readonly #rest: SeededRandom;
  #left = 2;

  constructor(source: SeededRandom, rest: SeededRandom) {
    this.#names = source.fork('names');
    this.#rest = rest;
  }

  bytes(length: number): Uint8Array {
    const isName = length === BOOT_NONCE_BYTES && this.#left > 0;
    if (isName) this.#left--;
    return (isName ? this.#names : this.#rest).bytes(length);
  }
}

export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error ? `${String(error.code)} ` : '';
  const cause = error.cause === undefined ? '' : `, caused by ${describeError(error.cause)}`;
  return `${code}${error.stack ?? error.message}${cause}`;
}

/**
 * @module
 * Owns a simulated cluster: the nodes, the network between them, what is watched all the time, and the list of broken
 * promises.
 */
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { ReplicaStatus } from '../../sync/index.ts';
import { StorageError, SyncError } from '../../sync/errors.ts';
import { describeCloseCode } from '../../sync/protocol/close-code.ts';
import type { MemoryStore } from '../../sync/store/memory-store.ts';
import type { Compressor } from '../../sync/port.ts';
import type { DiskAudit } from './disk-audit.ts';
import { auditDisk } from './disk-audit.ts';
import { History, isAcknowledged, isScratch, lowestSeq } from './history.ts';
import type { Attempt } from './history.ts';
import { isIdentityFault } from './identity-fault.ts';
import { isConnected } from './plan.ts';
import type { Plan } from './plan.ts';
import { SeededRandom } from './seeded-random.ts';
import { SimDisk } from './sim-disk.ts';
import { SimNetwork } from './sim-network.ts';
import { SimNode, describeError } from './sim-node.ts';
import { Trace } from './trace.ts';
import { VirtualTime } from './virtual-time.ts';
import { WireTap } from './wire-tap.ts';

const COMPRESSOR: Compressor = {
  deflate: (bytes) => deflateRawSync(bytes, { level: 1 }),
  inflate: (bytes, bytesMax) => inflateRawSync(bytes, { maxOutputLength: bytesMax }),
};
/** Beyond the window, invariant I10 allows this much per peer. */
const MEMORY_SLACK_BYTES = 64 * 1024;
/** The largest message: a snapshot chunk that is nearly full and takes one more of the largest documents. */
const LARGEST_MESSAGE_BYTES = 420 * 1024;
/** Disk accesses at one instant of virtual time. */
const ACCESSES_MAX = 50_000;
const PROBLEMS_MAX = 20;

/** Closes that timing, duplicates and restarts explain. */
const HARMLESS_CLOSES: ReadonlySet<string> = new Set([
  'GOING_AWAY',
  'HANDSHAKE_TIMEOUT',
  'PEER_SILENT',
  'STALLED',
  'DUPLICATE_LINK',
  'REPLACED',
  'ADMITTED',
]);
/** Closes that nothing but two processes with one name causes. */
const IDENTITY_CLOSES: ReadonlySet<string> = new Set(['DUPLICATE_NODE', 'ORIGIN_CONFLICT']);
/** Closes that a channel without order may cause besides. */
const LOSSY_CLOSES: ReadonlySet<string> = new Set(['MESSAGE_UNEXPECTED', 'FRAME_TOO_LARGE']);

/** A disk as it was. */
export interface Backup {
  readonly content: MemoryStore;
  readonly takenAt: number;
}

export class Cluster {
  readonly plan: Plan;
  readonly time: VirtualTime = new VirtualTime();
  readonly trace: Trace;
  readonly history: History = new History();
  readonly network: SimNetwork;
  readonly nodes: readonly SimNode[];
  readonly problems: string[] = [];
  /** A node to be killed at the moment it acknowledges its next write. */
  readonly armed: Map<number, number> = new Map();
  /** Nodes whose disk was damaged: until they are repaired, their digests prove nothing. */
  readonly damaged: Set<number> = new Set();
  /** Nodes that were put out of the cluster, and under which node id. */
  readonly removed: Map<number, string> = new Map();
  /** Nodes whose disk was replaced by another. */
  readonly replaced: Set<number> = new Set();
  /** A node, and a member of its list that had seen, at least once, all that the node had forgotten. */
  readonly #complete: Set<string> = new Set();
  /** No fault begins any more. */
  isHealed = false;
  #isCompacting = true;
  readonly #tap: WireTap;
  /** Database key and vector → digest: invariant I9 across replicas and time. */
  readonly #digests = new Map<string, string>();
  /** Document and entity tag → content. */
  readonly #versions = new Map<string, string>();
  /** Audits under way. */
  readonly #audits = new Set<Promise<unknown>>();
  readonly #random: SeededRandom;
  readonly #hasCopies: boolean;
  #accesses = { at: 0, count: 0 };

  constructor(plan: Plan, isVerbose: boolean) {
    this.plan = plan;
    this.trace = new Trace(isVerbose);
    this.#hasCopies = plan.actions.some(
      (action) => action.type === 'fault' && isIdentityFault(action.fault) && action.fault.type !== 'new-epoch',
    );
    this.#random = new SeededRandom(plan.seed).fork('run');
    const complain = (problem: string): void => this.complain(problem);
    this.#tap = new WireTap(COMPRESSOR, this.trace, complain);
    this.time.onError = (error) => this.complain(`uncaught: ${describeError(error)}`);
    this.network = new SimNetwork({
      time: this.time,
      random: this.#random.fork('network'),
      trace: this.trace,
      profile: plan.network,
      observer: { onSend: (...sent) => this.#onSend(...sent), onClose: (...closed) => this.#onClose(...closed) },
      isConnected: (a, b) => this.#isLeaf(a) || isConnected(plan.topology, plan.nodes.length, a, b),
    });
    this.nodes = plan.nodes.map((nodePlan, index) => this.#createNode(nodePlan, index));
  }

  #createNode(nodePlan: Plan['nodes'][number], index: number): SimNode {
    const { plan, time, trace, network } = this;
    const neighbours = plan.nodes
      .map((_, other) => other)
      .filter((other) => other !== index && this.isConnected(index, other));
    return new SimNode(index, {
      time,
      trace,
      network,
      disk: new SimDisk(this.#random.fork(`disk ${index}`), plan.disk, () => this.#countAccess()),
      random: this.#random.fork(`node ${index}`),
      compressor: COMPRESSOR,
      plan: nodePlan,
      // In a quarter of the runs: contents are compared all the time, and must never differ.
      scrubPerSecond: plan.scrubPerSecond ?? (plan.seed % 4 === 0 ? 20 : 0),
      link: {
        snapshotRecordsMin: plan.snapshotRecordsMin,
        coalesceRecordsMin: plan.coalesceRecordsMin,
        windowBytes: plan.windowBytes,
        ringBytesMax: plan.ringBytesMax,
        messageBytesTarget: plan.messageBytesTarget,
        heartbeatTicks: plan.heartbeatTicks ?? 5,
      },
      log: plan.log,
      collection: plan.collection ?? {},
      compaction: () => (this.#isCompacting ? (plan.compaction ?? {}) : { intervalMs: 1e9 }),
      staleAfterMs: plan.staleAfterMs,
      snapshot: plan.snapshot ?? {},
      // Addresses beyond these are learned from the member list, as in production.
      joins: neighbours.filter((other) => other < index || this.#random.chance(0.3)),
      complain: (problem) => this.complain(problem),
      onFailure: (node) => {
        this.trace.count('fault disk-failure noticed');
        time.after(1, () => this.crash(node.index, false, 0, 500));
      },
    });
  }

  /** Ends every fault for good, and starts whoever is down. */
  heal(): void {
    this.isHealed = true;
    this.network.healAll();
    this.armed.clear();
    for (const node of this.nodes) {
      node.disk.slowdown = 1;
      node.disk.isBroken = false;
      node.start();
    }
    this.trace.event(this.time.now, 'healed');
  }

  /** Nothing more is compacted, also after restarts. */
  endCompaction(): void {
    this.#isCompacting = false;
    for (const { replica } of this.nodes) replica?.upkeep.compactor.close();
  }

  /** Who must be equal in the end. */
  get members(): readonly SimNode[] {
    return this.nodes.filter(({ index }) => !this.removed.has(index));
  }

  /** What the removed node accepts from now on, or has not sent, reaches nobody. */
  remove(index: number, by: number): void {
    const nodeId = this.nodes[index]!.replica?.nodeId;
    const remover = this.nodes[by]!.replica;
    if (nodeId === undefined || remover === null || this.removed.size > 0) return this.trace.count('removals not made');
    this.removed.set(index, nodeId);
    remover.removeMember(nodeId).catch((error: unknown) => {
      this.trace.event(this.time.now, `node ${index} was not removed: ${describeError(error)}`);
      // Also when the remover died over it: it may have been told others before.
      if (error instanceof SyncError && error.code === 'SYNC_MEMBER_NOT_FOUND') this.removed.delete(index);
    });
  }

  /** Machines behind the nodes are those of leaves. */
  #isLeaf(machine: number): boolean {
    return machine >= this.plan.nodes.length;
  }

  isConnected(a: number, b: number): boolean {
    return a !== b && isConnected(this.plan.topology, this.plan.nodes.length, a, b);
  }

  complain(problem: string): void {
    const line = `${this.time.now.toFixed(1)} ms: ${problem}`;
    this.trace.event(this.time.now, `PROBLEM ${problem}`);
    if (this.problems.length < PROBLEMS_MAX) this.problems.push(line);
  }

  #onSend(channel: object, from: number, to: number, message: Uint8Array, bufferedBytes: number): void {
    this.trace.maximum('max buffered bytes', bufferedBytes);
    if (this.#isLeaf(from) || this.#isLeaf(to)) return;
    this.#checkMemory(from, 'buffers', bufferedBytes);
    try {
      this.#tap.onFrame(channel, from, to, message);
    } catch (error) {
      this.complain(`node ${from} sent a frame nobody can read: ${describeError(error)}`);
    }
  }

  /** Invariant I10. A message larger than the window goes alone. */
  #checkMemory(node: number, what: string, bytes: number): void {
    if (bytes <= Math.max(this.plan.windowBytes, LARGEST_MESSAGE_BYTES) + MEMORY_SLACK_BYTES) return;
    this.complain(`[I10] node ${node} ${what} ${bytes} bytes for one peer, the window is ${this.plan.windowBytes}`);
  }

  /** Invariant I5 and more: honest nodes never refuse each other. */
  #onClose(from: number, to: number, code: number, reason: string): void {
    const name = describeCloseCode(code);
    this.trace.count(`closes ${name}`);
    // Of its own disk, or of the peer's, whose farewell it repeats.
    const isStorage = name === 'INTERNAL_ERROR' && /simulated|an earlier write failed/.test(reason);
    if (IDENTITY_CLOSES.has(name) && this.#hasCopies) return;
    if (name === 'FENCED' && (this.removed.has(from) || this.removed.has(to))) return;
    if (HARMLESS_CLOSES.has(name) || isStorage || (this.plan.network.mode === 'lossy' && LOSSY_CLOSES.has(name)))
      return;
    this.complain(`[I5] node ${from} closed its link to ${to}: ${name} ${reason}`);
  }

  /** Kills a node, inspects what its disk still holds, and starts it again after a while. */
  crash(index: number, isPowerLoss: boolean, unsyncedKept: number, forMs: number): void {
    const node = this.nodes[index]!;
    const left = node.crash(isPowerLoss, unsyncedKept);
    if (left === null) return;
    this.armed.delete(index);
    this.history.abandon(index, this.time.now);
    const acknowledged = this.#promisesOf(index);
    this.#watch(this.#inspect(index, left, acknowledged, false));
    this.time.after(forMs, () => node.start());
  }

  /** Takes a copy of a node's disk, for which the node is killed. */
  backUp(index: number, forMs: number): Backup {
    const node = this.nodes[index]!;
    if (node.process !== null) this.crash(index, false, 0, forMs);
    return { content: node.disk.copy(), takenAt: this.time.now };
  }

  /** Kills a node and starts it from an old disk. What only it held is gone; nothing else may be. */
  restore(index: number, backup: Backup, forMs: number): void {
    const node = this.nodes[index]!;
    if (node.process !== null) this.crash(index, true, 0, forMs);
    this.history.revoke(index, backup.takenAt);
    this.#tap.forget(index);
    this.replaced.add(index);
    node.disk.replace(backup.content);
    this.trace.event(this.time.now, `disk of ${index} replaced by that of ${backup.takenAt.toFixed(1)}`);
  }

  /** Stops a node as an operator does: everything in flight completes first. */
  async stop(index: number, forMs: number): Promise<void> {
    const node = this.nodes[index]!;
    if (!(await node.stop())) return;
    // Closed: what a crash takes now is nothing.
    this.crash(index, false, 0, forMs);
  }

  /** Invariant L2: code that goes on for ever without time passing cannot be stopped from outside. */
  #countAccess(): void {
    if (this.#accesses.at !== this.time.now) this.#accesses = { at: this.time.now, count: 0 };
    if (++this.#accesses.count < ACCESSES_MAX) return;
    if (this.#accesses.count === ACCESSES_MAX)
      this.complain(`[L2] ${ACCESSES_MAX} disk accesses at one instant: an endless loop`);
    throw new StorageError('STORAGE_IO', 'simulated: an endless loop was stopped');
  }

  /** Writes with an effect that a node has acknowledged. */
  #promisesOf(node: number): Attempt[] {
    return this.history.attempts.filter(
      (attempt) =>
        attempt.node === node &&
        isAcknowledged(attempt) &&
        attempt.outcome !== 'unchanged' &&
        // Perhaps another node did it.
        !attempt.isRepeatable,
    );
  }

  /** A write was answered: the moment at which an armed node dies. */
  onAcknowledged(index: number): void {
    const forMs = this.armed.get(index);
    if (forMs === undefined) return;
    this.armed.delete(index);
    this.trace.count('crashes right after a reply');
    // The reply is on its way; nothing else of the process runs.
    this.time.after(0, () => this.crash(index, true, 0, forMs));
  }

  #watch(audit: Promise<unknown>): void {
    const watched: Promise<unknown> = audit
      .catch((error: unknown) => this.complain(`the disk cannot be read: ${describeError(error)}`))
      .then(() => this.#audits.delete(watched));
    this.#audits.add(watched);
  }

  /** Cuts the power of all nodes, which have converged, and compares what is left on their disks, system database included. */
  async inspectAll(): Promise<void> {
    const contents: string[] = [];
    for (const node of this.nodes) {
      const left = node.crash(true, 0);
      if (left === null) continue;
      this.history.abandon(node.index, this.time.now);
      const acknowledged = this.#promisesOf(node.index);
      const content = describeDisk(await this.#inspect(node.index, left, acknowledged, true));
      if (!this.removed.has(node.index)) contents.push(content);
    }
    await Promise.all(this.#audits);
    if (new Set(contents).size > 1) this.complain(`[I9] the disks of converged nodes differ:\n${contents.join('\n')}`);
  }

  /** Invariants I1 and I13: whatever the node told anybody is on its disk. */
  async #inspect(
    index: number,
    store: MemoryStore,
    acknowledged: readonly Attempt[],
    isDeep: boolean,
  ): Promise<DiskAudit> {
    const audit = await auditDisk({
      store,
      isDeep,
      onBatch: (database, bytes) => this.#tap.checkBatch(index, database, bytes),
      onCut: () => this.trace.count('logs cut'),
      snapshotChain: (...position) => this.#tap.snapshotChain(...position),
    });
    for (const problem of audit.problems) this.complain(`disk of node ${index}: ${problem}`);
    this.trace.count('disks inspected');
    this.#checkClaims(index, audit);
    for (const attempt of acknowledged) {
      const document = documentOf(audit, attempt);
      if (document === null) continue;
      // Its document was deleted and forgotten; that nothing is forgotten too early is checked elsewhere.
      if ((document.forgotten.get(attempt.origin) ?? 0) >= lowestSeq(attempt)) continue;
      if ((document.vector?.get(attempt.origin) ?? 0) >= lowestSeq(attempt)) continue;
      this.complain(
        `[I1] [I13] node ${index} acknowledged #${attempt.id} (${attempt.collection}/${attempt.document}) and its disk does not hold it`,
      );
    }
    return audit;
  }

  #checkClaims(index: number, audit: DiskAudit): void {
    for (const [database, claims] of this.#tap.claimsOf(index)) {
      const held = audit.databases.get(database);
      if (isScratch(database)) continue;
      for (const [origin, seq] of claims) {
        if ((held?.vector.get(origin) ?? 0) >= seq) continue;
        this.complain(
          `[I1] node ${index} told others it holds ${database} ${origin}:${seq}; its disk has ${held?.vector.get(origin) ?? 0}`,
        );
      }
    }
  }

  /** What every node says it holds for each peer. */
  checkLinks(): void {
    for (const { index, replica } of this.nodes) {
      for (const { heldBytes } of replica?.status().links ?? []) {
        this.trace.maximum('max held bytes', heldBytes);
        this.#checkMemory(index, 'holds', heldBytes);
      }
    }
  }

  /** Where nothing was damaged, nothing may be found to be: an alarm is a silent divergence, or a false one. */
  checkAlarms(): void {
    if (this.damaged.size > 0) return;
    for (const { index, replica } of this.nodes) {
      const alarms = replica?.status().alarms ?? [];
      if (alarms.length > 0) this.complain(`[EQ5] node ${index} raised alarms: ${JSON.stringify(alarms.slice(0, 3))}`);
    }
  }

  /** Invariant I9 for readers: one version of a document has one content, on all nodes at all times. */
  checkVersion(document: string, etag: string, text: string): void {
    const id = `${document} ${etag}`;
    const known = this.#versions.get(id);
    if (known === undefined) this.#versions.set(id, text);
    else if (known !== text) this.complain(`[I9] ${id} reads as ${text.slice(0, 300)} and as ${known.slice(0, 300)}`);
  }

  /**
   * Invariant I8: what a node has forgotten, every other member of its list that counts holds. A disk that was replaced may be older
   * than what its node had said.
   */
  checkForgotten(): void {
    const counting = this.nodes.filter(({ index, replica }) => replica !== null && !this.removed.has(index));
    for (const node of counting) {
      // A whole status costs more than most steps of a run.
      const { databases, members } = node.replica!.status();
      for (const { tombstones } of databases) this.trace.maximum('max documents forgotten', tombstones.collected);
      for (const other of counting) {
        if (this.replaced.has(other.index) || !isWaitedFor(members, other)) continue;
        const pair = `${node.index} ${other.index}`;
        const missing = this.#missingOf(node, other);
        if (missing.length === 0) this.#complete.add(pair);
        // Who has just come was not waited for, and has nothing that could come back.
        else if (this.#complete.has(pair)) for (const each of missing) this.complain(each);
      }
    }
  }

  #missingOf({ index, replica }: SimNode, other: SimNode): string[] {
    return replica!.engine.databases().flatMap((key) => {
      if (isScratch(key)) return [];
      const held = other.replica!.engine.vector(key);
      return [...replica!.engine.forgotten(key)]
        .filter(([origin, seq]) => (held.get(origin)?.seq ?? 0) < seq)
        .map(
          ([origin, seq]) =>
            `[I8] node ${index} has forgotten ${key} ${origin}:${seq}, and node ${other.index} has not seen it`,
        );
    });
  }

  /** Invariant I9 while things happen: equal vectors have equal digests, on all nodes at all times. */
  checkDigests(): void {
    for (const { index, replica } of this.nodes) {
      if (replica === null || this.damaged.has(index)) continue;
      for (const name of replica.databases()) {
        const state = databaseState(replica, name);
        if (state === null || replica.engine.isMerging(state.key)) continue;
        const { digest } = state;
        const entries = Object.entries(state.vector).sort(([a], [b]) => Number(a) - Number(b));
        const id = `${state.key} ${entries.map(([origin, seq]) => `${origin}:${seq}`).join(' ')}`;
        const known = this.#digests.get(id);
        if (known === undefined) this.#digests.set(id, digest);
        else if (known !== digest)
          this.complain(`[I9] node ${index} has vector ${id} and digest ${digest}, elsewhere it was ${known}`);
      }
    }
  }
}

function isWaitedFor(members: ReplicaStatus['members'], other: SimNode): boolean {
  const state = members.find((member) => member.node === other.replica!.nodeId)?.state;
  return state !== undefined && state !== 'removed' && state !== 'stale';
}

/** Every document with its version, of every database that is never dropped. */
function describeDisk(audit: DiskAudit): string {
  const lines: string[] = [];
  for (const [database, { documents }] of audit.databases) {
    if (isScratch(database)) continue;
    for (const [key, { vector, exists, isCounted }] of documents) {
      // Tombstones are forgotten at different moments.
      if (!isCounted) continue;
      const version = [...vector].sort(([a], [b]) => a - b).map(([origin, seq]) => `${origin}:${seq}`);
      lines.push(`${database}/${key} ${exists ? '' : 'deleted '}${version.join(',')}`);
    }
  }
  return lines.sort().join('; ');
}

/** A document of the audit; null when its database may have been dropped. */
function documentOf(
  audit: DiskAudit,
  attempt: Attempt,
): {
  readonly vector?: ReadonlyMap<number, number> | undefined;
  readonly forgotten: ReadonlyMap<number, number>;
} | null {
  if (isScratch(attempt.database)) return null;
  const database = audit.databases.get(`${attempt.database}.0`);
  const vector = database?.documents.get(`${attempt.collection}/${attempt.document}`)?.vector;
  return { vector, forgotten: database?.forgotten ?? new Map() };
}

function databaseState(
  replica: NonNullable<SimNode['replica']>,
  name: string,
): { key: string; digest: string; vector: Readonly<Record<string, number>> } | null {
  try {
    const database = replica.database(name);
    return { key: database.key, ...database.digest() };
  } catch {
    // Known and not open yet, or being removed.
    return null;
  }
}

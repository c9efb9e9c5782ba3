/**
 * @module
 * Owns what tests of links run on: virtual time, a fake engine that keeps logs in memory, a network of channels that can lose
 * messages, and clusters of those.
 */
import { decodeBatchHeader, encodeBatch, lastSeqOf, verifyChain } from '../../../sync/batch.ts';
import type { BatchHeader } from '../../../sync/batch.ts';
import type {
  DurableBatch,
  Engine,
  IngestResult,
  OriginId,
  SequenceRange,
  SnapshotSink,
  SnapshotSource,
} from '../../../sync/engine.ts';
import type { LinkOptions } from '../../../sync/link/options.ts';
import { createPeers } from '../../../sync/link/peers.ts';
import type { Peers, PeersEvent } from '../../../sync/link/peers.ts';
import { decodeFrame } from '../../../sync/protocol/frame.ts';
import type { Message } from '../../../sync/protocol/message.ts';
import type { Channel, Clock, Compressor, Dialer, Random, Timers } from '../../../sync/port.ts';
import { portableSha256 } from '../../../sync/sha256.ts';
import { GENESIS_CHAIN, sequenceOf } from '../../../sync/version-vector.ts';
import type { VectorEntry, VersionVector } from '../../../sync/version-vector.ts';
import { seededRandom } from '../../helper/manual-ports.ts';

interface Timer {
  dueMs: number;
  readonly order: number;
  readonly run: () => void;
}

/** A clock that moves only in `advance`, and timers that follow it. */
export class VirtualTime implements Clock, Timers {
  #nowMs = 1_700_000_000_000;
  #order = 0;
  #timers: Timer[] = [];

  now(): number {
    return this.#nowMs;
  }

  after(delayMs: number, run: () => void): () => void {
    const timer = { dueMs: this.#nowMs + delayMs, order: this.#order++, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((each) => each !== timer);
    };
  }

  /** The wall clock moves; no timer notices. */
  jump(ms: number): void {
    this.#nowMs += ms;
    for (const timer of this.#timers) timer.dueMs += ms;
  }

  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await settle();
    for (;;) {
      const next = this.#timers
        .filter((timer) => timer.dueMs <= endMs)
        .sort((a, b) => a.dueMs - b.dueMs || a.order - b.order)[0];
      if (next === undefined) break;
      this.#timers.splice(this.#timers.indexOf(next), 1);
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      next.run();
      await settle();
    }
    this.#nowMs = endMs;
  }

  /** Advances in small steps until `condition` holds. */
  async until(condition: () => boolean, msMax = 60_000): Promise<number> {
    const startMs = this.#nowMs;
    while (!condition()) {
      if (this.#nowMs - startMs > msMax) throw new Error(`not within ${msMax} ms of virtual time`);
      await this.advance(10);
    }
    return this.#nowMs - startMs;
  }
}

async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

interface FakeDatabase {
  readonly logs: Map<OriginId, { header: BatchHeader; bytes: Uint8Array }[]>;
  vector: Map<OriginId, VectorEntry>;
  pending: Map<OriginId, VectorEntry>;
  /** Origins whose log starts after this sequence. */
  readonly floors: Map<OriginId, number>;
}

/** Keeps batches in memory; a commit takes `commitMs` of virtual time. */
export class FakeEngine implements Engine {
  readonly nodeId: string;
  readonly origin: OriginId;
  commitMs = 2;
  /** Payload bytes received, per database key: copies show here. */
  receivedBatches = 0;
  ingestCalls = 0;
  snapshotsGiven = 0;
  snapshotsClosed = 0;
  snapshotsDiscarded = 0;
  chunksIngested = 0;
  readonly merging: Set<string> = new Set<string>();
  readonly dropped: Set<string> = new Set<string>();
  readonly owners: Map<OriginId, string>;
  readonly #time: VirtualTime;
  readonly #databases = new Map<string, FakeDatabase>();
  #lastCommit: Promise<void> = Promise.resolve();
  readonly #listeners = new Set<(database: string, batches: readonly DurableBatch[]) => void>();

  constructor(nodeId: string, origin: OriginId, time: VirtualTime, owners: Map<OriginId, string>) {
    this.nodeId = nodeId;
    this.origin = origin;
    this.#time = time;
    this.owners = owners;
    owners.set(origin, nodeId);
  }

  databases(): readonly string[] {
    return [...this.#databases.keys()].sort();
  }

  vector(database: string): VersionVector {
    return new Map(this.#databases.get(database)?.vector);
  }

  /** Creates an empty database. */
  create(database: string): void {
    this.#get(database);
  }

  /** Writes one batch of `count` records locally; durable after `commitMs`. */
  write(database: string, count = 1, updateBytes = 24): void {
    const held = this.#get(database);
    const entry = held.pending.get(this.origin);
    const firstSeq = (entry?.seq ?? 0) + 1;
    const deps = [...held.pending]
      .filter(([origin]) => origin !== this.origin)
      .map(([origin, { seq }]) => [origin, seq] as const);
    const records = Array.from({ length: count }, (_, i) => ({
      kind: 'update' as const,
      collection: 'c',
      id: `d${firstSeq + i}`,
      update: new Uint8Array(updateBytes).fill((firstSeq + i) % 251),
    }));
    const bytes = encodeBatch(
      { origin: this.origin, firstSeq, stamp: firstSeq, deps, records },
      entry?.chain ?? GENESIS_CHAIN,
      portableSha256,
    );
    this.#accept(held, decodeBatchHeader(bytes));
    void this.#commit(database, [bytes]);
  }

  async readLog(
    database: string,
    origin: OriginId,
    afterSeq: number,
    bytesMax: number,
  ): Promise<readonly Uint8Array[] | 'floor'> {
    const held = this.#get(database);
    if (afterSeq < (held.floors.get(origin) ?? 0)) return 'floor';
    const result: Uint8Array[] = [];
    let bytes = 0;
    for (const batch of held.logs.get(origin) ?? []) {
      if (batch.header.firstSeq <= afterSeq || lastSeqOf(batch.header) > sequenceOf(held.vector, origin)) continue;
      if (result.length > 0 && bytes + batch.bytes.length > bytesMax) break;
      result.push(batch.bytes);
      bytes += batch.bytes.length;
    }
    return result;
  }

  async ingest(database: string, batches: readonly Uint8Array[]): Promise<readonly IngestResult[]> {
    this.ingestCalls++;
    this.receivedBatches += batches.length;
    if (this.dropped.has(database)) return batches.map(() => ({ outcome: 'duplicate' }));
    const held = this.#get(database);
    const applied: Uint8Array[] = [];
    const results = batches.map((bytes): IngestResult => {
      const header = decodeBatchHeader(bytes);
      const ours = held.pending.get(header.origin);
      if (lastSeqOf(header) <= (ours?.seq ?? 0)) return { outcome: 'duplicate' };
      const missing: SequenceRange[] = [];
      if (header.firstSeq > (ours?.seq ?? 0) + 1) {
        missing.push({ origin: header.origin, from: (ours?.seq ?? 0) + 1, to: header.firstSeq - 1 });
      }
      for (const [origin, seq] of header.deps) {
        const have = sequenceOf(held.pending, origin);
        if (have < seq) missing.push({ origin, from: have + 1, to: seq });
      }
      if (missing.length > 0) return { outcome: 'blocked', missing };
      if (!verifyChain(bytes, ours?.chain ?? GENESIS_CHAIN, portableSha256)) throw new Error('chain forked');
      this.#accept(held, header);
      applied.push(bytes);
      return { outcome: 'applied' };
    });
    await this.#commit(database, applied);
    return results;
  }

  onDurable(listener: (database: string, batches: readonly DurableBatch[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Chunks without a meaning: the vector is what counts. */
  async snapshot(database: string): Promise<SnapshotSource> {
    this.snapshotsGiven++;
    return {
      vector: new Map(this.#get(database).vector),
      async *chunks() {
        for (let i = 0; i < 20; i++) yield new Uint8Array(50_000).fill(i);
      },
      close: async () => void this.snapshotsClosed++,
    };
  }

  receiveSnapshot(database: string): SnapshotSink {
    return {
      add: async () => {
        this.chunksIngested++;
        await this.#delay();
      },
      complete: async (vector) => {
        this.merging.add(database);
        await this.#delay();
        this.merging.delete(database);
        this.#adopt(this.#get(database), vector);
        for (const listener of this.#listeners) listener(database, []);
      },
      discard: async () => void this.snapshotsDiscarded++,
    };
  }

  isMerging(database: string): boolean {
    return this.merging.has(database);
  }

  #adopt(held: FakeDatabase, vector: VersionVector): void {
    for (const [origin, entry] of vector) {
      if (sequenceOf(held.vector, origin) >= entry.seq) continue;
      held.vector.set(origin, entry);
      if (sequenceOf(held.pending, origin) < entry.seq) held.pending.set(origin, entry);
      held.floors.set(origin, entry.seq);
    }
  }

  nodeOf(origin: OriginId): string | undefined {
    return this.owners.get(origin);
  }

  /** Forgets the log up to the present. */
  truncate(database: string): void {
    const held = this.#get(database);
    for (const [origin, { seq }] of held.vector) {
      held.floors.set(origin, seq);
      held.logs.set(origin, []);
    }
  }

  /** Every encoded batch held of an origin, in order. */
  logOf(database: string, origin: OriginId): readonly Uint8Array[] {
    return (this.#get(database).logs.get(origin) ?? []).map((batch) => batch.bytes);
  }

  #get(database: string): FakeDatabase {
    let held = this.#databases.get(database);
    if (held === undefined) {
      held = { logs: new Map(), vector: new Map(), pending: new Map(), floors: new Map() };
      this.#databases.set(database, held);
    }
    return held;
  }

  #accept(held: FakeDatabase, header: BatchHeader): void {
    held.pending.set(header.origin, { seq: lastSeqOf(header), chain: header.chain });
  }

  async #commit(database: string, all: readonly Uint8Array[]): Promise<void> {
    await this.#delay();
    const held = this.#get(database);
    const durable = all.map((bytes) => {
      const header = decodeBatchHeader(bytes);
      const log = held.logs.get(header.origin) ?? [];
      held.logs.set(header.origin, log);
      log.push({ header, bytes });
      // A snapshot may have been adopted meanwhile.
      if (sequenceOf(held.vector, header.origin) < lastSeqOf(header)) {
        held.vector.set(header.origin, { seq: lastSeqOf(header), chain: header.chain });
      }
      return { origin: header.origin, firstSeq: header.firstSeq, lastSeq: lastSeqOf(header), bytes };
    });
    if (durable.length > 0) for (const listener of this.#listeners) listener(database, durable);
  }

  /** Resolves after `commitMs`, and never before an earlier commit. */
  #delay(): Promise<void> {
    const elapsed = new Promise<void>((resolve) => void this.#time.after(this.commitMs, resolve));
    this.#lastCommit = Promise.all([this.#lastCommit, elapsed]).then(() => undefined);
    return this.#lastCommit;
  }
}

/** One message on its way. */
export interface Passing {
  readonly from: string;
  readonly to: string;
  readonly frame: Uint8Array;
  readonly message: Message;
}

/** Channels between named nodes, with delay, loss and a record of what passed. */
export class FakeNetwork {
  delayMs = 5;
  /** Return false to lose a message. */
  filter: (passing: Passing) => boolean = () => true;
  /** Pairs `a|b` that cannot talk. */
  readonly cut: Set<string> = new Set<string>();
  readonly passed: Passing[] = [];
  readonly #time: VirtualTime;
  readonly #listeners = new Map<string, (channel: Channel) => void>();

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  listen(node: string, accept: (channel: Channel) => void): void {
    this.#listeners.set(urlOf(node), accept);
  }

  dialerOf(from: string): Dialer {
    return {
      dial: async (url) => {
        const to = url.slice('mem://'.length);
        const accept = this.#listeners.get(url);
        if (accept === undefined || this.isCut(from, to)) throw new Error(`cannot reach ${url}`);
        const ours = new FakeChannel(this, this.#time, from, to);
        const theirs = new FakeChannel(this, this.#time, to, from);
        ours.other = theirs;
        theirs.other = ours;
        accept(theirs);
        return ours;
      },
    };
  }

  isCut(a: string, b: string): boolean {
    return this.cut.has(`${a}|${b}`) || this.cut.has(`${b}|${a}`);
  }
}

class FakeChannel implements Channel {
  onMessage: (message: Uint8Array) => void = () => {};
  onClose: (code: number, reason: string) => void = () => {};
  other: FakeChannel | null = null;
  bufferedBytes = 0;
  readonly #network: FakeNetwork;
  readonly #time: VirtualTime;
  readonly #from: string;
  readonly #to: string;
  #isClosed = false;

  constructor(network: FakeNetwork, time: VirtualTime, from: string, to: string) {
    this.#network = network;
    this.#time = time;
    this.#from = from;
    this.#to = to;
  }

  send(frame: Uint8Array): void {
    if (this.#isClosed) return;
    const passing = { from: this.#from, to: this.#to, frame, message: decodeFrame(frame) };
    if (this.#network.isCut(this.#from, this.#to) || !this.#network.filter(passing)) return;
    this.#network.passed.push(passing);
    this.bufferedBytes += frame.length;
    this.#time.after(this.#network.delayMs, () => {
      this.bufferedBytes -= frame.length;
      if (!this.other!.#isClosed) this.other!.onMessage(frame.slice());
    });
  }

  close(code: number, reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (!this.#network.isCut(this.#from, this.#to)) {
      this.#time.after(this.#network.delayMs, () => this.other!.#finish(code, reason));
    }
    queueMicrotask(() => this.onClose(code, reason));
  }

  #finish(code: number, reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.onClose(code, reason);
  }
}

export function urlOf(node: string): string {
  return `mem://${node}`;
}

export interface FakeNode {
  readonly id: string;
  readonly engine: FakeEngine;
  readonly peers: Peers;
  readonly events: PeersEvent[];
}

export interface ClusterOptions {
  readonly link?: Partial<LinkOptions>;
  readonly compressor?: Compressor;
  readonly secretOf?: (node: string) => string;
}

/** Nodes on one network. Nothing is linked until `link` or `mesh`. */
export class FakeCluster {
  readonly time: VirtualTime = new VirtualTime();
  readonly network: FakeNetwork = new FakeNetwork(this.time);
  readonly nodes: Map<string, FakeNode> = new Map<string, FakeNode>();
  readonly #options: ClusterOptions;
  readonly #random: Random = seededRandom(7);
  readonly #owners = new Map<OriginId, string>();

  constructor(ids: readonly string[], options: ClusterOptions = {}) {
    this.#options = options;
    for (const id of ids) this.add(id);
  }

  /** Replaces a node of the same id: a restart with an empty store and a new origin. */
  add(id: string, engine?: FakeEngine): FakeNode {
    const origin = 2 ** 32 + this.#owners.size + 1;
    const node: FakeNode = {
      id,
      engine: engine ?? new FakeEngine(id, origin, this.time, this.#owners),
      events: [],
      peers: null as unknown as Peers,
    };
    const peers = createPeers({
      engine: node.engine,
      clock: this.time,
      timers: this.time,
      random: this.#random,
      dialer: this.network.dialerOf(id),
      compressor: this.#options.compressor,
      identity: () => ({ nodeId: id, name: id, url: null, origin: node.engine.origin }),
      secret: () => new TextEncoder().encode(this.#options.secretOf?.(id) ?? 'secret'),
      options: this.#options.link,
      onEvent: (event) => node.events.push(event),
    });
    Object.assign(node, { peers });
    this.nodes.set(id, node);
    this.network.listen(id, (channel) => peers.accept(channel));
    return node;
  }

  get(id: string): FakeNode {
    return this.nodes.get(id)!;
  }

  /** `from` dials `to`. */
  async link(from: string, to: string): Promise<void> {
    this.get(from).peers.addPeer(urlOf(to));
    await this.time.advance(200);
  }

  async mesh(): Promise<void> {
    const ids = [...this.nodes.keys()];
    for (const [i, from] of ids.entries()) for (const to of ids.slice(i + 1)) this.get(from).peers.addPeer(urlOf(to));
    await this.time.advance(1000);
  }

  /** Every node (or those named) holds the same. */
  isConverged(database: string, ids: readonly string[] = [...this.nodes.keys()]): boolean {
    const vectors = ids.map((id) => vectorText(this.get(id).engine.vector(database)));
    return new Set(vectors).size === 1;
  }

  close(): void {
    for (const { peers } of this.nodes.values()) peers.close();
  }
}

export function vectorText(vector: VersionVector): string {
  return [...vector]
    .map(([origin, { seq, chain }]) => `${origin}:${seq}:${Buffer.from(chain).toString('hex')}`)
    .sort()
    .join(' ');
}

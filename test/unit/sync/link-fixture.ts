/**
 * @module
 * Owns what tests of links run on: virtual time, a network of channels that can lose messages, and clusters of fake engines.
 */
import type { OriginId } from '../../../sync/engine.ts';
import type { LinkOptions } from '../../../sync/link/options.ts';
import { createPeers } from '../../../sync/link/peers.ts';
import type { Peers, PeersEvent } from '../../../sync/link/peers.ts';
import { decodeFrame } from '../../../sync/protocol/frame.ts';
import type { Message } from '../../../sync/protocol/message.ts';
import type { Channel, Clock, Compressor, Dialer, Random, Timers } from '../../../sync/port.ts';
import type { VersionVector } from '../../../sync/version-vector.ts';
import { seededRandom } from '../../helper/manual-ports.ts';
import { FakeEngine } from './fake-engine.ts';

export { FakeEngine } from './fake-engine.ts';

interface Timer {
  dueMs: number;
  /** Null once cancelled. */
  run: (() => void) | null;
}

/** A clock that moves only in `advance`, and timers that follow it. */
export class VirtualTime implements Clock, Timers {
  #nowMs = 1_700_000_000_000;
  #timers: Timer[] = [];

  now(): number {
    return this.#nowMs;
  }

  after(delayMs: number, run: () => void): () => void {
    const timer: Timer = { dueMs: this.#nowMs + delayMs, run };
    this.#insert(timer);
    return () => {
      timer.run = null;
    };
  }

  /** Keeps timers in the order in which they are due. */
  #insert(timer: Timer): void {
    let low = 0;
    let high = this.#timers.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#timers[middle]!.dueMs <= timer.dueMs) low = middle + 1;
      else high = middle;
    }
    this.#timers.splice(low, 0, timer);
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
      const next = this.#timers[0];
      if (next === undefined || next.dueMs > endMs) break;
      this.#timers.shift();
      if (next.run === null) continue;
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
  /** Return true to deliver a message twice. */
  isDoubled: (passing: Passing) => boolean = () => false;
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
      for (let times = this.#network.isDoubled(passing) ? 2 : 1; times > 0 && !this.other!.#isClosed; times--)
        this.other!.onMessage(frame.slice());
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

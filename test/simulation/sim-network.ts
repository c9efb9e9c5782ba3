/**
 * @module
 * Owns the simulated network: hosts, dialling, and who can reach whom. Every direction between two nodes can be cut, made slow
 * or lossy by itself. The channels are in sim-channel.ts.
 */
import type { Channel, Dialer } from '../../sync/port.ts';
import { SimChannel } from './sim-channel.ts';
import type { ChannelNetwork, NetworkObserver, NetworkProfile, Path } from './sim-channel.ts';
import { createHost, runInProcess } from './sim-host.ts';
import type { Host } from './sim-host.ts';
import type { SeededRandom } from './seeded-random.ts';
import type { Trace } from './trace.ts';
import type { VirtualTime } from './virtual-time.ts';

const DIAL_TIMEOUT_MS = 3000;

export class SimNetwork implements ChannelNetwork {
  readonly time: VirtualTime;
  readonly random: SeededRandom;
  readonly trace: Trace;
  readonly observer: NetworkObserver;
  profile: NetworkProfile;
  readonly #hosts = new Map<number, Host>();
  readonly #paths = new Map<string, Path>();
  readonly #isConnected: (a: number, b: number) => boolean;

  constructor(options: {
    time: VirtualTime;
    random: SeededRandom;
    trace: Trace;
    profile: NetworkProfile;
    observer: NetworkObserver;
    /** The topology: pairs it denies can never reach each other. */
    isConnected: (a: number, b: number) => boolean;
  }) {
    this.time = options.time;
    this.random = options.random;
    this.trace = options.trace;
    this.profile = options.profile;
    this.observer = options.observer;
    this.#isConnected = options.isConnected;
  }

  static url(node: number): string {
    return `ws://node-${node}.sim:7400`;
  }

  /** Where a node lets leaves in. */
  static leafUrl(node: number): string {
    return `${SimNetwork.url(node)}/leaf`;
  }

  /** Puts a new process of `node` on the network. */
  attach(node: number): Host {
    const host = createHost(node);
    this.#hosts.set(node, host);
    return host;
  }

  /** Kills a process. With `reset` its peers are told (a process died); without, nobody is (the power failed). */
  kill(host: Host, isReset: boolean): void {
    host.isAlive = false;
    host.accept = null;
    host.acceptLeaf = null;
    if (this.#hosts.get(host.node) === host) this.#hosts.delete(host.node);
    for (const channel of host.channels) {
      if (isReset && !this.isCut(host.node, channel.remoteNode)) channel.resetRemote();
    }
    host.channels.clear();
  }

  /** Is there a machine that answers for the node? A dead one does not even refuse. */
  isUp(node: number): boolean {
    return this.#hosts.has(node);
  }

  path(from: number, to: number): Path {
    const key = `${from}>${to}`;
    let path = this.#paths.get(key);
    if (path === undefined) this.#paths.set(key, (path = { cuts: 0, slowdown: 1 }));
    return path;
  }

  isCut(from: number, to: number): boolean {
    return this.path(from, to).cuts > 0;
  }

  cut(from: number, to: number): void {
    this.path(from, to).cuts++;
  }

  /** Takes back one cut; traffic that waited goes on. */
  mend(from: number, to: number): void {
    const path = this.path(from, to);
    path.cuts = Math.max(0, path.cuts - 1);
    this.#resume();
  }

  /** Ends every fault of the network. */
  healAll(): void {
    for (const path of this.#paths.values()) Object.assign(path, { cuts: 0, slowdown: 1 });
    this.profile = { ...this.profile, loss: 0, duplicate: 0, reorder: 0 };
    this.#resume();
  }

  latency(): number {
    const { latencyMsMin, latencyMsMax } = this.profile;
    // Squared: mostly near the minimum, with a tail.
    return latencyMsMin + (latencyMsMax - latencyMsMin) * this.random.float() ** 2;
  }

  dialer(host: Host): Dialer {
    return { dial: (url) => this.#dial(host, url) };
  }

  #dial(from: Host, url: string): Promise<Channel> {
    const target = Number(/^ws:\/\/node-(\d+)\.sim/.exec(url)?.[1] ?? Number.NaN);
    const isLeaf = url.endsWith('/leaf');
    return new Promise((resolve, reject) => {
      if (!from.isAlive) return;
      this.trace.count('dials');
      const fail = (delayMs: number, why: string): void => {
        runInProcess(this.time, from, delayMs, () => reject(new Error(`dial ${url}: ${why}`)));
      };
      if (!Number.isInteger(target) || target === from.node || !this.#isConnected(from.node, target)) {
        return fail(this.latency(), 'no route');
      }
      this.time.after(2 * this.latency(), () => {
        if (!from.isAlive) return;
        const host = this.#hosts.get(target);
        if (this.isCut(from.node, target) || this.isCut(target, from.node) || host === undefined) {
          return fail(DIAL_TIMEOUT_MS * (0.3 + this.random.float()), 'timeout');
        }
        const accept = isLeaf ? host.acceptLeaf : host.accept;
        if (accept === null) return fail(this.latency(), 'refused');
        const [near, far] = SimChannel.pair(this, from, host);
        this.trace.event(this.time.now, `connect ${from.node}>${target}`);
        this.trace.count('connections');
        runInProcess(this.time, host, 0, () => {
          far.isEstablished = true;
          accept(far);
        });
        runInProcess(this.time, from, this.latency(), () => {
          near.isEstablished = true;
          resolve(near);
        });
      });
    });
  }

  #resume(): void {
    for (const host of this.#hosts.values()) for (const channel of host.channels) channel.pump();
  }
}

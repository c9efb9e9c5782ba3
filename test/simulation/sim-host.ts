/**
 * @module
 * Owns what a process is to the simulation: something that dies once, may be frozen for a while, and does nothing in either state.
 */
import type { Channel } from '../../sync/port.ts';
import type { VirtualTime } from './virtual-time.ts';

/** One end of a connection, as the network and its host see it. */
export interface HostChannel {
  readonly remoteNode: number;
  /** Transmits what waits. */
  pump(): void;
  /** Tells the other end that the connection is gone. */
  resetRemote(): void;
}

/** One process on the network. */
export interface Host {
  readonly node: number;
  isAlive: boolean;
  /** Until then nothing of the process runs. */
  pausedUntil: number;
  /** Null until the process listens. */
  accept: ((channel: Channel) => void) | null;
  /** The same for leaves. */
  acceptLeaf: ((channel: Channel) => void) | null;
  readonly channels: Set<HostChannel>;
}

export function createHost(node: number): Host {
  return { node, isAlive: true, pausedUntil: 0, accept: null, acceptLeaf: null, channels: new Set() };
}

/** Schedules something that a process does: never after its death, and not while it is frozen. Returns the cancel function. */
export function runInProcess(time: VirtualTime, host: Host, delayMs: number, run: () => void): () => void {
  let isCancelled = false;
  const attempt = (): void => {
    if (!host.isAlive || isCancelled) return;
    if (time.now < host.pausedUntil) time.after(host.pausedUntil - time.now, attempt);
    else run();
  };
  const cancel = time.after(delayMs, attempt);
  return () => {
    isCancelled = true;
    cancel();
  };
}

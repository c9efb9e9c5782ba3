/**
 * @module
 * Owns many people who type into one text at one pace, and when all of them have everything.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Delivery } from '../harness/delivery.ts';
import { Typist, type Dialect } from './typist.ts';

export interface Place {
  readonly dialect: Dialect;
  /** URL of the server. */
  readonly url: string;
  /** What follows it. */
  readonly path: string;
  /** Name of the document. */
  readonly name: string;
}

/** Somebody who types. */
export interface Writer {
  type(character: string): void;
}

const SETTLE_MS = 60_000;

export async function openTypists(count: number, place: Place, delivery: Delivery): Promise<Typist[]> {
  const { dialect, url, path, name } = place;
  const typists: Typist[] = [];
  for (let i = 0; i < count; i++) {
    typists.push(
      await Typist.open({
        dialect,
        name,
        url: `${url.replace('http', 'ws')}${path}`,
        onTyped: (client, clock) => delivery.note(client, clock, performance.now()),
        onArrived: (client, from, to) => delivery.arrive(client, from, to),
      }),
    );
  }
  return typists;
}

/** Everybody at the same pace, one after another within each beat. */
export async function typeAll(writers: readonly Writer[], perSecond: number, seconds: number): Promise<void> {
  const startMs = performance.now();
  const total = writers.length * perSecond * seconds;
  for (let at = 0; at < total; at++) {
    const dueMs = startMs + (at * 1000) / (writers.length * perSecond);
    const waitMs = dueMs - performance.now();
    if (waitMs > 1) await delay(waitMs);
    writers[at % writers.length]!.type(String.fromCharCode(97 + (at % 26)));
  }
}

/** Everybody who is still there has every character of all who are. @throws Error */
export async function awaitDelivered(typists: readonly Typist[]): Promise<void> {
  const endMs = performance.now() + SETTLE_MS;
  const isDelivered = (): boolean =>
    typists.every(({ client, typed }) => typists.every(({ known }) => (known.get(client) ?? 0) >= typed));
  while (!isDelivered()) {
    if (performance.now() > endMs) throw new Error('not everybody got every character');
    await delay(20);
  }
}

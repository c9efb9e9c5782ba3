/**
 * @module
 * Owns the addresses we keep links to: those an operator gave, and those that members advertise, one per member. Nothing else is
 * ever dialed (SY27).
 */
import type { Channel, Dialer, Random, Timers } from '../port.ts';
import { Dial } from './dial.ts';
import type { LinkOptions } from './options.ts';
import type { DialStatus } from './status.ts';

export interface DialSetHooks {
  isLinked(node: string): boolean;
  /** Our own address, which is never dialed. */
  ownUrl(): string | null;
  handleOpen(dial: Dial, channel: Channel): void;
}

export interface DialSetPorts {
  /** Without one nothing is dialed. */
  readonly dialer: Dialer | undefined;
  readonly timers: Timers;
  readonly random: Random;
  readonly options: LinkOptions;
}

/** Dials without an answer after which a member counts as away. */
const AWAY_ATTEMPTS = 3;

export class DialSet {
  readonly #ports: DialSetPorts;
  readonly #hooks: DialSetHooks;
  readonly #dials = new Map<string, Dial>();

  constructor(ports: DialSetPorts, hooks: DialSetHooks) {
    this.#ports = ports;
    this.#hooks = hooks;
  }

  /** An address that an operator gave. Restarts one that was given up. */
  join(url: string): void {
    this.#keep(url, 'join', null)?.restart();
  }

  /** The address a member advertises. Addresses it had before are given up. */
  learn(url: string, node: string | null): void {
    const key = normaliseUrl(url);
    if (node !== null) {
      for (const dial of this.#dials.values()) {
        if (dial.source === 'learned' && dial.node === node && dial.url !== key) this.#drop(dial);
      }
    }
    if (!this.#dials.has(key)) this.#keep(key, 'learned', node)?.start();
  }

  /** A removed member is not dialed any more. */
  forget(node: string): void {
    for (const dial of this.#dials.values()) if (dial.node === node) this.#drop(dial);
  }

  /** The overlay does without a link to this node. */
  rest(node: string): void {
    for (const dial of this.#dials.values()) {
      if (dial.node !== node) continue;
      if (dial.source === 'learned') this.#drop(dial);
      else dial.rest();
    }
  }

  wakeAll(): void {
    for (const dial of this.#dials.values()) dial.wake();
  }

  /** A member that was dialed again and again without an answer. */
  isAway(node: string): boolean {
    const dials = [...this.#dials.values()].filter((dial) => dial.node === node).map((dial) => dial.status());
    return dials.some(({ state, attempts }) => state !== 'linked' && attempts >= AWAY_ATTEMPTS);
  }

  /** The last link to a node is gone: its addresses have to carry it now. */
  handleNodeLost(node: string): void {
    for (const dial of this.#dials.values()) if (dial.node === node) dial.handleNodeLost();
  }

  /** We are somebody else now: who refused us may not any more. */
  restartAll(): void {
    for (const dial of this.#dials.values()) dial.restart();
  }

  status(): DialStatus[] {
    return [...this.#dials.values()].map((dial) => dial.status());
  }

  stop(): void {
    for (const dial of this.#dials.values()) dial.stop();
  }

  #drop(dial: Dial): void {
    dial.stop();
    this.#dials.delete(dial.url);
  }

  #keep(url: string, source: 'join' | 'learned', node: string | null): Dial | null {
    const key = normaliseUrl(url);
    const { dialer, timers, random, options } = this.#ports;
    const own = this.#hooks.ownUrl();
    if (dialer === undefined || (own !== null && normaliseUrl(own) === key)) return null;
    const known = this.#dials.get(key);
    if (known !== undefined) return known;
    if (this.#dials.size >= options.linksMax) return null;
    const dial = new Dial(key, source, node, { dialer, timers, random, options }, this.#hooks);
    this.#dials.set(key, dial);
    return dial;
  }
}

function normaliseUrl(url: string): string {
  return url.replace(/\/+$/, '');
}

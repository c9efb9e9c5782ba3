/**
 * @module
 * Owns passing on what nodes hold to those that are not linked to them: without it, a node would never know how far a member is
 * that it reaches only through others, and the stability horizon would stand still. Where all are linked, nothing is sent. Presence of
 * clients takes the same way.
 */
import { fingerprintNode } from '../protocol/authentication.ts';
import type { PresenceRoom } from '../presence.ts';
import type { HoldingsEntry } from '../protocol/message.ts';
import type { LinkContext } from './context.ts';

/** Heartbeats between two messages. */
const BEATS = 6;
/** Entries per message. */
const ENTRIES_MAX = 64;

/** Presence waits while the channel holds more than this. */
const PRESENCE_CHANNEL_BYTES_MAX = 65_536;

/** What the owner of the links knows of members. */
export interface HoldingsSource {
  /** The last word of every node that not everybody hears directly, our own included. */
  entries(): readonly HoldingsEntry[];
  note(entries: readonly HoldingsEntry[]): void;
}

export class Relay {
  readonly #context: LinkContext;
  readonly #peerLinks: () => readonly string[];
  /** Node → stamp that the peer has. */
  readonly #told = new Map<string, number>();
  readonly #detach: (() => void) | undefined;
  #beats = 0;

  constructor(context: LinkContext, peerLinks: () => readonly string[]) {
    this.#context = context;
    this.#peerLinks = peerLinks;
    this.#detach = context.engine.presence?.attach({
      node: context.peer.nodeId,
      links: peerLinks,
      isReady: () => context.channelBytes() <= PRESENCE_CHANNEL_BYTES_MAX,
      send: (rooms) => context.send({ type: 'presence', rooms }),
    });
  }

  beat(): void {
    // The first comes one heartbeat after the link is live: by then the peer's links are known.
    if (this.#beats++ % BEATS !== 1 || this.#context.holdings === undefined) return;
    const { selfNode, peer, holdings } = this.#context;
    const heard = new Set(this.#peerLinks());
    // Our own word is for the peer to pass on.
    const isNews = ({ node, stamp }: HoldingsEntry): boolean =>
      stamp > (this.#told.get(node) ?? 0) &&
      node !== peer.nodeId &&
      (node === selfNode || !heard.has(fingerprintNode(node)));
    this.#send(holdings.entries().filter(isNews).slice(0, ENTRIES_MAX));
  }

  #send(entries: readonly HoldingsEntry[]): void {
    if (entries.length === 0) return;
    for (const { node, stamp } of entries) this.#told.set(node, stamp);
    this.#context.send({ type: 'holdings', entries });
  }

  close(): void {
    this.#detach?.();
  }

  receivePresence(rooms: readonly PresenceRoom[]): void {
    for (const room of rooms) this.#context.engine.presence?.note(room, this.#context.peer.nodeId);
  }

  receive(entries: readonly HoldingsEntry[]): void {
    for (const { node, stamp } of entries) this.#told.set(node, Math.max(stamp, this.#told.get(node) ?? 0));
    this.#context.holdings?.note(entries);
  }
}

/**
 * @module
 * Owns presence: who is looking at a document right now, by the word of the clients themselves. It lives in memory only, is passed from node
 * to node over their links when nothing more important waits, and what is not renewed within 30 s is forgotten. SPEC.md YJ.
 */
import type { Timers } from './port.ts';
import { fingerprintNode } from './protocol/authentication.ts';

/** What one client says of itself. The entry with the larger clock counts, of equal ones the one that takes leave. */
export interface PresenceEntry {
  readonly client: number;
  readonly clock: number;
  /** JSON; `null` = the client has left. */
  readonly state: string;
}

/** Entries of one document. */
export interface PresenceRoom {
  /** `name.generation` */
  readonly database: string;
  readonly collection: string;
  readonly id: string;
  readonly entries: readonly PresenceEntry[];
}

/** A linked node that wants to know. */
export interface PresenceOutlet {
  readonly node: string;
  /** Fingerprints of the nodes it is linked to itself. */
  links(): readonly string[];
  /** False when more important things wait: what is not sent is sent with its next renewal. */
  isReady(): boolean;
  send(rooms: readonly PresenceRoom[]): void;
}

interface Held extends PresenceEntry {
  /** The node it came from; null for clients of this one. */
  readonly from: string | null;
  /** Sweeps since it was renewed. */
  age: number;
}

type RoomName = Omit<PresenceRoom, 'entries'>;

interface HeldRoom extends RoomName {
  readonly clients: Map<number, Held>;
}

/** Of one state, in UTF-16 units. */
export const PRESENCE_STATE_MAX = 32_768;
/** Entries held, of all documents. */
const ENTRIES_MAX = 20_000;
/** Text held, of all documents. */
const TEXT_MAX = 8_388_608;
/** Text in one message. */
const MESSAGE_TEXT_MAX = 65_536;
const SWEEP_MS = 5000;
/** An entry that was not renewed for so many sweeps is forgotten. */
const AGE_MAX = 6;
/** Entries wait so long for others, and only the newest of a client leaves. */
const FLUSH_MS = 40;

export class Presence {
  /** What changed in a document, from wherever. */
  onChange: (room: PresenceRoom, from: string | null) => void = () => {};
  readonly #timers: Timers;
  readonly #rooms = new Map<string, HeldRoom>();
  readonly #outlets = new Set<PresenceOutlet>();
  #dirty = new Map<string, Set<number>>();
  #entries = 0;
  #text = 0;
  #isSweeping = false;
  #isFlushing = false;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** Takes entries. `from`: the node that sent them, null for clients of this one. */
  note(room: PresenceRoom, from: string | null): void {
    const news = room.entries.filter((entry) => this.#take(room, entry, from));
    if (news.length === 0) return;
    const key = keyOf(room);
    const dirty = this.#dirty.get(key) ?? new Set();
    for (const { client } of news) dirty.add(client);
    this.#dirty.set(key, dirty);
    this.#armSweep();
    this.#armFlush();
    this.onChange({ ...room, entries: news }, from);
  }

  /** What is known of a document, of clients that are there. */
  entriesOf(room: RoomName): readonly PresenceEntry[] {
    return [...(this.#rooms.get(keyOf(room))?.clients.values() ?? [])].filter(({ state }) => state !== 'null');
  }

  /** What is known of one client. */
  entryOf(room: RoomName, client: number): (PresenceEntry & { readonly from: string | null }) | undefined {
    return this.#rooms.get(keyOf(room))?.clients.get(client);
  }

  /** Tells a linked node from now on; it begins with the clients of this one. Returns the function that ends it. */
  attach(outlet: PresenceOutlet): () => void {
    this.#outlets.add(outlet);
    const own = [...this.#rooms.values()].map((room) =>
      select(room, ({ from, state }) => from === null && state !== 'null'),
    );
    send(outlet, own);
    return () => this.#outlets.delete(outlet);
  }

  #take(room: RoomName, { client, clock, state }: PresenceEntry, from: string | null): boolean {
    const key = keyOf(room);
    let held = this.#rooms.get(key);
    const known = held?.clients.get(client);
    const isNews =
      known === undefined || clock > known.clock || (clock === known.clock && isLeave(state) && !isLeave(known.state));
    if (!isNews || state.length > PRESENCE_STATE_MAX) return false;
    const text = this.#text + state.length - (known?.state.length ?? 0);
    if (known === undefined && (this.#entries >= ENTRIES_MAX || text > TEXT_MAX)) return false;
    if (held === undefined) {
      const { database, collection, id } = room;
      held = { database, collection, id, clients: new Map() };
      this.#rooms.set(key, held);
    }
    held.clients.set(client, { client, clock, state, from, age: 0 });
    this.#text = text;
    if (known === undefined) this.#entries++;
    return true;
  }

  #armSweep(): void {
    if (this.#isSweeping) return;
    this.#isSweeping = true;
    this.#timers.after(SWEEP_MS, () => {
      this.#isSweeping = false;
      this.#sweep();
      if (this.#rooms.size > 0) this.#armSweep();
    });
  }

  #sweep(): void {
    for (const [key, room] of this.#rooms) {
      const gone: PresenceEntry[] = [];
      for (const entry of room.clients.values()) {
        if (++entry.age <= AGE_MAX) continue;
        room.clients.delete(entry.client);
        this.#entries--;
        this.#text -= entry.state.length;
        if (!isLeave(entry.state)) gone.push({ client: entry.client, clock: entry.clock, state: 'null' });
      }
      if (room.clients.size === 0) this.#rooms.delete(key);
      if (gone.length > 0) this.onChange({ ...room, entries: gone }, null);
    }
  }

  #armFlush(): void {
    if (this.#isFlushing || this.#outlets.size === 0) return;
    this.#isFlushing = true;
    this.#timers.after(FLUSH_MS, () => {
      this.#isFlushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    const dirty = this.#dirty;
    this.#dirty = new Map();
    for (const outlet of this.#outlets) {
      if (!outlet.isReady()) continue;
      const isFor = this.#audience(outlet);
      const rooms: PresenceRoom[] = [];
      for (const [key, clients] of dirty) {
        const room = this.#rooms.get(key);
        if (room !== undefined) rooms.push(select(room, ({ client, from }) => clients.has(client) && isFor(from)));
      }
      send(outlet, rooms);
    }
  }

  /** What came from a node goes to those that this node is not linked to: the others have it already. */
  #audience({ node }: PresenceOutlet): (from: string | null) => boolean {
    const fingerprint = fingerprintNode(node);
    const told = new Map<string, boolean>();
    for (const other of this.#outlets) told.set(other.node, other.links().includes(fingerprint));
    return (from) => from === null || (from !== node && told.get(from) !== true);
  }
}

function isLeave(state: string): boolean {
  return state === 'null';
}

function keyOf({ database, collection, id }: RoomName): string {
  return `${database}\0${collection}\0${id}`;
}

function select({ database, collection, id, clients }: HeldRoom, wants: (entry: Held) => boolean): PresenceRoom {
  const entries = [...clients.values()].filter(wants).map(({ client, clock, state }) => ({ client, clock, state }));
  return { database, collection, id, entries };
}

/** Sends entries in messages of bounded size. */
function send(outlet: PresenceOutlet, rooms: readonly PresenceRoom[]): void {
  let message: PresenceRoom[] = [];
  let text = 0;
  for (const room of rooms) {
    let entries: PresenceEntry[] = [];
    for (const entry of room.entries) {
      if (text + entry.state.length > MESSAGE_TEXT_MAX && text > 0) {
        if (entries.length > 0) message.push({ ...room, entries });
        outlet.send(message);
        [message, entries, text] = [[], [], 0];
      }
      entries.push(entry);
      text += entry.state.length + room.id.length + 16;
    }
    if (entries.length > 0) message.push({ ...room, entries });
  }
  if (message.length > 0) outlet.send(message);
}

/**
 * @module
 * Owns which documents clients have open on this node, and the clock of all of them.
 */
import { SyncError } from '../../sync/index.ts';
import type { Presence, Replica } from '../../sync/index.ts';
import type { ClientSocket } from './client-socket.ts';
import { Refusal } from './close-code.ts';
import { Room, type Member } from './room.ts';

/** Where a document is. */
export interface Place {
  readonly database: string;
  readonly collection: string;
  readonly id: string;
}

const SWEEP_MS = 250;
/** Sweeps between two looks at what seldom changes: databases, tokens. */
const SLOW_SWEEPS = 8;
/** Sweeps between two pings: 30 s. */
const PING_SWEEPS = 120;

export class Rooms {
  readonly #replica: Replica;
  readonly #presence: Presence;
  readonly #bytesMax: number;
  readonly #rooms = new Map<string, Room>();
  readonly #sockets = new Set<ClientSocket>();
  readonly #timer: NodeJS.Timeout;
  #sweeps = 0;

  constructor(replica: Replica, presence: Presence, bytesMax: number) {
    this.#replica = replica;
    this.#presence = presence;
    this.#bytesMax = bytesMax;
    presence.onChange = ({ database, collection, id, entries }): void =>
      this.#rooms.get(`${database}\0${collection}\0${id}`)?.showPresence(entries);
    this.#timer = setInterval(() => this.#sweep(), SWEEP_MS);
    this.#timer.unref();
  }

  /** Documents that clients have open. */
  get size(): number {
    return this.#rooms.size;
  }

  /** Pings a connection for as long as it is open. */
  watch(socket: ClientSocket): void {
    this.#sockets.add(socket);
  }

  /** Lets a client into the room of a document. @throws Refusal when there can be none. */
  enter(place: Place, member: Member): Room {
    const room = this.#roomOf(place);
    room.add(member);
    return room;
  }

  leave(room: Room, member: Member): void {
    room.remove(member);
    if (room.size === 0) this.#close(room);
  }

  /** Parts with every client. */
  close(): void {
    clearInterval(this.#timer);
    for (const room of [...this.#rooms.values()]) {
      room.endAll('goingAway', 'the node is shutting down');
      this.#close(room);
    }
  }

  #roomOf({ database: name, collection, id }: Place): Room {
    try {
      const database = this.#replica.database(name);
      const key = `${database.key}\0${collection}\0${id}`;
      const known = this.#rooms.get(key);
      if (known !== undefined) return known;
      const options = { presence: this.#presence, bytesMax: this.#bytesMax };
      const room = new Room(key, database, { collection, id }, options);
      this.#rooms.set(key, room);
      return room;
    } catch (error) {
      if (!(error instanceof SyncError)) throw error;
      // Another node may hold it, or this one soon.
      throw new Refusal(error.retryable ? 'unavailable' : 'notFound', error.message);
    }
  }

  #close(room: Room): void {
    this.#rooms.delete(room.key);
    room.close();
  }

  #sweep(): void {
    const isSlow = ++this.#sweeps % SLOW_SWEEPS === 0;
    if (this.#sweeps % PING_SWEEPS === 0) this.#ping();
    for (const room of [...this.#rooms.values()]) {
      if (isSlow && !this.#isHeld(room)) room.endAll('notFound', 'the database is not here any more');
      room.sweep(isSlow);
    }
  }

  #ping(): void {
    for (const socket of this.#sockets) {
      if (socket.isOpen) socket.ping();
      else this.#sockets.delete(socket);
    }
  }

  #isHeld(room: Room): boolean {
    try {
      return room.isOf(this.#replica.database(room.database));
    } catch (error) {
      if (error instanceof SyncError) return false;
      throw error;
    }
  }
}

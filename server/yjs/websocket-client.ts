/**
 * @module
 * Owns a connection of y-websocket: one document, named by the path. SPEC.md section "Shared documents".
 */
import type { Socket } from 'node:net';
import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import type { WebSocket } from 'ws';
import { ClientSocket } from './client-socket.ts';
import { CLOSE, Refusal, type CloseReason } from './close-code.ts';
import type { Grant } from './grant.ts';
import { Inbox } from './inbox.ts';
import type { Member, Room, Unresolved } from './room.ts';
import type { Place, Rooms } from './rooms.ts';
import { guard, MESSAGE, readAwareness, SYNC } from './wire.ts';

const NO_PREFIX = new Uint8Array();
/** Tells the user why nothing is saved; the client only prints it. */
const PERMISSION_DENIED = 0;

export interface WebsocketClientSetup {
  readonly rooms: Rooms;
  readonly place: Place;
  readonly grant: Grant;
  readonly onBug: (error: unknown) => void;
}

export class WebsocketClient implements Member {
  readonly socket: ClientSocket;
  readonly prefix: Uint8Array = NO_PREFIX;
  readonly prefixKey = '';
  readonly isAskedBack = false;
  readonly grant: Grant;
  readonly ids: Set<number> = new Set();
  readonly present: Set<number> = new Set();
  unresolved: Unresolved | null = null;
  isSynced = false;
  readonly #setup: WebsocketClientSetup;
  #room: Room | null = null;
  #inbox: Inbox | null = null;
  #wasDenied = false;

  constructor(socket: WebSocket, raw: Socket, setup: WebsocketClientSetup) {
    this.#setup = setup;
    this.grant = setup.grant;
    this.socket = new ClientSocket(socket, raw, {
      handleMessage: (message) => this.#handle(message),
      handleClose: () => this.#leave(),
      handleTooSlow: () => this.end('tooSlow', 'the connection does not keep up'),
    });
    setup.rooms.watch(this.socket);
    try {
      const room = setup.rooms.enter(setup.place, this);
      this.#room = room;
      this.#inbox = new Inbox(this.socket, room, (error) => this.refuse(error));
      this.#inbox.run(() => room.greet(this));
    } catch (error) {
      this.refuse(error);
    }
  }

  #handle(message: Uint8Array): void {
    try {
      const decoder = decoding.createDecoder(message);
      const type = guard(() => decoding.readVarUint(decoder));
      if (type === MESSAGE.sync) this.#handleSync(decoder);
      else if (type === MESSAGE.awareness) this.#room?.handleAwareness(this, readAwareness(decoder));
      else if (type === MESSAGE.queryAwareness) this.#room?.answerAwareness(this);
      else if (type !== MESSAGE.auth) throw new Refusal('malformed', `messages of type ${type} are not known`);
    } catch (error) {
      this.refuse(error);
    }
  }

  #handleSync(decoder: decoding.Decoder): void {
    const { kind, bytes } = guard(() => ({
      kind: decoding.readVarUint(decoder),
      bytes: decoding.readVarUint8Array(decoder),
    }));
    const room = this.#room;
    if (kind > SYNC.update) throw new Refusal('malformed', `sync messages of type ${kind} are not known`);
    this.#inbox?.run(() => {
      if (kind === SYNC.step1) room?.handleStep1(this, bytes);
      else room?.handleUpdate(this, bytes, kind === SYNC.step2);
    });
  }

  acknowledge(isApplied: boolean): void {
    if (isApplied || this.#wasDenied) return;
    this.#wasDenied = true;
    const encoder = encoding.createEncoder();
    encoding.writeVarUint(encoder, MESSAGE.auth);
    encoding.writeVarUint(encoder, PERMISSION_DENIED);
    encoding.writeVarString(encoder, 'read-only: changes are not saved');
    this.socket.send(encoding.toUint8Array(encoder));
  }

  end(reason: CloseReason, message: string): void {
    this.#leave();
    this.socket.close(CLOSE[reason], message);
  }

  refuse(error: unknown): void {
    if (!(error instanceof Refusal)) this.#setup.onBug(error);
    if (error instanceof Refusal) this.end(error.reason, error.message);
    else this.end('goingAway', 'the node made a mistake; connect again');
  }

  #leave(): void {
    const room = this.#room;
    this.#room = null;
    this.#inbox?.close();
    if (room !== null) this.#setup.rooms.leave(room, this);
  }
}

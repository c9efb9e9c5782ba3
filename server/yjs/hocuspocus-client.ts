/**
 * @module
 * Owns a connection of Hocuspocus: any number of documents, each named in every frame and each authorised by a token of its own. What is
 * wrong with one document is told in the protocol and leaves the others alone. SPEC.md section "Shared documents".
 */
import type { Socket } from 'node:net';
import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import type { WebSocket } from 'ws';
import { ClientSocket } from './client-socket.ts';
import { hocuspocusCode, Refusal, type CloseReason } from './close-code.ts';
import type { Grant } from './grant.ts';
import { Inbox } from './inbox.ts';
import type { Member, Room, Unresolved } from './room.ts';
import type { Place, Rooms } from './rooms.ts';
import { guard, MESSAGE, readAwareness, SYNC } from './wire.ts';

export interface HocuspocusClientSetup {
  readonly rooms: Rooms;
  /**
   * @param token - Null when the client sent none.
   * @throws Refusal
   */
  readonly authorise: (token: string | null, database: string) => Grant;
  readonly onBug: (error: unknown) => void;
}

const AUTH = { token: 0, permissionDenied: 1, authenticated: 2 } as const;
/** Documents on one connection. */
const DOCUMENTS_MAX = 1000;
/** Messages of a document that wait for its token, on one connection. */
const EARLY_MESSAGES_MAX = 100;
const EARLY_BYTES_MAX = 1_048_576;
/** One byte, without a name. */
const PING_BYTES = 1;

/** One document on a connection. */
class HocuspocusMember implements Member {
  readonly socket: ClientSocket;
  readonly prefix: Uint8Array;
  readonly prefixKey: string;
  readonly isAskedBack = true;
  grant: Grant;
  readonly ids: Set<number> = new Set();
  readonly present: Set<number> = new Set();
  unresolved: Unresolved | null = null;
  isSynced = false;
  room: Room | null = null;
  inbox: Inbox | null = null;
  readonly #hooks: Pick<Member, 'end' | 'refuse'>;

  constructor(socket: ClientSocket, name: string, grant: Grant, hooks: Pick<Member, 'end' | 'refuse'>) {
    this.socket = socket;
    this.prefixKey = name;
    this.prefix = encodeName(name);
    this.grant = grant;
    this.#hooks = hooks;
  }

  acknowledge(isApplied: boolean): void {
    this.socket.send(
      encodeFrame(this.prefixKey, (encoder) => {
        encoding.writeVarUint(encoder, MESSAGE.syncStatus);
        encoding.writeVarUint(encoder, isApplied ? 1 : 0);
      }),
    );
  }

  end(reason: CloseReason, message: string): void {
    this.#hooks.end(reason, message);
  }

  refuse(error: unknown): void {
    this.#hooks.refuse(error);
  }
}

export class HocuspocusClient {
  readonly #setup: HocuspocusClientSetup;
  readonly #socket: ClientSocket;
  readonly #members = new Map<string, HocuspocusMember>();
  /** Messages for documents whose token has not come. */
  readonly #early = new Map<string, Uint8Array[]>();
  #earlyMessages = 0;
  #earlyBytes = 0;

  constructor(socket: WebSocket, raw: Socket, setup: HocuspocusClientSetup) {
    this.#setup = setup;
    this.#socket = new ClientSocket(socket, raw, {
      handleMessage: (message) => this.#handle(message),
      handleClose: () => this.#leaveAll(),
      handleTooSlow: () => this.#close('tooSlow', 'the connection does not keep up'),
    });
    setup.rooms.watch(this.#socket);
  }

  #handle(frame: Uint8Array): void {
    try {
      if (frame.length === PING_BYTES && frame[0] === MESSAGE.ping)
        return this.#socket.send(Uint8Array.of(MESSAGE.pong));
      const decoder = decoding.createDecoder(frame);
      const name = guard(() => decoding.readVarString(decoder));
      const type = guard(() => decoding.readVarUint(decoder));
      if (type === MESSAGE.auth) return this.#handleAuth(name, decoder);
      const member = this.#members.get(name) ?? this.#admitUnasked(name);
      if (member === null) return this.#keepEarly(name, frame);
      this.#dispatch(member, type, decoder);
    } catch (error) {
      this.#refuse(error);
    }
  }

  #dispatch(member: HocuspocusMember, type: number, decoder: decoding.Decoder): void {
    const { room } = member;
    switch (type) {
      case MESSAGE.sync:
        return this.#handleSync(member, decoder);
      case MESSAGE.awareness:
        return room?.handleAwareness(member, readAwareness(decoder));
      case MESSAGE.queryAwareness:
        return room?.answerAwareness(member);
      case MESSAGE.stateless:
        return;
      case MESSAGE.close:
        return this.#leave(member);
      case MESSAGE.ping:
        return this.#socket.send(encodeFrame(member.prefixKey, (to) => encoding.writeVarUint(to, MESSAGE.pong)));
      case MESSAGE.pong:
        return;
      default:
        throw new Refusal('malformed', `messages of type ${type} are not known`);
    }
  }

  #handleSync(member: HocuspocusMember, decoder: decoding.Decoder): void {
    const { kind, bytes } = guard(() => ({
      kind: decoding.readVarUint(decoder),
      bytes: decoding.readVarUint8Array(decoder),
    }));
    if (kind > SYNC.update) throw new Refusal('malformed', `sync messages of type ${kind} are not known`);
    member.inbox?.run(() => {
      if (kind === SYNC.step1) member.room?.handleStep1(member, bytes);
      else member.room?.handleUpdate(member, bytes, kind === SYNC.step2);
    });
  }

  // --- who may

  #handleAuth(name: string, decoder: decoding.Decoder): void {
    const kind = guard(() => decoding.readVarUint(decoder));
    if (kind !== AUTH.token) throw new Refusal('malformed', 'not a message that clients send');
    const token = guard(() => decoding.readVarString(decoder));
    const known = this.#members.get(name);
    const grant = this.#permit(token === '' ? null : token, name);
    // A token that was renewed may allow more or less than the one before.
    if (known !== undefined && known.grant.isReadOnly !== (grant?.isReadOnly ?? true)) this.#leave(known);
    if (grant === null) return this.#deny(name, 'permission-denied');
    const member = this.#members.get(name) ?? this.#join(name, grant);
    if (member === null) return;
    member.grant = grant;
    this.#socket.send(
      encodeFrame(name, (encoder) => {
        encoding.writeVarUint(encoder, MESSAGE.auth);
        encoding.writeVarUint(encoder, AUTH.authenticated);
        encoding.writeVarString(encoder, grant.isReadOnly ? 'readonly' : 'read-write');
      }),
    );
    if (member === known) return;
    this.#greet(member);
  }

  /** Clients without a token say nothing about it, up to version 2: they may be allowed all the same. */
  #admitUnasked(name: string): HocuspocusMember | null {
    const grant = this.#permit(null, name);
    if (grant === null) return null;
    const member = this.#join(name, grant);
    if (member !== null) this.#greet(member);
    return member;
  }

  /** Null when it may not even read. */
  #permit(token: string | null, name: string): Grant | null {
    try {
      return this.#setup.authorise(token, name.split('/', 1)[0]!);
    } catch (error) {
      if (error instanceof Refusal) return null;
      throw error;
    }
  }

  #keepEarly(name: string, frame: Uint8Array): void {
    // Also of a document that was refused: its messages are on their way before the client knows.
    if (this.#earlyMessages >= EARLY_MESSAGES_MAX || this.#earlyBytes + frame.length > EARLY_BYTES_MAX) return;
    const early = this.#early.get(name) ?? [];
    early.push(frame);
    this.#early.set(name, early);
    this.#earlyMessages++;
    this.#earlyBytes += frame.length;
  }

  #takeEarly(name: string): readonly Uint8Array[] {
    const early = this.#early.get(name) ?? [];
    this.#early.delete(name);
    this.#earlyMessages -= early.length;
    for (const frame of early) this.#earlyBytes -= frame.length;
    return early;
  }

  // --- documents

  /** Null when there can be no such document, which the client has then been told. */
  #join(name: string, grant: Grant): HocuspocusMember | null {
    if (this.#members.size >= DOCUMENTS_MAX)
      throw new Refusal('forbidden', `a connection has ${DOCUMENTS_MAX} documents`);
    const member: HocuspocusMember = new HocuspocusMember(this.#socket, name, grant, {
      end: (reason, message) => this.#end(member, reason, message),
      refuse: (error) => this.#refuse(error),
    });
    try {
      const room = this.#setup.rooms.enter(placeOf(name), member);
      member.room = room;
      member.inbox = new Inbox(this.#socket, room, (error) => this.#refuse(error));
      this.#members.set(name, member);
      return member;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#deny(name, error.message);
      return null;
    }
  }

  #greet(member: HocuspocusMember): void {
    member.inbox?.run(() => member.room?.greet(member));
    for (const frame of this.#takeEarly(member.prefixKey)) this.#handle(frame);
  }

  /** What is wrong with the document is told; what is wrong with the client ends the connection. */
  #end(member: HocuspocusMember, reason: CloseReason, message: string): void {
    this.#leave(member);
    if (reason === 'deleted' || reason === 'notFound' || reason === 'unauthorized')
      this.#deny(member.prefixKey, message);
    else this.#close(reason, message);
  }

  #deny(name: string, reason: string): void {
    this.#takeEarly(name);
    this.#socket.send(
      encodeFrame(name, (encoder) => {
        encoding.writeVarUint(encoder, MESSAGE.auth);
        encoding.writeVarUint(encoder, AUTH.permissionDenied);
        encoding.writeVarString(encoder, reason);
      }),
    );
  }

  #refuse(error: unknown): void {
    if (error instanceof Refusal) return this.#close(error.reason, error.message);
    this.#setup.onBug(error);
    this.#close('goingAway', 'the node made a mistake; connect again');
  }

  #close(reason: CloseReason, message: string): void {
    this.#leaveAll();
    this.#socket.close(hocuspocusCode(reason), message);
  }

  #leaveAll(): void {
    for (const member of [...this.#members.values()]) this.#leave(member);
  }

  #leave(member: HocuspocusMember): void {
    const { room } = member;
    if (this.#members.get(member.prefixKey) === member) this.#members.delete(member.prefixKey);
    member.room = null;
    member.inbox?.close();
    if (room !== null) this.#setup.rooms.leave(room, member);
  }
}

/** `{db}/{collection}/{id}`, and since version 4 possibly a session behind a NUL. @throws Refusal */
function placeOf(name: string): Place {
  const [path] = name.split('\0', 1) as [string];
  const match = /^([^/]*)\/([^/]*)\/(.*)$/su.exec(path);
  if (match === null) throw new Refusal('notFound', 'a document is named DATABASE/COLLECTION/ID');
  return { database: match[1]!, collection: match[2]!, id: match[3]! };
}

function encodeName(name: string): Uint8Array {
  const encoder = encoding.createEncoder();
  encoding.writeVarString(encoder, name);
  return encoding.toUint8Array(encoder);
}

function encodeFrame(name: string, write: (encoder: encoding.Encoder) => void): Uint8Array {
  const encoder = encoding.createEncoder();
  encoding.writeVarString(encoder, name);
  write(encoder);
  return encoding.toUint8Array(encoder);
}

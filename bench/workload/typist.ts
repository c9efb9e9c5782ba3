/**
 * @module
 * Owns a client that types into a shared text as y-websocket and Hocuspocus do on the wire, and keeps a state vector in place of the
 * document: so that fifty of them leave the machine to the server. What it typed carries the moment at which it was due.
 */
import { once } from 'node:events';
import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import WebSocket from 'ws';
import * as Y from 'yjs';
import { rangesOf, type Range } from './update-range.ts';

export type Dialect = 'y-websocket' | 'hocuspocus';

export interface TypistOptions {
  readonly dialect: Dialect;
  /** Where the document is. */
  readonly url: string;
  /** Its name, which Hocuspocus puts into every frame. */
  readonly name: string;
  /** Notes an own character, by its client and clock. */
  readonly onTyped: (client: number, clock: number) => void;
  /** Notes what arrived of other clients. */
  readonly onArrived: (client: number, from: number, to: number) => void;
}

const SYNC = 0;
const AUTH = 2;
const [STEP_1, STEP_2, UPDATE] = [0, 1, 2] as const;
/** y-websocket waits for 100 ms, then twice as long, and so on. */
const RECONNECT_MS = 100;
const RECONNECT_MS_MAX = 2500;

export class Typist {
  readonly #options: TypistOptions;
  /** Own characters only. */
  readonly #doc = new Y.Doc();
  /** What is known of all clients. */
  readonly #known = new Map<number, number>();
  #early: Range[] = [];
  #socket: WebSocket | null = null;
  #attempts = 0;
  #isSynced = false;
  #isClosed = false;
  /** Own characters that came back: what a node has sent is on its disk. */
  #acknowledged = 0;

  private constructor(options: TypistOptions) {
    this.#options = options;
    this.#doc.on('update', (update: Uint8Array) => this.#send(UPDATE, update));
  }

  static async open(options: TypistOptions): Promise<Typist> {
    const typist = new Typist(options);
    typist.#connect();
    while (!typist.#isSynced) await new Promise((resolve) => setTimeout(resolve, 5));
    return typist;
  }

  get client(): number {
    return this.#doc.clientID;
  }

  /** Next clock by client. */
  get known(): ReadonlyMap<number, number> {
    return this.#known;
  }

  /** Own characters. */
  get typed(): number {
    return this.#doc.getText('text').length;
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** Types a character behind what it typed before, as long as it is there. */
  type(character: string): void {
    if (this.#isClosed) return;
    const text = this.#doc.getText('text');
    const clock = text.length;
    this.#known.set(this.client, clock + 1);
    this.#options.onTyped(this.client, clock);
    text.insert(clock, character);
  }

  close(): void {
    this.#isClosed = true;
    this.#socket?.terminate();
  }

  #connect(): void {
    const socket = new WebSocket(this.#options.url);
    socket.binaryType = 'nodebuffer';
    this.#socket = socket;
    socket.on('error', () => undefined);
    socket.on('message', (data: Buffer) => this.#handle(data));
    void once(socket, 'open').then(
      () => this.#greet(),
      () => undefined,
    );
    socket.once('close', () => {
      this.#isSynced = false;
      const waitMs = Math.min(RECONNECT_MS * 2 ** this.#attempts++, RECONNECT_MS_MAX);
      if (!this.#isClosed) setTimeout(() => this.#connect(), waitMs);
    });
  }

  #greet(): void {
    this.#attempts = 0;
    if (this.#options.dialect === 'hocuspocus') {
      this.#frame((encoder) => {
        encoding.writeVarUint(encoder, AUTH);
        encoding.writeVarUint(encoder, 0);
        encoding.writeVarString(encoder, '');
      });
    }
    const vector = encoding.createEncoder();
    encoding.writeVarUint(vector, this.#known.size);
    for (const [client, clock] of this.#known) {
      encoding.writeVarUint(vector, client);
      encoding.writeVarUint(vector, clock);
    }
    this.#send(STEP_1, encoding.toUint8Array(vector));
  }

  #send(kind: number, bytes: Uint8Array): void {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    this.#frame((encoder) => {
      encoding.writeVarUint(encoder, SYNC);
      encoding.writeVarUint(encoder, kind);
      encoding.writeVarUint8Array(encoder, bytes);
    });
  }

  #frame(write: (encoder: encoding.Encoder) => void): void {
    const encoder = encoding.createEncoder();
    if (this.#options.dialect === 'hocuspocus') encoding.writeVarString(encoder, this.#options.name);
    write(encoder);
    this.#socket!.send(encoding.toUint8Array(encoder));
  }

  #handle(data: Buffer): void {
    const decoder = decoding.createDecoder(data);
    if (this.#options.dialect === 'hocuspocus') decoding.readVarString(decoder);
    if (decoding.readVarUint(decoder) !== SYNC) return;
    const kind = decoding.readVarUint(decoder);
    const bytes = decoding.readVarUint8Array(decoder);
    if (kind === STEP_1) return this.#send(STEP_2, Y.encodeStateAsUpdate(this.#doc, bytes));
    this.#take(bytes);
    if (kind === STEP_2) this.#isSynced = true;
  }

  #take(update: Uint8Array): void {
    for (const range of rangesOf(update)) {
      if (range.client === this.client) this.#acknowledged = Math.max(this.#acknowledged, range.to);
      this.#note(range);
    }
    if (this.#early.length === 0) return;
    const early = this.#early;
    this.#early = [];
    for (const range of early) this.#note(range);
  }

  /** What comes before what it builds on counts with that. */
  #note(range: Range): void {
    const known = this.#known.get(range.client) ?? 0;
    if (range.from > known) this.#early.push(range);
    else if (range.to > known) {
      this.#known.set(range.client, range.to);
      this.#options.onArrived(range.client, known, range.to);
    }
  }
}

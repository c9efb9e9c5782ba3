/**
 * @module
 * Owns what is known about everything that ever left a node: the bytes of every batch under its name, and how far every node
 * has claimed to hold every origin durably.
 */
import { decodeBatchHeader, lastSeqOf } from '../../sync/batch.ts';
import type { BatchHeader } from '../../sync/batch.ts';
import { decodeFrame, PartAssembler } from '../../sync/protocol/frame.ts';
import { decodeSnapshotChunk } from '../../sync/snapshot.ts';
import { MESSAGE_BYTES_MAX } from '../../sync/protocol/limit.ts';
import type { DatabasePositions, Message } from '../../sync/protocol/message.ts';
import { PayloadCodec } from '../../sync/protocol/payload.ts';
import type { Compressor } from '../../sync/port.ts';
import type { Trace } from './trace.ts';

/** Database key → origin → sequence. */
export type Claims = Map<string, Map<number, number>>;

export class WireTap {
  readonly #payloads: PayloadCodec;
  readonly #trace: Trace;
  readonly #complain: (problem: string) => void;
  readonly #assemblers = new WeakMap<object, PartAssembler>();
  /** Name of a batch → its chain, which covers all its bytes and all before them. */
  readonly #batches = new Map<string, { chain: string; lastSeq: number }>();
  /** Requester, donor and transfer → database. */
  readonly #transfers = new Map<string, string>();
  /** Positions that a snapshot may have lifted somebody to → chain there. */
  readonly #snapshots = new Map<string, Uint8Array>();
  readonly #claims = new Map<number, Claims>();

  constructor(compressor: Compressor, trace: Trace, complain: (problem: string) => void) {
    this.#payloads = new PayloadCodec(compressor, 0);
    this.#trace = trace;
    this.#complain = complain;
  }

  /** What a node has told others it holds durably. */
  claimsOf(node: number): Claims {
    let claims = this.#claims.get(node);
    if (claims === undefined) this.#claims.set(node, (claims = new Map()));
    return claims;
  }

  /** The chain at a position that some snapshot ended with; undefined if none did. */
  snapshotChain(database: string, origin: number, seq: number): Uint8Array | undefined {
    return this.#snapshots.get(`${database} ${origin}:${seq}`);
  }

  /** A node was set back in time: what it said before no longer binds it. */
  forget(node: number): void {
    this.#claims.delete(node);
  }

  /** Reads one outgoing frame. */
  onFrame(channel: object, node: number, to: number, frame: Uint8Array): void {
    let message: Message | null = decodeFrame(frame);
    this.#trace.count(`frames ${message.type}`);
    if (message.type === 'part') {
      let assembler = this.#assemblers.get(channel);
      if (assembler === undefined) this.#assemblers.set(channel, (assembler = new PartAssembler(MESSAGE_BYTES_MAX)));
      message = assembler.add(message);
      if (message === null) return;
    }
    const read = message;
    this.#trace.debug(() => `${node}>${to} ${describeMessage(read)}`);
    this.#onMessage(node, to, message);
  }

  #onMessage(node: number, to: number, message: Message): void {
    if (message.type === 'data') {
      for (const batch of this.#payloads.decodeBatches(message.payload)) {
        const header = this.checkBatch(node, message.database, batch);
        this.#claim(node, message.database, header.origin, lastSeqOf(header));
      }
    } else if (message.type === 'vector' || message.type === 'ack') {
      for (const positions of message.databases) this.#claimAll(node, positions);
    } else if (message.type === 'pull') {
      for (const { origin, seq } of message.positions) this.#claim(node, message.database, origin, seq);
    } else if (message.type === 'snapshot-request') {
      this.#transfers.set(`${node} ${to} ${message.transfer}`, message.database);
    } else if (message.type === 'snapshot-chunk') {
      const { rows, begin } = decodeSnapshotChunk(this.#payloads.decodeChunk(message.payload));
      if (begin?.continues === true) this.#trace.count('snapshots gone on with');
      this.#trace.count('documents in snapshots', rows.length);
    } else if (message.type === 'snapshot-end') {
      const database = this.#transfers.get(`${to} ${node} ${message.transfer}`) ?? '';
      for (const [origin, { seq, chain }] of message.vector) this.#snapshots.set(`${database} ${origin}:${seq}`, chain);
    }
  }

  #claimAll(node: number, { database, positions }: DatabasePositions): void {
    for (const { origin, seq } of positions) this.#claim(node, database, origin, seq);
  }

  #claim(node: number, database: string, origin: number, seq: number): void {
    const claims = this.claimsOf(node);
    let vector = claims.get(database);
    if (vector === undefined) claims.set(database, (vector = new Map()));
    vector.set(origin, Math.max(seq, vector.get(origin) ?? 0));
  }

  /** Invariants I2 and I4: one name, one content, wherever it is seen. */
  checkBatch(node: number, database: string, bytes: Uint8Array): BatchHeader {
    const header = decodeBatchHeader(bytes);
    const lastSeq = lastSeqOf(header);
    const name = `${database} ${header.origin}:${header.firstSeq}`;
    const chain = `${hex(header.chain)}:${bytes.length}`;
    const known = this.#batches.get(name);
    if (known === undefined) this.#batches.set(name, { chain, lastSeq });
    else if (known.chain !== chain || known.lastSeq !== lastSeq) {
      this.#complain(`[I2] [I4] two different batches are called ${name} (node ${node})`);
    }
    return header;
  }
}

function describeMessage(message: Message): string {
  return JSON.stringify(message, (_, value: unknown) => {
    if (value instanceof Uint8Array) return value.length > 8 ? `${value.length} B` : hex(value);
    return value instanceof Map
      ? [...value].map(([key, entry]) => [key, (entry as { seq?: number }).seq ?? entry])
      : value;
  });
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}

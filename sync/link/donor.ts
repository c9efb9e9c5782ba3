/**
 * @module
 * Owns the sending side of one snapshot: reads a chunk only when there is credit for it, and sends it at once, so that a
 * snapshot needs no memory beyond the window.
 */
import type { SnapshotSource } from '../engine.ts';
import { SyncError } from '../errors.ts';
import { CLOSE_CODES } from '../protocol/close-code.ts';
import { FRAME_BODY_BYTES_MAX } from '../protocol/limit.ts';
import type { SnapshotRequestMessage } from '../protocol/message.ts';
import type { VersionVector } from '../version-vector.ts';
import type { LinkContext } from './context.ts';
import type { OutgoingFlow } from './flow.ts';

export class Donor {
  readonly #context: LinkContext;
  readonly #flow: OutgoingFlow;
  readonly #transfer: number;
  readonly #onProgress: () => void;
  #source: SnapshotSource | null = null;
  #chunks: AsyncIterator<Uint8Array> | null = null;
  #index = 0;
  #isReading = false;
  #isDone = false;

  /** @param onProgress - Called after every chunk and after the end. */
  constructor(context: LinkContext, flow: OutgoingFlow, request: SnapshotRequestMessage, onProgress: () => void) {
    this.#context = context;
    this.#flow = flow;
    this.#transfer = request.transfer;
    this.#onProgress = onProgress;
    context.engine.snapshot(request.database, request.since, request.held).then(
      (source) => this.#handleOpen(source),
      (error: unknown) => this.#fail(error),
    );
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  /** Empty before the snapshot was opened. */
  get vector(): VersionVector {
    return this.#source?.vector ?? new Map();
  }

  /** Reads and sends the next chunk if there is room for it. */
  pump(): void {
    if (this.#chunks === null || this.#isReading || this.#isDone || !this.#flow.hasRoom(FRAME_BODY_BYTES_MAX)) return;
    this.#isReading = true;
    this.#flow.reserve(FRAME_BODY_BYTES_MAX);
    this.#chunks.next().then(
      (result) => this.#handleRead(result.done === true ? null : result.value),
      (error: unknown) => this.#fail(error),
    );
  }

  cancel(): void {
    if (this.#isDone) return;
    if (this.#isReading) this.#flow.release(FRAME_BODY_BYTES_MAX);
    this.#isReading = false;
    this.#finish();
  }

  #handleOpen(source: SnapshotSource): void {
    this.#source = source;
    if (this.#isDone) return this.#free();
    this.#chunks = source.chunks()[Symbol.asyncIterator]();
    this.#onProgress();
  }

  #finish(): void {
    this.#isDone = true;
    this.#free();
  }

  #free(): void {
    // A store that is closing frees it by itself.
    this.#source?.close().catch(() => undefined);
  }

  #fail(error: unknown): void {
    if (this.#isDone) return;
    this.cancel();
    // A node that stops is no broken one.
    const code = isClosing(error) ? CLOSE_CODES.GOING_AWAY : CLOSE_CODES.INTERNAL_ERROR;
    this.#context.close(code, `snapshot failed: ${String(error)}`);
  }

  #handleRead(chunk: Uint8Array | null): void {
    if (this.#isDone) return;
    this.#isReading = false;
    this.#flow.release(FRAME_BODY_BYTES_MAX);
    if (chunk === null) {
      this.#finish();
      this.#context.send({ type: 'snapshot-end', transfer: this.#transfer, chunks: this.#index, vector: this.vector });
    } else {
      const weight = chunk.length;
      const payload = this.#context.payloads.encodeChunk(chunk, this.#context.peer.canDeflate);
      const offset = this.#flow.send(weight);
      this.#context.send({
        type: 'snapshot-chunk',
        transfer: this.#transfer,
        index: this.#index++,
        offset,
        weight,
        payload,
      });
    }
    this.#onProgress();
  }
}

function isClosing(error: unknown): boolean {
  return error instanceof SyncError && error.code === 'SYNC_CLOSED';
}

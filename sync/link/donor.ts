/**
 * @module
 * Owns the sending side of one snapshot: reads a chunk only when there is credit for it, and sends it at once, so that a
 * snapshot needs no memory beyond the window.
 */
import type { SnapshotSource } from '../engine.ts';
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
  readonly #source: SnapshotSource;
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #onProgress: () => void;
  #index = 0;
  #isReading = false;
  #isDone = false;

  /** @param onProgress - Called after every chunk and after the end. */
  constructor(context: LinkContext, flow: OutgoingFlow, request: SnapshotRequestMessage, onProgress: () => void) {
    this.#context = context;
    this.#flow = flow;
    this.#transfer = request.transfer;
    this.#source = context.engine.snapshot(request.database, request.since);
    this.#chunks = this.#source.chunks()[Symbol.asyncIterator]();
    this.#onProgress = onProgress;
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  get vector(): VersionVector {
    return this.#source.vector;
  }

  /** Reads and sends the next chunk if there is room for it. */
  pump(): void {
    if (this.#isReading || this.#isDone || !this.#flow.hasRoom(FRAME_BODY_BYTES_MAX)) return;
    this.#isReading = true;
    this.#flow.reserve(FRAME_BODY_BYTES_MAX);
    this.#chunks.next().then(
      (result) => this.#handleRead(result.done === true ? null : result.value),
      (error: unknown) => {
        this.cancel();
        this.#context.close(CLOSE_CODES.INTERNAL_ERROR, `snapshot failed: ${String(error)}`);
      },
    );
  }

  cancel(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    if (this.#isReading) this.#flow.release(FRAME_BODY_BYTES_MAX);
    this.#isReading = false;
    this.#chunks.return?.().catch(() => {});
  }

  #handleRead(chunk: Uint8Array | null): void {
    if (this.#isDone) return;
    this.#isReading = false;
    this.#flow.release(FRAME_BODY_BYTES_MAX);
    if (chunk === null) {
      this.#isDone = true;
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

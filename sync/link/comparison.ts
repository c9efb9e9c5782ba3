/**
 * @module
 * Owns one comparison of a database with the peer of a link: sketches until one side can decode their difference, then each side
 * takes the documents that only the other has. At most one message of documents is on its way at a time.
 */
import { BUCKETS } from '../bucket-digest.ts';
import type { BucketRange, DocumentIndex, Equality, RepairReport } from '../equality.ts';
import { malformed } from '../protocol/field.ts';
import { SKETCH_CELLS_MAX } from '../protocol/limit.ts';
import type { DocumentsMessage } from '../protocol/repair-message.ts';
import type {
  DifferencesMessage,
  DocumentRequestMessage,
  SketchMessage,
  SketchRequestMessage,
} from '../protocol/repair-message.ts';
import { cellsFor, decodeSketch } from '../sketch-decoder.ts';
import { CELLS_MAX, CELL_BYTES, SYMBOL_BYTES, Sketch, readSymbol, writeSymbol } from '../sketch.ts';
import type { Symbol56 } from '../sketch.ts';
import type { LinkContext } from './context.ts';

/** Cells of the first message: they decode about ten changed documents, and tell roughly how many there are otherwise. */
const FIRST_CELLS = 64;
/** Cells that tell how many differences there are when they are too many. */
const ROUGH_CELLS = 1024;
/** Bytes of documents per message: what a comparison holds beyond the window. */
const DOCUMENTS_BYTES_TARGET: number = 48 * 1024;
/** Documents asked for at a time. */
const SYMBOLS_PER_REQUEST = 512;
/** Above this estimate, which may be off by a fifth, the first answer is too short on purpose: from its cells the rest is known well. */
const ESTIMATE_ROUGH_MIN = 300;
/** Differences that a sketch of the largest size decodes. */
const DIFFERENCES_MAX: number = Math.floor(CELLS_MAX / 1.45);

export interface ComparisonSetup {
  readonly context: LinkContext;
  readonly equality: Equality;
  readonly session: number;
  readonly database: string;
  readonly salt: Uint8Array;
  readonly buckets: BucketRange;
  readonly isOpener: boolean;
  /** Once, with what came of it; null when it was given up. */
  readonly onEnd: (outcome: ComparisonOutcome | null) => void;
}

export interface ComparisonOutcome {
  /** Documents that either side had to take. */
  readonly repaired: number;
  /** Too many differences for one sketch: look at this share of the buckets at a time. */
  readonly share: number;
}

export class Comparison {
  readonly session: number;
  readonly database: string;
  /** Ticks without a message. */
  idleTicks = 0;
  readonly #setup: ComparisonSetup;
  #index: DocumentIndex | null = null;
  /** Cells of the peer so far. */
  #cells: Uint8Array = new Uint8Array();
  #peerDocuments = 0;
  #wanted: readonly Symbol56[] | null = null;
  #repaired = 0;
  readonly #examples: string[] = [];
  #atPeer: number | null = null;
  #isDone = false;
  #heldBytes = 0;
  #isAnswered = false;
  #isEnded = false;

  constructor(setup: ComparisonSetup) {
    this.#setup = setup;
    this.session = setup.session;
    this.database = setup.database;
  }

  /** Opened here, and the peer has not answered yet. */
  get isUnanswered(): boolean {
    return this.#setup.isOpener && !this.#isAnswered;
  }

  /** Bytes received and not merged yet. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** The opener's first message. */
  async open(): Promise<void> {
    const index = await this.#build();
    this.#sendCells(await index.sketch(FIRST_CELLS), 0, FIRST_CELLS);
  }

  async handleSketch(message: SketchMessage): Promise<void> {
    this.idleTicks = 0;
    this.#isAnswered = true;
    const { cells, firstCell } = message;
    if (cells.length % CELL_BYTES !== 0 || cells.length > SKETCH_CELLS_MAX * CELL_BYTES) throw malformed('cells');
    if (firstCell * CELL_BYTES !== this.#cells.length) throw malformed('cells that do not follow');
    const all = new Uint8Array(this.#cells.length + cells.length);
    all.set(this.#cells);
    all.set(cells, this.#cells.length);
    this.#cells = all;
    this.#peerDocuments = message.documents;
    await this.#decode();
  }

  async handleSketchRequest({ firstCell, cells }: SketchRequestMessage): Promise<void> {
    this.idleTicks = 0;
    const end = Math.min(CELLS_MAX, firstCell + Math.min(cells, SKETCH_CELLS_MAX));
    if (this.#index === null || firstCell >= end) throw malformed('a request for cells');
    this.#sendCells(await this.#index.sketch(end), firstCell, end);
  }

  async handleDifferences({ symbols }: DifferencesMessage): Promise<void> {
    this.idleTicks = 0;
    this.#isAnswered = true;
    if (this.#wanted !== null) return;
    this.#take(readSymbols(symbols));
  }

  async handleRequest({ symbols }: DocumentRequestMessage): Promise<void> {
    this.idleTicks = 0;
    if (this.#index === null) throw malformed('a request before the comparison');
    const wanted = readSymbols(symbols).slice(0, SYMBOLS_PER_REQUEST);
    const { context, equality } = this.#setup;
    const { rows, done } = await equality.read(this.database, this.#index, wanted, DOCUMENTS_BYTES_TARGET);
    if (this.#isEnded) return;
    const payload = context.payloads.encodeChunk(rows, context.peer.canDeflate);
    context.send({ type: 'documents', session: this.session, done, payload });
  }

  async handleDocuments({ done, payload }: DocumentsMessage): Promise<void> {
    this.idleTicks = 0;
    if (this.#wanted === null || this.#wanted.length === 0 || done === 0) throw malformed('documents nobody asked for');
    const rows = this.#setup.context.payloads.decodeChunk(payload);
    this.#heldBytes = rows.length;
    const { repaired, examples } = await this.#setup.equality.merge(this.database, rows);
    this.#heldBytes = 0;
    if (this.#isEnded) return;
    this.#repaired += repaired;
    this.#examples.push(...examples);
    this.#wanted = this.#wanted.slice(done);
    this.#requestNext();
  }

  handleEnd(repaired: number): void {
    this.idleTicks = 0;
    this.#atPeer = repaired;
    this.#endIfBothDone();
  }

  /** Gives up. */
  cancel(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#index = null;
    this.#setup.onEnd(null);
  }

  async #build(): Promise<DocumentIndex> {
    const { equality, database, salt, buckets } = this.#setup;
    this.#index ??= await equality.index(database, salt, buckets);
    return this.#index;
  }

  #sendCells(sketch: Sketch, from: number, to: number): void {
    if (this.#isEnded || this.#index === null) return;
    const { context, salt, buckets } = this.#setup;
    context.send({
      type: 'sketch',
      session: this.session,
      database: this.database,
      salt,
      firstBucket: buckets.first,
      buckets: buckets.count,
      documents: this.#index.documents,
      firstCell: from,
      cells: sketch.encode(from, to),
    });
  }

  /** The opener's set is the first one of the difference, for both. */
  async #decode(): Promise<void> {
    const index = await this.#build();
    const theirs = Sketch.decode(this.#cells);
    const ours = await index.sketch(theirs.length);
    if (this.#isEnded) return;
    const { isOpener } = this.#setup;
    const result = decodeSketch(ours.subtract(theirs), index.documents - this.#peerDocuments);
    if (result.outcome === 'decoded') {
      this.#setup.context.send({ type: 'differences', session: this.session, symbols: writeSymbols(result.ours) });
      return this.#take(result.theirs);
    }
    if (!isOpener) {
      // The answer to the first cells: our own. Who has more of them knows more.
      const cells = answerCells(result.estimate);
      return this.#sendCells(await index.sketch(cells), 0, cells);
    }
    if (result.estimate > DIFFERENCES_MAX || theirs.length >= CELLS_MAX) this.#narrow(result.estimate);
    else this.#requestCells(theirs.length, cellsFor(result.estimate * 1.02));
  }

  #requestCells(have: number, enough: number): void {
    const cells = Math.min(SKETCH_CELLS_MAX, CELLS_MAX - have, Math.max(enough - have, Math.ceil(have / 8)));
    this.#setup.context.send({ type: 'sketch-request', session: this.session, firstCell: have, cells });
  }

  /** Too many differences for one sketch: ends this comparison, and the next ones look at a part each. */
  #narrow(estimate: number): void {
    this.#setup.context.send({ type: 'repair-end', session: this.session, repaired: 0 });
    this.#finish(Math.min(0.5, DIFFERENCES_MAX / (2 * estimate)));
  }

  #take(symbols: readonly Symbol56[]): void {
    this.#wanted = symbols;
    this.#cells = new Uint8Array();
    this.#requestNext();
  }

  #requestNext(): void {
    const wanted = this.#wanted!.slice(0, SYMBOLS_PER_REQUEST);
    if (wanted.length > 0) {
      const symbols = writeSymbols(wanted);
      return this.#setup.context.send({ type: 'document-request', session: this.session, symbols });
    }
    this.#isDone = true;
    this.#setup.context.send({ type: 'repair-end', session: this.session, repaired: this.#repaired });
    this.#endIfBothDone();
  }

  #endIfBothDone(): void {
    if (this.#isEnded || this.#atPeer === null) return;
    // A peer that ends before we know any difference has given up.
    if (!this.#isDone && this.#wanted !== null) return;
    this.#finish(1);
  }

  #finish(share: number): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    const { equality, context, onEnd } = this.#setup;
    const atPeer = this.#atPeer ?? 0;
    const report: RepairReport = { repaired: this.#repaired, examples: this.#examples };
    if (share === 1 && this.#isDone)
      equality.conclude(this.database, this.#index!, context.peer.nodeId, report, atPeer);
    this.#index = null;
    onEnd({ repaired: this.#repaired + atPeer, share });
  }
}

function answerCells(estimate: number): number {
  // Enough for the opener to see that a part is enough for now.
  if (estimate > DIFFERENCES_MAX) return ROUGH_CELLS;
  const guess = estimate < ESTIMATE_ROUGH_MIN ? cellsFor(estimate * 1.3) : Math.ceil(estimate);
  return Math.min(SKETCH_CELLS_MAX, Math.max(guess, FIRST_CELLS + 1));
}

export const ALL_BUCKETS: BucketRange = { first: 0, count: BUCKETS };

function writeSymbols(symbols: readonly Symbol56[]): Uint8Array {
  const bytes = new Uint8Array(symbols.length * SYMBOL_BYTES);
  symbols.forEach((symbol, i) => writeSymbol(bytes, i * SYMBOL_BYTES, symbol));
  return bytes;
}

function readSymbols(bytes: Uint8Array): Symbol56[] {
  if (bytes.length % SYMBOL_BYTES !== 0) throw malformed('symbols');
  return Array.from({ length: bytes.length / SYMBOL_BYTES }, (_, i) => readSymbol(bytes, i * SYMBOL_BYTES));
}

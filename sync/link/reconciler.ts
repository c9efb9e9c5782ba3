/**
 * @module
 * Owns the proof of equality on one link: who tells whom where its databases stand, when that calls for a comparison, and
 * documents that cannot be read here and are fetched. PROTOCOL.md section "Comparison".
 */
import { AtollError } from '../../crdt/index.ts';
import { BUCKETS } from '../bucket-digest.ts';
import type { BucketRange, Equality, Fingerprint } from '../equality.ts';
import { CLOSE_CODES } from '../protocol/close-code.ts';
import { malformed } from '../protocol/field.ts';
import { SALT_BYTES } from '../protocol/limit.ts';
import type {
  ContentMessage,
  DatabaseFingerprint,
  DigestMessage,
  DocumentFetchMessage,
  DocumentsMessage,
  RepairMessage,
  SketchMessage,
} from '../protocol/repair-message.ts';
import { ALL_BUCKETS, Comparison } from './comparison.ts';
import type { ComparisonOutcome } from './comparison.ts';
import type { LinkContext } from './context.ts';

/** Ticks without a message until a comparison is given up: the peer may have to read a large database first. */
const IDLE_TICKS_MAX = 120;
/** Heartbeats between comparisons of one database that changed nothing, doubling. */
const WAIT_BEATS_MIN = 2;
const WAIT_BEATS_MAX = 64;
const FETCH_BYTES_TARGET: number = 48 * 1024;
const NAMES_PER_FETCH = 64;
/** Documents per CONTENT. */
const SAMPLE_MAX = 64;

interface Fetch {
  readonly session: number;
  readonly database: string;
  ticks: number;
}

interface Patience {
  beats: number;
  next: number;
}

export class Reconciler {
  readonly #context: LinkContext;
  readonly #equality: Equality | null;
  /** Database → what was said of it last, and what was true at the last heartbeat. */
  readonly #told = new Map<string, Fingerprint>();
  readonly #previous = new Map<string, Fingerprint>();
  readonly #patience = new Map<string, Patience>();
  /** Where the next comparison of a database with too many differences goes on. */
  readonly #parts = new Map<string, BucketRange>();
  readonly #comparisons = new Map<number, Comparison>();
  /** Databases with losses here, at the last heartbeat. */
  #suspects: ReadonlySet<string> = new Set();
  #fetch: Fetch | null = null;
  #nextFetched = 0;
  #sample: object | null = null;
  #nextSession: number;
  #isClosed = false;

  constructor(context: LinkContext) {
    this.#context = context;
    this.#equality = context.engine.equality ?? null;
    // The two sides number their sessions apart.
    this.#nextSession = this.#isFirst ? 2 : 1;
  }

  /** Bytes held because of the peer. */
  get heldBytes(): number {
    let bytes = 0;
    for (const comparison of this.#comparisons.values()) bytes += comparison.heldBytes;
    return bytes;
  }

  /** Databases being compared with the peer. */
  get comparing(): readonly string[] {
    return [...this.#comparisons.values()].map(({ database }) => database);
  }

  /** With every heartbeat: tells where quiet databases stand, if that is news. */
  beat(): void {
    const equality = this.#equality;
    if (equality === null) return;
    const databases: DatabaseFingerprint[] = [];
    for (const database of this.#context.engine.databases()) {
      const fingerprint = equality.fingerprint(database);
      if (fingerprint === null) continue;
      const isQuiet = this.#previous.get(database) === fingerprint;
      this.#previous.set(database, fingerprint);
      if (!isQuiet || this.#told.get(database) === fingerprint) continue;
      this.#told.set(database, fingerprint);
      databases.push({ database, ...fingerprint });
    }
    for (const patience of this.#patience.values()) patience.beats--;
    if (databases.length > 0) this.#context.send({ type: 'digest', databases });
    this.#openSuspects(equality.suspects());
  }

  /** Both sides may have lost something. One of them begins; the other does with its next heartbeat if it has to. */
  #openSuspects(suspects: readonly string[]): void {
    for (const database of suspects) if (this.#isFirst || this.#suspects.has(database)) this.#open(database);
    this.#suspects = new Set(suspects);
  }

  tick(): void {
    for (const comparison of this.#comparisons.values()) {
      if (++comparison.idleTicks > IDLE_TICKS_MAX) comparison.cancel();
    }
    if (this.#fetch !== null && ++this.#fetch.ticks > IDLE_TICKS_MAX) this.#fetch = null;
    this.#fetchNext();
    this.#sendSample();
  }

  /** Documents that were checked here since the last tick. About one of our peers gets each sample, so many cost no more than one. */
  #sendSample(): void {
    const sample = this.#equality?.sample() ?? null;
    if (sample === null || sample === this.#sample) return;
    this.#sample = sample;
    const peers = Math.max(1, this.#context.linkedNodes().length);
    if (this.#context.random.bytes(1)[0]! % peers !== 0) return;
    const documents = sample.documents.slice(0, SAMPLE_MAX);
    this.#context.send({ type: 'content', database: sample.database, isAnswer: false, documents });
  }

  async #handleContent({ database, isAnswer, documents }: ContentMessage): Promise<void> {
    if (documents.length > SAMPLE_MAX) throw malformed('too many documents at once');
    const differing = (await this.#equality?.compare(database, documents, this.#context.peer.nodeId)) ?? [];
    if (differing.length === 0 || isAnswer || this.#isClosed) return;
    this.#context.send({ type: 'content', database, isAnswer: true, documents: differing });
  }

  close(): void {
    this.#isClosed = true;
    for (const comparison of [...this.#comparisons.values()]) comparison.cancel();
  }

  handle(message: RepairMessage): void {
    if (message.type === 'digest') for (const entry of message.databases) this.#compare(entry);
    else this.#run(() => this.#dispatch(message));
  }

  get #isFirst(): boolean {
    return this.#context.selfNode < this.#context.peer.nodeId;
  }

  /** Equal vectors must have equal digests. One side acts; the other makes sure that it knows. */
  #compare(theirs: DatabaseFingerprint): void {
    const ours = this.#equality?.fingerprint(theirs.database) ?? null;
    if (ours === null || !isSame(ours.vector, theirs.vector)) return;
    const isEqual = isSame(ours.digest, theirs.digest);
    this.#equality?.noteCompared(theirs.database, this.#context.peer.nodeId, isEqual);
    if (isEqual) {
      this.#patience.delete(theirs.database);
      this.#parts.delete(theirs.database);
      return;
    }
    // Said again with the next heartbeats until they are equal.
    this.#told.delete(theirs.database);
    if (this.#isFirst) this.#open(theirs.database);
  }

  #open(database: string): void {
    const equality = this.#equality!;
    const patience = this.#patience.get(database);
    if (patience !== undefined && patience.beats > 0) return;
    if (this.#comparisons.size > 0 || !equality.begin(database)) return;
    const session = this.#nextSession;
    this.#nextSession += 2;
    const salt = this.#context.random.bytes(SALT_BYTES);
    const comparison = this.#start(session, database, salt, this.#parts.get(database) ?? ALL_BUCKETS, true);
    this.#run(() => comparison.open());
  }

  #start(session: number, database: string, salt: Uint8Array, buckets: BucketRange, isOpener: boolean): Comparison {
    const equality = this.#equality!;
    const comparison: Comparison = new Comparison({
      context: this.#context,
      equality,
      session,
      database,
      salt,
      buckets,
      isOpener,
      onEnd: (outcome) => {
        this.#comparisons.delete(session);
        equality.end(database);
        if (isOpener) this.#conclude(database, buckets, outcome);
      },
    });
    this.#comparisons.set(session, comparison);
    return comparison;
  }

  /** What found nothing is not repeated at once; what found too much goes on with a part. */
  #conclude(database: string, buckets: BucketRange, outcome: ComparisonOutcome | null): void {
    this.#told.delete(database);
    if (outcome !== null && outcome.share < 1) {
      this.#parts.set(database, {
        first: buckets.first,
        count: Math.max(1, Math.floor(buckets.count * outcome.share)),
      });
      return;
    }
    const part = this.#parts.get(database);
    if (part !== undefined && outcome !== null) {
      const first = part.first + part.count;
      if (first >= BUCKETS) this.#parts.delete(database);
      else this.#parts.set(database, { first, count: Math.min(part.count, BUCKETS - first) });
      return;
    }
    const next = outcome !== null && outcome.repaired > 0 ? WAIT_BEATS_MIN : this.#patience.get(database)?.next;
    const beats = next ?? WAIT_BEATS_MIN;
    this.#patience.set(database, { beats, next: Math.min(WAIT_BEATS_MAX, beats * 2) });
  }

  async #dispatch(message: Exclude<RepairMessage, DigestMessage>): Promise<void> {
    if (message.type === 'sketch') return this.#handleSketch(message);
    if (message.type === 'content') return this.#handleContent(message);
    if (message.type === 'document-fetch') return this.#handleFetch(message);
    if (message.type === 'documents' && message.session === this.#fetch?.session) return this.#handleFetched(message);
    const comparison = this.#comparisons.get(message.session);
    // Of one that was given up here.
    if (comparison === undefined) return;
    switch (message.type) {
      case 'sketch-request':
        return comparison.handleSketchRequest(message);
      case 'differences':
        return comparison.handleDifferences(message);
      case 'document-request':
        return comparison.handleRequest(message);
      case 'documents':
        return comparison.handleDocuments(message);
      case 'repair-end':
        return comparison.handleEnd(message.repaired);
    }
  }

  async #handleSketch(message: SketchMessage): Promise<void> {
    const known = this.#comparisons.get(message.session);
    if (known !== undefined) return known.handleSketch(message);
    const { session, database, salt, firstBucket, buckets } = message;
    const isOpening = message.firstCell === 0 && session % 2 === (this.#isFirst ? 1 : 0);
    if (!isOpening) return;
    // Both opened one at once: that of the smaller node id goes on.
    for (const own of this.#comparisons.values()) if (own.isUnanswered && !this.#isFirst) own.cancel();
    if (this.#comparisons.size > 0) return;
    if (buckets < 1 || firstBucket + buckets > BUCKETS) throw malformed('buckets');
    if (this.#equality === null || !this.#context.engine.databases().includes(database)) return;
    if (!this.#equality.begin(database)) return;
    await this.#start(session, database, salt, { first: firstBucket, count: buckets }, false).handleSketch(message);
  }

  // --- documents that cannot be read

  /** Asks the peer for what cannot be read here, one message at a time. */
  #fetchNext(): void {
    const equality = this.#equality;
    if (equality === null || this.#fetch !== null || this.#isClosed) return;
    for (const database of this.#context.engine.databases()) {
      const all = equality.quarantined(database, this.#context.peer.nodeId);
      if (all.length === 0) continue;
      // What this peer does not have must not keep the others waiting.
      const first = this.#nextFetched < all.length ? this.#nextFetched : 0;
      this.#nextFetched = first + NAMES_PER_FETCH;
      const documents = all.slice(first, this.#nextFetched);
      const session = this.#nextSession;
      this.#nextSession += 2;
      this.#fetch = { session, database, ticks: 0 };
      const since = this.#context.engine.vector(database);
      return this.#context.send({ type: 'document-fetch', session, database, since, documents });
    }
  }

  async #handleFetch({ session, database, since, documents }: DocumentFetchMessage): Promise<void> {
    if (documents.length > NAMES_PER_FETCH) throw malformed('too many documents at once');
    const rows = (await this.#equality?.readNamed(database, documents, since, FETCH_BYTES_TARGET)) ?? null;
    if (this.#isClosed) return;
    const { payloads, peer } = this.#context;
    const payload = payloads.encodeChunk(rows ?? new Uint8Array(), rows !== null && peer.canDeflate);
    this.#context.send({ type: 'documents', session, done: rows === null ? 0 : documents.length, payload });
  }

  async #handleFetched({ done, payload }: DocumentsMessage): Promise<void> {
    const { database } = this.#fetch!;
    if (done > 0) {
      const rows = this.#context.payloads.decodeChunk(payload);
      await this.#equality!.replace(database, rows, this.#context.peer.nodeId);
    }
    // What the peer does not have either is asked for again with the next tick.
    this.#fetch = null;
  }

  /** A failure here costs the link when the peer is to blame, and only the comparison otherwise. */
  #run(work: () => Promise<void>): void {
    work().catch((error: unknown) => {
      if (this.#isClosed) return;
      this.#fetch = null;
      for (const comparison of [...this.#comparisons.values()]) comparison.cancel();
      const code = error instanceof AtollError ? error.code : '';
      const reason = error instanceof Error ? error.message : String(error);
      if (code === 'SYNC_FRAME_MALFORMED') this.#context.close(CLOSE_CODES.FRAME_MALFORMED, reason);
      else if (code === 'SYNC_BATCH_MALFORMED') this.#context.close(CLOSE_CODES.BATCH_REFUSED, reason);
      else if (!code.startsWith('STORAGE_') && code !== 'SYNC_CLOSED') {
        this.#context.close(CLOSE_CODES.INTERNAL_ERROR, reason);
      }
    });
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

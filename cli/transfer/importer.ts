/**
 * @module
 * Owns the flow of an import: batches of bounded size, a few in flight, resent while no node answers, acknowledged in input
 * order. Safe to repeat because a document with one id is replaced by itself. SPEC.md CL13–CL15.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { ClientError, type BulkAnswerLine, type CollectionClient } from '../client.ts';
import { isRefusal, type DocumentLine, type Refusal } from './document-line.ts';
import type { InputPosition } from './element-splitter.ts';

const RETRY_DELAY_MS_MIN = 100;
const RETRY_DELAY_MS_MAX = 3_000;

export interface ImportOptions {
  readonly collection: Pick<CollectionClient, 'writeMany'>;
  /** Documents per request. */
  readonly batchDocuments: number;
  /** Characters per request, soft. */
  readonly batchSize: number;
  /** Requests in flight. */
  readonly inflightMax: number;
  /** Milliseconds for which one batch is resent while no node takes it. */
  readonly retryMs: number;
  readonly signal: AbortSignal;
  readonly onRefused: (refusal: Refusal) => void;
  readonly onRetry: (error: ClientError) => void;
  /** Everything before `position` is durable on a node, or refused for good. Called in order, awaited. */
  readonly onAcknowledged: (position: InputPosition, imported: number, refused: number) => Promise<void>;
}

interface Batch {
  readonly entries: (DocumentLine | Refusal)[];
  readonly ids: Set<string>;
  size: number;
}

interface SentBatch extends Batch {
  /** Resolves with the refusals of the node. */
  readonly sent: Promise<readonly Refusal[]>;
}

/** Sends everything; resolves when all of it is acknowledged. Rejects with the first failure that retrying did not cure. */
export async function importDocuments(
  entries: AsyncIterable<DocumentLine | Refusal>,
  options: ImportOptions,
): Promise<void> {
  const inflight: SentBatch[] = [];
  let batch = createBatch();
  try {
    for await (const entry of entries) {
      options.signal.throwIfAborted();
      batch.entries.push(entry);
      if (!isRefusal(entry)) {
        batch.ids.add(entry.id);
        batch.size += entry.text.length;
      }
      if (batch.entries.length < options.batchDocuments && batch.size < options.batchSize) continue;
      await startBatch(batch, inflight, options);
      batch = createBatch();
    }
    if (batch.entries.length > 0) await startBatch(batch, inflight, options);
    while (inflight.length > 0) await settleOldest(inflight, options);
  } catch (error) {
    await acknowledgeFinished(inflight, options);
    throw error;
  }
}

function createBatch(): Batch {
  return { entries: [], ids: new Set(), size: 0 };
}

/** Waits for a free place, and for every batch in flight that writes one of the same ids: the later line must win. */
async function startBatch(batch: Batch, inflight: SentBatch[], options: ImportOptions): Promise<void> {
  while (inflight.length >= options.inflightMax || inflight.some((other) => shareId(batch, other))) {
    await settleOldest(inflight, options);
  }
  const sent = sendBatch(batch, options);
  // Awaited in order later on; until then a rejection must not count as unhandled.
  sent.catch(() => undefined);
  inflight.push({ ...batch, sent });
}

function shareId(left: Batch, right: Batch): boolean {
  for (const id of left.ids) if (right.ids.has(id)) return true;
  return false;
}

async function settleOldest(inflight: SentBatch[], options: ImportOptions): Promise<void> {
  const oldest = inflight[0] as SentBatch;
  await oldest.sent;
  inflight.shift();
  await acknowledge(oldest, options);
}

/** After a failure: what had arrived in order still counts, so that less is repeated. */
async function acknowledgeFinished(inflight: SentBatch[], options: ImportOptions): Promise<void> {
  const settled = await Promise.allSettled(inflight.map((batch) => batch.sent));
  for (const [index, result] of settled.entries()) {
    if (result.status === 'rejected') return;
    await acknowledge(inflight[index] as SentBatch, options);
  }
}

async function acknowledge(batch: SentBatch, options: ImportOptions): Promise<void> {
  const refusals = [...(await batch.sent), ...batch.entries.filter(isRefusal)].sort((a, b) => a.number - b.number);
  for (const refusal of refusals) options.onRefused(refusal);
  const last = batch.entries.at(-1) as DocumentLine | Refusal;
  await options.onAcknowledged(last.end, batch.entries.length - refusals.length, refusals.length);
}

/** Sends the documents of a batch until each has a final answer. */
async function sendBatch(batch: Batch, options: ImportOptions): Promise<readonly Refusal[]> {
  const documents = batch.entries.filter((entry): entry is DocumentLine => !isRefusal(entry));
  const refusals: Refusal[] = [];
  let from = 0;
  let failedSinceMs: number | null = null;
  let delayMs = RETRY_DELAY_MS_MIN;
  while (from < documents.length) {
    const attempt = await sendOnce(documents.slice(from), options);
    refusals.push(...attempt.refusals);
    from += attempt.settled;
    if (attempt.error === null) continue;
    failedSinceMs = attempt.settled > 0 ? performance.now() : (failedSinceMs ?? performance.now());
    if (!attempt.error.retryable || performance.now() - failedSinceMs >= options.retryMs) throw attempt.error;
    options.onRetry(attempt.error);
    await delay(delayMs * (0.5 + Math.random() / 2), undefined, { signal: options.signal });
    delayMs = Math.min(delayMs * 2, RETRY_DELAY_MS_MAX);
  }
  return refusals;
}

/** `settled` documents from the first have a final answer; `error` says why the next one has none. */
interface Attempt {
  readonly settled: number;
  readonly refusals: readonly Refusal[];
  readonly error: ClientError | null;
}

async function sendOnce(documents: readonly DocumentLine[], options: ImportOptions): Promise<Attempt> {
  let answers: readonly BulkAnswerLine[];
  try {
    answers = await options.collection.writeMany(
      documents.map((document) => document.text),
      { signal: options.signal },
    );
  } catch (error) {
    if (!(error instanceof ClientError)) throw error;
    return { settled: 0, refusals: [], error };
  }
  const refusals: Refusal[] = [];
  // From the first unanswered line on everything is sent again, because a later line may write the same id.
  for (const [index, document] of documents.entries()) {
    const answer = answers[index];
    if (answer === undefined) {
      return {
        settled: index,
        refusals,
        error: new ClientError('CLIENT_UNREACHABLE', 'the answer ended before its last line', { retryable: true }),
      };
    }
    if (!('error' in answer)) continue;
    const { code, detail, retryable } = answer.error;
    if (retryable)
      return { settled: index, refusals, error: new ClientError(code, detail, { status: answer.status, retryable }) };
    refusals.push({
      number: document.number,
      line: document.line,
      end: document.end,
      id: document.id,
      code,
      message: detail,
    });
  }
  return { settled: documents.length, refusals, error: null };
}

/**
 * @module
 * Owns bulk writes: newline-delimited JSON in and out, both streamed, one result per line in order. Reading and writing run side
 * by side; the window between them bounds memory, and its fullness pushes back on the client. SPEC.md HT17, HT18.
 */
import { Readable } from 'node:stream';
import { Type } from 'typebox';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { BulkAnswerLine } from '../../api/index.ts';
import { applyBatch, readLines as readAtomicLines } from '../batch.ts';
import * as body from '../body.ts';
import { runBulkLine, type BulkTarget } from '../bulk-line.ts';
import type { HttpContext } from '../context.ts';
import { requireCollectionName } from '../document-id.ts';
import { HttpError } from '../errors.ts';
import type { Health } from '../health.ts';
import { idempotencyKeyOf } from '../idempotency.ts';
import { sessionTokenOf } from '../session-token.ts';
import { splitLines, type Line } from '../line-splitter.ts';
import { OrderedWindow } from '../ordered-window.ts';

/** Results a client may leave unread before we stop reading its lines: enough for clients that send everything first. */
const UNREAD_RESULT_BYTES = 4_194_304;
/** Lines in flight, in bytes. */
const INFLIGHT_BYTES = 8_388_608;

export function bulkRoutes(app: FastifyInstance, context: HttpContext): void {
  const { replica, limits, documentLimits, health } = context;
  const atomic = Type.Optional(Type.Boolean({ description: 'All lines or none, applied as one.' }));
  const querystring = Type.Object({ atomic }, { additionalProperties: false });
  const params = Type.Object({ db: Type.String(), collection: Type.String() });
  const typed = app.withTypeProvider<TypeBoxTypeProvider>();
  typed.post(
    '/v1/:db/:collection/bulk',
    { config: { access: 'write', lasting: true }, schema: { querystring, params } },
    async (request, reply) => {
      const { db, collection } = request.params;
      const database = replica.database(db);
      requireCollectionName(collection);
      const source = requireLines(request);
      const jsonLimits = { ...documentLimits, documentBytesMax: limits.bulkLineBytes };
      if (request.query.atomic === true) {
        const writes = readAtomicLines(source, { collection, limits, jsonLimits }, health);
        const lines = await applyBatch(context, database, { request, reply }, writes, '');
        if (lines === null) return reply;
        return reply.header('content-type', body.NDJSON_TYPE).send(Buffer.from(linesOf(lines)));
      }
      const target = { url: request.url, key: idempotencyKeyOf(request) };
      const results = bulkResults({ database, collection, limits, jsonLimits, request: target }, source, health);
      // Known when the last line is done, so it follows the body.
      reply.trailer('session-token', (_reply, _payload, done) => done(null, sessionTokenOf(reply, database)));
      reply.header('content-type', body.NDJSON_TYPE);
      return reply.send(Readable.from(results, { objectMode: false, highWaterMark: UNREAD_RESULT_BYTES }));
    },
  );
}

function linesOf(results: readonly BulkAnswerLine[]): string {
  return results.map((result) => `${JSON.stringify(result)}\n`).join('');
}

function requireLines(request: FastifyRequest): Readable {
  if (body.mediaTypeOf(request) === body.NDJSON_TYPE && request.body instanceof Readable) return request.body;
  if (request.body === undefined && request.headers['content-type'] === undefined) {
    throw new HttpError('HTTP_BODY_REQUIRED', `a body of type ${body.NDJSON_TYPE} is required`, {
      details: { pointer: '' },
    });
  }
  throw body.unsupported(body.mediaTypeOf(request), [body.NDJSON_TYPE]);
}

/** Answer lines as bytes. Ends when the source ends; a source that breaks ends it with that error, after what was done. */
async function* bulkResults(
  target: BulkTarget,
  source: Readable,
  health: Health,
): AsyncGenerator<Buffer, void, undefined> {
  const window = new OrderedWindow<BulkAnswerLine>({ items: target.limits.bulkInflight, bytes: INFLIGHT_BYTES });
  const reading = readLines(target, source, window, health);
  try {
    for (let results = await window.take(); results !== null; results = await window.take()) {
      yield Buffer.from(linesOf(results));
    }
  } finally {
    // The client may have gone: nobody takes results any more, so the reader must not wait for room.
    window.end();
    source.destroy();
    await reading;
  }
}

async function readLines(
  target: BulkTarget,
  source: Readable,
  window: OrderedWindow<BulkAnswerLine>,
  health: Health,
): Promise<void> {
  let number = 0;
  // While the node shuts down, lines that keep coming are done; a client that stands still is not waited for.
  let patience: NodeJS.Timeout | undefined;
  const stopWatching = health.onRefuse(() => {
    patience = setTimeout(() => source.destroy(body.unfinished()), body.DRAIN_GRACE_MS);
  });
  try {
    for await (const lines of splitLines(source, target.limits.bulkLineBytes)) {
      patience?.refresh();
      for (const line of lines) {
        const bytes = sizeOf(line);
        await window.room(bytes);
        if (window.isEnded) return;
        window.push(bytes, runBulkLine(target, line, ++number));
      }
    }
    window.end();
  } catch (error) {
    window.end({ error });
  } finally {
    stopWatching();
    clearTimeout(patience);
  }
}

function sizeOf(line: Line): number {
  return line?.length ?? 0;
}

/**
 * @module
 * Owns the change feeds of a collection and of a database. SPEC.md section FE.
 */
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Type, type Static } from 'typebox';
import { ChangeFeed, type Database, type FeedOptions } from '../../../sync/index.ts';
import { systemTimers } from '../../system-ports.ts';
import { NDJSON_TYPE } from '../body.ts';
import type { HttpContext } from '../context.ts';
import { requireCollectionName } from '../document-id.ts';
import { HttpError } from '../errors.ts';
import { FeedStream, type StreamOptions } from '../feed-stream.ts';
import { sessionTokenOf } from '../session-token.ts';
import { Wake } from '../wake.ts';

/** A position that this node has not reached is waited for, because going on without it tells changes twice. */
const AHEAD_WAIT_MS = 2000;
const CURSOR_LENGTH_MAX = 16_384;
const EVENT_STREAM_TYPE = 'text/event-stream';
const INCLUDES: ReadonlySet<string> = new Set(['doc', 'conflicts']);

const querystring = Type.Object(
  {
    since: Type.Optional(
      Type.String({
        maxLength: CURSOR_LENGTH_MAX,
        description: 'A cursor from any node, or `now`. Left out: all documents first, then what changes.',
      }),
    ),
    limit: Type.Optional(
      Type.Integer({
        minimum: 1,
        description:
          'Ends after so many changes. While there are fewer it waits for more, unless `wait` says how long.',
      }),
    ),
    include: Type.Optional(
      Type.String({ maxLength: 100, description: 'Comma-separated: `doc`, the document; `conflicts`, losing values.' }),
    ),
    only: Type.Optional(
      Type.Literal('conflicts', { description: 'Only changes of documents that have losing values.' }),
    ),
    wait: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: 300,
        description: 'Long poll: ends with the changes that are there, or after so many seconds without any.',
      }),
    ),
    heartbeat: Type.Optional(
      Type.Number({
        minimum: 1,
        maximum: 60,
        description: 'Seconds without a change until a sign of life; default 15.',
      }),
    ),
  },
  { additionalProperties: false },
);
type FeedQuery = Static<typeof querystring>;

export function changeRoutes(app: FastifyInstance, context: HttpContext): void {
  const typed = app.withTypeProvider<TypeBoxTypeProvider>();
  const ofCollection = Type.Object({ db: Type.String(), collection: Type.String() });
  const ofDatabase = Type.Object({ db: Type.String() });

  typed.get(
    '/v1/:db/:collection/changes',
    {
      schema: { querystring, params: ofCollection },
      exposeHeadRoute: false,
      config: { access: 'read', lasting: true },
    },
    async (request, reply) => {
      const database = context.replica.database(request.params.db);
      await answer(context, request, reply, database, requireCollectionName(request.params.collection));
    },
  );

  typed.get(
    '/v1/:db/_changes',
    { schema: { querystring, params: ofDatabase }, exposeHeadRoute: false, config: { access: 'read', lasting: true } },
    async (request, reply) => {
      await answer(context, request, reply, context.replica.database(request.params.db), null);
    },
  );
}

async function answer(
  context: HttpContext,
  request: FastifyRequest<{ Querystring: FeedQuery }>,
  reply: FastifyReply,
  database: Database,
  collection: string | null,
): Promise<void> {
  const { health, feeds, limits } = context;
  const { query, headers } = request;
  const options = streamOptions(query, headers.accept);
  const leave = feeds.enter(limits.feeds);
  let feed: ChangeFeed | null = null;
  try {
    const wake = new Wake();
    feed = openFeed(query, headers['last-event-id'], {
      database,
      collection,
      documents: options.documents,
      onChange: wake.notify,
    });
    const { raw } = reply;
    await awaitPosition(feed, wake, () => raw.destroyed || health.isRefusing);
    feed.settle();
    const { cursor: start } = feed;
    // What cannot be told from there is an answer of its own, not the end of a stream.
    const first = await feed.read();
    reply.hijack();
    raw.writeHead(200, {
      'content-type': options.events ? `${EVENT_STREAM_TYPE}; charset=utf-8` : NDJSON_TYPE,
      'cache-control': 'no-store',
      // Proxies that collect answers would keep changes back.
      'x-accel-buffering': 'no',
      'session-token': sessionTokenOf(reply, database),
      'atoll-cursor': start,
    });
    raw.flushHeaders();
    await feeds.run(new FeedStream(raw, { feed, first, start, database, health, wake }, options));
  } finally {
    feed?.close();
    leave();
  }
}

function openFeed(
  query: FeedQuery,
  lastEventId: string | string[] | undefined,
  { database, ...options }: FeedOptions & { readonly database: Database },
): ChangeFeed {
  // What a browser has seen since it was given the address.
  const since = typeof lastEventId === 'string' && lastEventId !== '' ? lastEventId : query.since;
  return ChangeFeed.open(database, systemTimers, since === undefined ? options : { ...options, since });
}

function streamOptions(query: FeedQuery, accept: string | undefined): StreamOptions {
  const { include, limit = Infinity, only, wait, heartbeat = 15 } = query;
  const included = new Set(include?.split(','));
  for (const name of included) {
    if (INCLUDES.has(name)) continue;
    throw new HttpError('HTTP_QUERY_INVALID', `include takes doc and conflicts, not ${JSON.stringify(name)}`, {
      details: { parameter: 'include' },
    });
  }
  return {
    events: accept?.toLowerCase().includes(EVENT_STREAM_TYPE) ?? false,
    documents: included.has('doc'),
    conflicts: included.has('conflicts'),
    onlyConflicts: only !== undefined,
    limit,
    waitMs: wait === undefined ? null : wait * 1000,
    heartbeatMs: heartbeat * 1000,
  };
}

async function awaitPosition(feed: ChangeFeed, wake: Wake, isOver: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + AHEAD_WAIT_MS;
  while (feed.isAhead && !feed.isEnded && !isOver()) {
    const leftMs = deadlineMs - performance.now();
    if (leftMs <= 0) return;
    await wake.sleep(leftMs);
  }
}

/**
 * @module
 * Owns the routes of members: list, join, remove, drain, place databases, join tokens, and what only this node holds. SPEC.md HT21.
 */
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { JsonObject } from '../../../crdt/index.ts';
import type { UnsentDocument } from '../../../sync/index.ts';
import type { JoinTokenAnswer, MemberList } from '../../api/index.ts';
import { parseUrl } from '../../listen-address.ts';
import { JSON_TYPE, NDJSON_TYPE, objectBody } from '../body.ts';
import type { HttpContext } from '../context.ts';
import { HttpError } from '../errors.ts';

type MemberRequest = FastifyRequest<{ Params: { node: string } }>;

const TOKEN_SECONDS_DEFAULT = 3600;
const TOKEN_SECONDS_MAX = 30 * 24 * 3600;

export function memberRoutes(app: FastifyInstance, { replica, documentLimits }: HttpContext): void {
  app.get('/v1/_cluster/members', { config: { access: 'read' } }, async (): Promise<MemberList> => ({
    members: replica.status().members,
  }));

  app.post('/v1/_cluster/members', { config: { access: 'admin' } }, async (request, reply) => {
    const url = readUrl(objectBody(request, [JSON_TYPE], documentLimits));
    replica.addPeer(url);
    return reply.code(202).send({ url });
  });

  app.delete('/v1/_cluster/members/:node', { config: { access: 'admin' } }, async (request: MemberRequest, reply) => {
    await replica.removeMember(request.params.node);
    return reply.code(204).send();
  });

  app.put('/v1/_cluster/members/:node/databases', { config: { access: 'admin' } }, async (request: MemberRequest) => {
    const { node } = request.params;
    const databases = readDatabases(objectBody(request, [JSON_TYPE], documentLimits));
    await replica.placeDatabases(node, databases);
    return { node, databases };
  });

  app.post(
    '/v1/_cluster/members/:node/drain',
    { config: { access: 'admin' } },
    async (request: MemberRequest, reply) => {
      await replica.drainMember(request.params.node);
      return reply.code(202).send({ node: request.params.node, state: 'draining' });
    },
  );

  app.post('/v1/_cluster/tokens', { config: { access: 'admin' } }, async (request, reply) => {
    const hasBody = request.headers['content-type'] !== undefined;
    const seconds = readSeconds(hasBody ? objectBody(request, [JSON_TYPE], documentLimits) : {});
    const answer: JoinTokenAnswer = await replica.createJoinToken(seconds * 1000);
    return reply.code(201).header('cache-control', 'no-store').send(answer);
  });

  app.get('/v1/_cluster/unsent', { config: { access: 'admin', lasting: true } }, async (_request, reply) =>
    reply.header('content-type', NDJSON_TYPE).send(Readable.from(linesOf(replica.unsent()))),
  );

  app.delete('/v1/_cluster/unsent', { config: { access: 'admin' } }, async (_request, reply) => {
    await replica.discardUnsent();
    return reply.code(204).send();
  });
}

/** The document is passed on as it is stored. */
async function* linesOf(documents: AsyncIterable<UnsentDocument>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  for await (const { database, collection, id, doc } of documents) {
    const head = JSON.stringify({ db: database, collection, id }).slice(0, -1);
    yield `${head},${doc === undefined ? '"deleted":true' : `"doc":${decoder.decode(doc)}`}}\n`;
  }
}

function readUrl({ url, ...rest }: JsonObject): string {
  refuseOthers(rest);
  if (typeof url !== 'string') throw invalid('/url', 'must be the URL of a node');
  try {
    return parseUrl(url, 'url', 'url');
  } catch (error) {
    throw invalid('/url', (error as Error).message);
  }
}

function readDatabases({ databases, ...rest }: JsonObject): readonly string[] | null {
  refuseOthers(rest);
  if (databases === null) return null;
  if (Array.isArray(databases) && databases.every((name) => typeof name === 'string')) return databases as string[];
  throw invalid('/databases', 'must be a list of names, or null for all');
}

function readSeconds({ expiresSeconds = TOKEN_SECONDS_DEFAULT, ...rest }: JsonObject): number {
  refuseOthers(rest);
  if (Number.isInteger(expiresSeconds) && Number(expiresSeconds) >= 1 && Number(expiresSeconds) <= TOKEN_SECONDS_MAX) {
    return Number(expiresSeconds);
  }
  throw invalid('/expiresSeconds', `must be a whole number from 1 to ${TOKEN_SECONDS_MAX}`);
}

function refuseOthers(rest: JsonObject): void {
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw invalid(`/${unknown}`, 'is not a member of this request');
}

function invalid(pointer: string, message: string): HttpError {
  return new HttpError('HTTP_BODY_INVALID', `${pointer} ${message}`, { details: { pointer } });
}

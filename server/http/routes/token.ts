/**
 * @module
 * Owns the routes of tokens: make, list, revoke, on any node and for the whole cluster. A token's text is in the answer that makes
 * it and nowhere else. SPEC.md AC3.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { JsonObject, JsonValue } from '../../../crdt/index.ts';
import type { AccessRole, AccessTokenEntry, AccessTokenRequest } from '../../../sync/index.ts';
import type { AccessTokenAnswer, AccessTokenList, NewAccessTokenAnswer } from '../../api/index.ts';
import { JSON_TYPE, objectBody } from '../body.ts';
import type { HttpContext } from '../context.ts';
import { HttpError } from '../errors.ts';
import { recordOf } from '../request-record.ts';

type TokenRequest = FastifyRequest<{ Params: { token: string } }>;

const PATH = '/v1/_admin/tokens';
const NAME_LENGTH_MAX = 200;
const DATABASES_MAX = 1000;
const RATE_MAX = 1_000_000;
const SECONDS_MAX = 100 * 366 * 86_400;

export function tokenRoutes(app: FastifyInstance, { replica, access, documentLimits }: HttpContext): void {
  const tokens = replica.accessTokens;
  const describe = (id: string, entry: AccessTokenEntry): AccessTokenAnswer => ({
    id,
    name: entry.name,
    role: entry.role,
    databases: entry.databases,
    createdAt: new Date(entry.createdAt).toISOString(),
    expiresAt: entry.expiresAt === null ? null : new Date(entry.expiresAt).toISOString(),
    requestsPerSecond: entry.requestsPerSecond,
    state: entry.isRevoked ? 'revoked' : tokens.isValid(entry) ? 'valid' : 'expired',
  });

  app.get(PATH, { config: { access: 'admin' } }, async (): Promise<AccessTokenList> => {
    const items = [...tokens.entries].sort(([, a], [, b]) => a.createdAt - b.createdAt);
    return { tokens: items.map(([id, entry]) => describe(id, entry)) };
  });

  app.post(PATH, { config: { access: 'admin' } }, async (request, reply) => {
    const wanted = readRequest(objectBody(request, [JSON_TYPE], documentLimits));
    const { token, id, entry } = await tokens.create(wanted, access.hasFileToken);
    const answer: NewAccessTokenAnswer = { token, ...describe(id, entry) };
    return reply.code(201).header('cache-control', 'no-store').header('location', `${PATH}/${id}`).send(answer);
  });

  app.delete(`${PATH}/:token`, { config: { access: 'admin' } }, async (request: TokenRequest, reply) => {
    await tokens.revoke(request.params.token, recordOf(request.raw).principal.id, access.hasFileToken);
    return reply.code(204).send();
  });
}

/** @throws HttpError `HTTP_BODY_INVALID` pointing to the member at fault. */
function readRequest(body: JsonObject): AccessTokenRequest {
  const { role, databases = null, name = '', expiresSeconds = null, requestsPerSecond = null, ...rest } = body;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw invalid(`/${unknown.slice(0, 80)}`, 'is not a member of this request');
  if (role !== 'read' && role !== 'write' && role !== 'admin') throw invalid('/role', 'must be read, write or admin');
  if (typeof name !== 'string' || name.length > NAME_LENGTH_MAX) {
    throw invalid('/name', `must be text of at most ${NAME_LENGTH_MAX} characters`);
  }
  const seconds = readInteger(expiresSeconds, 'expiresSeconds', SECONDS_MAX);
  return {
    role: role satisfies AccessRole,
    databases: readDatabases(databases),
    name,
    validMs: seconds === null ? null : seconds * 1000,
    requestsPerSecond: readInteger(requestsPerSecond, 'requestsPerSecond', RATE_MAX),
  };
}

function readDatabases(value: JsonValue): readonly string[] | null {
  if (value === null) return null;
  const isList = Array.isArray(value) && value.every((each) => typeof each === 'string');
  if (isList && value.length > 0 && value.length <= DATABASES_MAX) return value as string[];
  throw invalid('/databases', `must be a list of 1 to ${DATABASES_MAX} names, or null for all`);
}

function readInteger(value: JsonValue, name: string, max: number): number | null {
  if (value === null || (Number.isInteger(value) && Number(value) >= 1 && Number(value) <= max)) {
    return value as number | null;
  }
  throw invalid(`/${name}`, `must be a whole number from 1 to ${max}, or null`);
}

function invalid(pointer: string, message: string): HttpError {
  return new HttpError('HTTP_BODY_INVALID', `${pointer} ${message}`, { details: { pointer } });
}

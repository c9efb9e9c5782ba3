/**
 * @module
 * Owns the Session-Token header: what a client has seen of a database, opaque to it. Every answer about a database has one, and a
 * request that has one is served only when this node has seen as much. SPEC.md HT11, SE1 to SE5.
 */
import type { IncomingMessage } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Database } from '../../sync/index.ts';
import type { HttpContext } from './context.ts';
import { preferencesOf } from './prefer.ts';

/** Requests of sessions that have seen something of the system database: their answers must say so too. */
const seesSystem = new WeakSet<IncomingMessage>();

/** Call it after the operation it describes, so that the token covers what the answer shows. */
export function sendSessionToken(reply: FastifyReply, database: Database): void {
  reply.header('session-token', sessionTokenOf(reply, database));
}

export function sessionTokenOf({ request }: FastifyReply, database: Database): string {
  const { raw } = request;
  return database.token(raw.headers['session-token'] !== undefined && seesSystem.has(raw));
}

/** The same after a change of what the system database holds: a database, a configuration. */
export function sendSystemToken(reply: FastifyReply, database: Database): void {
  seesSystem.add(reply.request.raw);
  reply.header('session-token', database.token(true));
}

/** Calls back when this node has seen what the client has; with the error when it will not in time, or cannot. */
export function awaitSession(
  { replica }: Pick<HttpContext, 'replica'>,
  request: FastifyRequest,
  token: string,
  done: (error?: Error) => void,
): void {
  const { db } = request.params as { readonly db: string };
  // Creating a database needs nothing of what was under its name before.
  if (request.method === 'PUT' && request.routeOptions.url === '/v1/:db') return done();
  try {
    const { sessions } = replica.guarantees;
    const seen = sessions.read(db, token);
    if (seen === null) return done();
    if (seen.system.size > 0) seesSystem.add(request.raw);
    const wait = sessions.await(seen, preferencesOf(request.headers['prefer']).waitMs);
    if (wait === null) done();
    else wait.then(() => done(), done);
  } catch (error) {
    done(error as Error);
  }
}

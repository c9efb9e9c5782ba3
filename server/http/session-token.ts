/**
 * @module
 * Owns the Session-Token header: the position of this node in a database, opaque to clients. SPEC.md HT11.
 */
import type { FastifyReply } from 'fastify';
import type { Database } from '../../sync/index.ts';

/** Call it after the operation it describes, so that the token covers what the answer shows. */
export function sendSessionToken(reply: FastifyReply, database: Database): void {
  reply.header('session-token', database.token());
}

/**
 * @module
 * Owns who may send requests: holders of the admin token, or without one, clients of this machine. Everything but liveness and
 * readiness goes through here; peers on /sync prove the cluster secret instead. SPEC.md HT16.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { HttpError } from './errors.ts';

export interface AccessPolicy {
  readonly adminTokenHash: Buffer | null;
  readonly insecure: boolean;
}

export function hashToken(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/** @throws HttpError `HTTP_UNAUTHORIZED` or `HTTP_FORBIDDEN`. */
export function requireAccess(request: IncomingMessage, policy: AccessPolicy): void {
  if (policy.adminTokenHash !== null) requireToken(request.headers.authorization, policy.adminTokenHash);
  else requireLoopback(request, policy);
}

/** Without a token only this machine is served, unless the operator said `--insecure`. */
export function requireLoopback(request: IncomingMessage, policy: AccessPolicy): void {
  if (policy.insecure || isLoopback(request.socket.remoteAddress)) return;
  throw new HttpError('HTTP_FORBIDDEN', 'this node has no tokens and therefore serves only clients of its own machine');
}

export function isLoopback(address: string | undefined): boolean {
  if (address === undefined) return false;
  return address.startsWith('127.') || address === '::1' || address.startsWith('::ffff:127.');
}

function requireToken(authorization: string | undefined, expected: Buffer): void {
  const token = /^Bearer +([!-~]+) *$/i.exec(authorization ?? '')?.[1];
  // Digests have equal lengths, and comparing them says nothing about the token.
  if (token !== undefined && timingSafeEqual(hashToken(token), expected)) return;
  const message = token === undefined ? 'send Authorization: Bearer with the admin token' : 'the token is not valid';
  throw new HttpError('HTTP_UNAUTHORIZED', message, { details: { parameter: 'Authorization' } });
}

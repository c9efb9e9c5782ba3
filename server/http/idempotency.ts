/**
 * @module
 * Owns the Idempotency-Key header: what makes a request one that is done once, and the ids of documents that such requests create.
 * SPEC.md SE7.
 */
import { createHash } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import type { Operation } from '../../sync/index.ts';
import { HttpError } from './errors.ts';

/** The header of an answer that is the one given before. */
export const REPLAYED = 'idempotency-replayed';

const KEY = /^[\x20-\x7e]{1,255}$/;
const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i;

/**
 * The key of a request; null without one. Its quotes, as structured headers have them, are not part of it.
 *
 * @throws HttpError `HTTP_HEADER_INVALID`
 */
export function idempotencyKeyOf({ headers }: FastifyRequest): string | null {
  const header = headers['idempotency-key'];
  if (header === undefined) return null;
  const text = String(header);
  const key = text.length > 2 && text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1) : text;
  if (isKey(key)) return key;
  throw new HttpError('HTTP_HEADER_INVALID', 'Idempotency-Key must be 1 to 255 printable ASCII characters', {
    details: { parameter: 'Idempotency-Key' },
  });
}

export function isKey(text: string): boolean {
  return KEY.test(text);
}

/**
 * What a line of a bulk request is to be done once by. Lines are the same when the place they were sent to and their bytes are.
 *
 * @param key - Its own; else it has one by its number, if the request has one.
 */
export function operationOfLine(
  { url, key: ofRequest }: { readonly url: string; readonly key: string | null },
  { bytes, number, key }: { readonly bytes: Buffer; readonly number: number; readonly key: string | null },
): Operation | undefined {
  if (key === null && ofRequest === null) return undefined;
  const hash = createHash('sha256').update(`line\n${url}\n`).update(bytes);
  // No key that a client gives has a line break in it.
  return { key: key ?? `${ofRequest}\n${number}`, fingerprint: hash.digest().subarray(0, 16).toString('base64url') };
}

/** What a request is to be done once by; undefined without a key. Requests are the same when method, URL, media type and body are. */
export function operationOf(
  request: FastifyRequest,
  body: Buffer | string = Buffer.isBuffer(request.body) ? request.body : '',
): Operation | undefined {
  const key = idempotencyKeyOf(request);
  if (key === null) return undefined;
  const { method, url, headers } = request;
  const hash = createHash('sha256')
    .update(`${method}\n${url}\n${headers['content-type'] ?? ''}\n`)
    .update(body);
  return { key, fingerprint: hash.digest().subarray(0, 16).toString('base64url') };
}

/**
 * The id of a document that a keyed request creates: the same on every node that is asked. It cannot tell the time of its making as other ids
 * do, unless the key does: that of a UUID version 7 is kept.
 */
export function keyedId(db: string, collection: string, key: string): string {
  const hex = createHash('sha256').update(`atoll id ${db}/${collection}\n${key}`).digest('hex');
  const time = UUID_V7.test(key) ? key.slice(0, 13).toLowerCase() : null;
  const variant = ((Number.parseInt(hex[16]!, 16) & 3) | 8).toString(16);
  const head = time === null ? `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8` : `${time}-7`;
  return `${head}${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/**
 * @module
 * Owns the answers that go out past Fastify: those of the hot path.
 */
import type { FastifyReply } from 'fastify';
import { REQUEST_ID_HEADER } from './request-id.ts';

export const JSON_CONTENT = 'application/json; charset=utf-8';
const SMALL_BYTES = 16_384;

/**
 * Writes the answer to the socket past Fastify, which would spend as much time on it as everything else takes. Node drops the
 * body of a HEAD.
 */
export function sendRaw(reply: FastifyReply, status: number, headers: string[], json: Uint8Array): void {
  reply.hijack();
  const { raw } = reply;
  const length = String(json.length);
  headers.push(REQUEST_ID_HEADER, reply.request.id);
  raw.writeHead(status, ['content-type', JSON_CONTENT, 'content-length', length, ...headers]);
  // A Latin-1 string goes out in one piece with the head; a Buffer costs a second one, and large ones are worth it.
  if (json.length <= SMALL_BYTES) raw.end(asBuffer(json).toString('latin1'), 'latin1');
  else raw.end(json);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * @module
 * Owns the answers that go out past Fastify: those of the hot path.
 */
import type { FastifyReply } from 'fastify';
import { REQUEST_ID_HEADER } from './request-id.ts';

export const JSON_CONTENT = 'application/json; charset=utf-8';
const SMALL_BYTES = 16_384;
const TOGETHER_MAX = 8;

/**
 * Writes the answer to the socket past Fastify, which would spend as much time on it as everything else takes. Node drops the
 * body of a HEAD.
 */
export function sendRaw(reply: FastifyReply, status: number, headers: string[], json: Uint8Array): void {
  const { raw } = reply;
  const length = String(json.length);
  headers.push(REQUEST_ID_HEADER, reply.request.id);
  raw.writeHead(status, ['content-type', JSON_CONTENT, 'content-length', length, ...headers]);
  // Fastify answers for what fails before.
  reply.hijack();
  // A Latin-1 string goes out in one piece with the head; a Buffer costs a second one, and large ones are worth it.
  if (json.length <= SMALL_BYTES) raw.end(asBuffer(json).toString('latin1'), 'latin1');
  else raw.end(json);
}

interface Answer {
  readonly reply: FastifyReply;
  readonly status: number;
  readonly headers: string[];
  readonly json: Uint8Array;
}

/** Answers of this turn of the event loop that have not gone out. */
let waiting: Answer[] = [];

/**
 * The same, together with the answers of other requests that came in the same turn. Who waits for an answer has to be woken, which costs as much
 * as a small page: who gets several at once is woken once.
 */
export function sendTogether(reply: FastifyReply, status: number, headers: string[], json: Uint8Array): void {
  const count = waiting.push({ reply, status, headers, json });
  if (count === TOGETHER_MAX) sendWaiting();
  else if (count === 1) setImmediate(sendWaiting);
}

function sendWaiting(): void {
  const answers = waiting;
  waiting = [];
  for (const { reply, status, headers, json } of answers) {
    try {
      sendRaw(reply, status, headers, json);
    } catch (error) {
      // It is the failure of one request, as if its route had thrown.
      reply.send(error);
    }
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

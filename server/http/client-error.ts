/**
 * @module
 * Owns answers to what Node's HTTP parser refuses, before there is a request: malformed heads, oversized headers, heads that
 * never end. They are problems like all others. SPEC.md HT5.
 */
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { problemOf, PROBLEM_MEDIA_TYPE } from './error-reply.ts';
import { HttpError } from './errors.ts';

/** Writes a problem on a bare socket and closes it. */
export function answerBareSocket(socket: Duplex, thrown: unknown): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const problem = problemOf(thrown);
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? 'Error'}`,
    `content-type: ${PROBLEM_MEDIA_TYPE}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

export function answerClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) {
    socket.destroy();
    return;
  }
  answerBareSocket(socket, clientProblem(error));
}

function clientProblem({ code }: NodeJS.ErrnoException): HttpError {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new HttpError('HTTP_REQUEST_TIMEOUT', 'the request did not arrive in time', {
        details: { limit: 'requestMs' },
      });
    case 'HPE_HEADER_OVERFLOW':
      return new HttpError('HTTP_HEADERS_TOO_LARGE', 'the request line and headers are larger than 16 KiB together');
    default:
      return new HttpError('HTTP_REQUEST_MALFORMED', 'this is not HTTP/1.1 as RFC 9112 has it');
  }
}

/**
 * @module
 * Owns answers to what Node would refuse by itself, in its own form: malformed heads, oversized headers, heads that never end, no
 * Host, expectations, tunnels. They are problems like all others. SPEC.md HT5.
 */
import { STATUS_CODES, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
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
    ...(problem.status === 503 ? ['retry-after: 1'] : []),
  ];
  const challenge = thrown instanceof HttpError ? thrown.details['challenge'] : undefined;
  if (typeof challenge === 'string') head.push(`www-authenticate: ${challenge}`);
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

export function answerClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) {
    socket.destroy();
    return;
  }
  answerBareSocket(socket, clientProblem(error));
}

/** Answers requests that never become ones of the application: an unknown `Expect`, and CONNECT, which wants a proxy. */
export function refuseOddRequests(server: Server): void {
  server.on('checkExpectation', (_request: IncomingMessage, response: ServerResponse) => {
    const problem = problemOf(
      new HttpError('HTTP_EXPECTATION_FAILED', 'the only expectation that is met here is 100-continue', {
        details: { parameter: 'Expect' },
      }),
    );
    response.statusCode = problem.status;
    response.setHeader('content-type', PROBLEM_MEDIA_TYPE).setHeader('connection', 'close');
    response.end(JSON.stringify(problem));
  });
  server.on('connect', (_request: IncomingMessage, socket: Duplex) => {
    socket.on('error', () => socket.destroy());
    answerBareSocket(socket, new HttpError('HTTP_REQUEST_MALFORMED', 'this is not a proxy: CONNECT leads nowhere'));
  });
}

const NOT_IN_HOST = /[^!-~]|[/?#@\\]/;

/** RFC 9112 section 3.2: one Host, but for HTTP/1.0. @throws HttpError `HTTP_HEADER_INVALID`. */
export function requireHost({ httpVersionMinor, rawHeaders }: IncomingMessage): void {
  let count = 0;
  let isBroken = false;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!;
    if (name.length !== 4 || name.toLowerCase() !== 'host') continue;
    count++;
    isBroken = NOT_IN_HOST.test(rawHeaders[at + 1]!);
  }
  if (!isBroken && (count === 1 || (count === 0 && httpVersionMinor === 0))) return;
  const message =
    count === 0
      ? 'HTTP/1.1 needs a Host header'
      : count > 1
        ? 'there is more than one Host header'
        : 'the Host header is no host and port';
  throw new HttpError('HTTP_HEADER_INVALID', message, { details: { parameter: 'Host' } });
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

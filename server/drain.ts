/**
 * @module
 * Owns taking a node apart without losing what is under way: readiness fails first, then new requests are refused, requests in
 * flight finish (bodies that are still arriving get a short grace, see http/body.ts), links flush, storage closes, sockets close.
 * SPEC.md HT15.
 */
import type { Server, Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import type { LeafHost, Replica } from '../sync/index.ts';
import type { Health } from './http/health.ts';
import type { UpgradeDoors } from './http/upgrade.ts';
import type { SharedDoors } from './yjs/endpoint.ts';

/** Time for closing handshakes of links. */
const LINK_CLOSE_MS = 500;
/** Time for the last answers to leave. */
const CONNECTION_CLOSE_MS = 100;

export interface DrainParts {
  readonly app: FastifyInstance;
  readonly doors: UpgradeDoors;
  readonly shared: SharedDoors;
  readonly leaves: LeafHost;
  readonly replica: Replica;
  readonly health: Health;
  readonly log: Logger;
  readonly sockets: ReadonlySet<Socket>;
}

/** Keeps the open connections of a server, those included that have not said anything yet, also no TLS. */
export function trackSockets(server: Server, sockets: Set<Socket>): void {
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
}

export interface DrainOptions {
  /** Serve on this long after readiness failed. */
  readonly drainMs: number;
  /** Requests in flight get this long at most. */
  readonly requestMs: number;
}

export async function drainNode(
  { app, doors, shared, leaves, replica, health, log, sockets }: DrainParts,
  options: DrainOptions,
): Promise<void> {
  log.info({ inflight: health.inflight }, 'draining');
  health.drain();
  // A failed node has nothing to wait for, and every second it lingers is one its peers serve worse.
  if (options.drainMs > 0 && health.failure === null) await delay(options.drainMs);
  const refused = health.refuse();
  replica.guarantees.end();
  await withDeadline(refused, options.requestMs);
  shared.close();
  leaves.close();
  try {
    await replica.close();
  } finally {
    await doors.close(LINK_CLOSE_MS);
    const closed = app.close().then(() => {});
    await withDeadline(closed, CONNECTION_CLOSE_MS);
    // What is left had its time, or never sent a request: Node does not count such a connection as idle, and knows nothing of
    // one in its TLS handshake.
    for (const socket of sockets) socket.destroy();
    await closed;
    log.info('closed');
  }
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function withDeadline(work: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, deadline]);
  clearTimeout(timer);
}

/**
 * @module
 * Owns the websocket `/sync` on which other nodes connect: who may upgrade, and handing the socket to the replica. Every other
 * upgrade is refused. Authentication of the peer is the protocol's first step. SPEC.md HT19.
 */
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import { createWebSocketChannel } from '../../sync/transport/websocket.ts';
import { requireLoopback } from './auth.ts';
import { answerBareSocket } from './client-error.ts';
import type { HttpContext } from './context.ts';
import { HttpError } from './errors.ts';

const SYNC_PATH = '/sync';
/** Links of other nodes at a time; a cluster has a handful. */
const LINKS_MAX = 256;

export interface SyncEndpoint {
  /** Gives closing handshakes up to `graceMs`, then cuts what is left. */
  close(graceMs: number): Promise<void>;
}

export function createSyncEndpoint(server: Server, context: HttpContext): SyncEndpoint {
  const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: context.limits.frameBytes,
  });
  const accept = (socket: WebSocket): void => context.replica.accept(createWebSocketChannel(socket));
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    try {
      requireUpgrade(request, context);
      if (sockets.clients.size >= LINKS_MAX)
        throw new HttpError('HTTP_FORBIDDEN', `this node has ${LINKS_MAX} links already`);
    } catch (error) {
      answerBareSocket(socket, error);
      return;
    }
    sockets.handleUpgrade(request, socket, head, accept);
  });
  return { close: (graceMs) => closeSockets(sockets, graceMs) };
}

function requireUpgrade(request: IncomingMessage, context: HttpContext): void {
  const path = request.url!.split('?', 1)[0]!;
  if (path !== SYNC_PATH)
    throw new HttpError('HTTP_ROUTE_NOT_FOUND', `nothing at ${path.slice(0, 200)} takes an upgrade`);
  // Browsers send Origin and nodes do not. A page must not reach a node through its visitor (cross-site websocket hijacking).
  if (request.headers.origin !== undefined) throw new HttpError('HTTP_FORBIDDEN', 'browsers may not connect to /sync');
  if (context.health.isDraining)
    throw new HttpError('HTTP_DRAINING', 'this node is shutting down', { retryable: true });
  if (context.adminTokenHash === null) requireLoopback(request, context);
}

async function closeSockets(sockets: WebSocketServer, graceMs: number): Promise<void> {
  const open = [...sockets.clients];
  const closed = Promise.all(
    open.map((socket) => new Promise<void>((resolve) => socket.once('close', () => resolve()))),
  );
  const timer = setTimeout(() => open.forEach((socket) => socket.terminate()), graceMs);
  await closed;
  clearTimeout(timer);
  sockets.close();
}

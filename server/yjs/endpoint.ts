/**
 * @module
 * Owns the two websockets on which unmodified clients edit documents together: `/yjs/{db}/{collection}/{id}` for y-websocket and
 * `/hocuspocus` for Hocuspocus. Who may not is told by the protocol, because a browser cannot see the status of an upgrade and would try for
 * ever; nothing of a client is read before that. SPEC.md section "Shared documents".
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import type { WebSocket } from 'ws';
import { Presence } from '../../sync/index.ts';
import type { HttpContext } from '../http/context.ts';
import { HttpError } from '../http/errors.ts';
import { NOBODY, requireRight, type Principal } from '../http/principal.ts';
import type { UpgradeDoors, Visit } from '../http/upgrade.ts';
import { systemTimers } from '../system-ports.ts';
import { CLOSE, Refusal } from './close-code.ts';
import type { Grant } from './grant.ts';
import { HocuspocusClient } from './hocuspocus-client.ts';
import { Rooms, type Place } from './rooms.ts';
import { WebsocketClient } from './websocket-client.ts';

export interface SharedDoors {
  /** Parts with every client, who connect again elsewhere. */
  close(): void;
}

/** Messages up to this many times the limit are read, so that the client can be told what is wrong with them. */
const PAYLOAD_FACTOR = 2;
/** Close reasons end at 123 bytes. */
const REASON_MAX = 110;

export function addSharedDoors(doors: UpgradeDoors, context: HttpContext, log: Logger): SharedDoors {
  const { replica, limits } = context;
  const presence = new Presence(systemTimers);
  replica.engine.presence = presence;
  const rooms = new Rooms(replica, presence, limits.sharedBytes);
  const onBug = (error: unknown): void =>
    log.error({ err: error }, 'a client of a shared document was let go by mistake');
  const door = {
    access: 'protocol',
    connectionsMax: limits.connections,
    payloadMax: limits.sharedBytes * PAYLOAD_FACTOR,
  } as const;
  doors.add({
    ...door,
    path: '/yjs/:db/:collection/*',
    open: (socket, visit) => openWebsocket(socket, visit, { context, rooms, onBug }),
  });
  doors.add({
    ...door,
    path: '/hocuspocus',
    open: (socket, { request }) => {
      const authorise = (token: string | null, database: string): Grant =>
        authoriseToken(context, request, token, database);
      void new HocuspocusClient(socket, request.socket, { rooms, authorise, onBug });
    },
  });
  return { close: () => rooms.close() };
}

interface Parts {
  readonly context: HttpContext;
  readonly rooms: Rooms;
  readonly onBug: (error: unknown) => void;
}

function openWebsocket(socket: WebSocket, { request, params }: Visit, { context, rooms, onBug }: Parts): void {
  try {
    const grant = grantOf(context, params['db']!, () => context.access.authenticateUpgrade(request, true));
    const place = { database: params['db']!, collection: params['collection']!, id: idOf(request) };
    void new WebsocketClient(socket, request.socket as Socket, { rooms, place, grant, onBug });
  } catch (error) {
    if (!(error instanceof Refusal)) onBug(error);
    const reason = error instanceof Refusal ? error.reason : 'goingAway';
    socket.on('error', () => {});
    socket.close(CLOSE[reason], error instanceof Refusal ? error.message.slice(0, REASON_MAX) : '');
  }
}

/** @throws Refusal */
function grantOf(context: HttpContext, database: string, authenticate: () => Principal): Grant {
  let principal = NOBODY;
  try {
    principal = authenticate();
    requireRight(principal, 'read', database);
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    throw new Refusal(error.code === 'HTTP_UNAUTHORIZED' ? 'unauthorized' : 'forbidden', error.message);
  }
  const isCurrent = (): boolean => context.access.isCurrent(principal);
  return { isReadOnly: principal.role === 'read', isCurrent };
}

/** The token of a document, else that of the connection. */
function authoriseToken(context: HttpContext, request: IncomingMessage, token: string | null, database: string): Grant {
  return grantOf(context, database, () =>
    token === null
      ? context.access.authenticateUpgrade(request, true)
      : context.access.authenticateToken(request, token),
  );
}

/** All that follows the collection: y-websocket does not encode names, and a slash in one is a slash. @throws Refusal */
function idOf(request: IncomingMessage): Place['id'] {
  const path = request.url!.split('?', 1)[0]!;
  const id = path.split('/').slice(4).join('/');
  try {
    return decodeURIComponent(id);
  } catch {
    throw new Refusal('notFound', 'the name of the document is not valid percent-encoded UTF-8');
  }
}

/**
 * @module
 * Owns the websocket `/sync` on which other nodes connect, and pages with a replica of their own from allowed origins. Authentication of the peer is the protocol's first step. SPEC.md HT19.
 */
import type { TLSSocket } from 'node:tls';
import { createWebSocketChannel } from '../../sync/transport/websocket.ts';
import type { HttpContext } from './context.ts';
import { HttpError } from './errors.ts';
import type { UpgradeDoors } from './upgrade.ts';

/** Links of other nodes at a time; a cluster has a handful. */
const LINKS_MAX = 256;

/** @param isMutual - Must the peer show a certificate? */
export function addSyncDoor(doors: UpgradeDoors, { replica, limits }: HttpContext, isMutual: boolean): void {
  doors.add({
    path: '/sync',
    access: 'protocol',
    connectionsMax: LINKS_MAX,
    payloadMax: limits.frameBytes,
    check: ({ request }) => {
      if (!isMutual || (request.socket as TLSSocket).authorized) return;
      throw new HttpError('HTTP_FORBIDDEN', 'members show a certificate here: see --mutual-tls and --tls-ca');
    },
    open: (socket) => replica.accept(createWebSocketChannel(socket)),
  });
}

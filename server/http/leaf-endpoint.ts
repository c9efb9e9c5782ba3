/**
 * @module
 * Owns the websocket `/leaf` on which leaves connect: replicas inside pages and programs that hold an access token. The token comes with their
 * first message, because a browser cannot see the status of an upgrade. SPEC.md section "Leaf replicas".
 */
import type { IncomingMessage } from 'node:http';
import type { LeafGrant } from '../../sync/index.ts';
import { createWebSocketChannel } from '../../sync/transport/websocket.ts';
import type { HttpContext } from './context.ts';
import { isVisible } from './principal.ts';
import type { UpgradeDoors } from './upgrade.ts';

export function addLeafDoor(doors: UpgradeDoors, context: HttpContext): void {
  doors.add({
    path: '/leaf',
    access: 'protocol',
    connectionsMax: context.limits.connections,
    payloadMax: context.limits.sharedBytes,
    open: (socket, { request }) =>
      context.leaves.accept(createWebSocketChannel(socket), (token) => grantOf(context, request, token)),
  });
}

/** @throws HttpError `HTTP_UNAUTHORIZED`, `HTTP_FORBIDDEN` */
function grantOf({ access }: HttpContext, request: IncomingMessage, token: string): LeafGrant {
  const principal = access.authenticateToken(request, token === '' ? undefined : token);
  return {
    tokenId: principal.id,
    mayWrite: principal.role !== 'read',
    mayUse: (database) => isVisible(principal, database),
    isCurrent: () => access.isCurrent(principal),
  };
}

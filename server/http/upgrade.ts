/**
 * @module
 * Owns websocket upgrades: which paths take one, from whom, and how many at a time. Who may not, learns it as an HTTP answer
 * before a byte of the websocket is read. Like routes, a door has its policy next to it, and none opens without. SPEC.md AC1.
 */
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import { answerBareSocket, requireHost } from './client-error.ts';
import type { HttpContext } from './context.ts';
import { requireWellFormedUrl } from './document-id.ts';
import { HttpError } from './errors.ts';
import { NOBODY, requireRight, type Principal } from './principal.ts';
import type { RouteAccess } from './route-policy.ts';

/** What a door learns of a websocket that came in. */
export interface Visit {
  readonly request: IncomingMessage;
  /** Decoded segments of the path, by the names in its pattern. */
  readonly params: Readonly<Record<string, string>>;
  readonly principal: Principal;
}

export interface Door {
  /** Pattern as of routes, e.g. `/yjs/:db/:collection/:id`. A last segment `*` takes the rest. */
  readonly path: string;
  /** As of routes. `protocol`: the door authenticates by its own first message, and only the reach is checked here. */
  readonly access: RouteAccess;
  /** Some clients can send their token only as `?token=`. */
  readonly takesTokenInQuery?: boolean;
  readonly connectionsMax: number;
  /** Bytes of one message. */
  readonly payloadMax: number;
  /** Throws an HttpError to refuse before the websocket is opened. */
  readonly check?: (visit: Visit) => void;
  readonly open: (socket: WebSocket, visit: Visit) => void;
}

/** RFC 6455 section 7.4.1. */
const POLICY_VIOLATION = 1008;

interface OpenDoor extends Door {
  readonly pattern: readonly string[];
  readonly sockets: WebSocketServer;
}

export class UpgradeDoors {
  readonly #context: HttpContext;
  readonly #doors: OpenDoor[] = [];

  constructor(server: Server, context: HttpContext) {
    this.#context = context;
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) =>
      this.#knock(request, socket, head),
    );
  }

  add(door: Door): void {
    // Types end where a caller is not typed: a door without a policy must not open.
    if ((door.access as RouteAccess | undefined) === undefined) {
      throw new Error(
        `the websocket ${door.path} has no access policy: see RouteAccess in server/http/route-policy.ts`,
      );
    }
    const sockets = new WebSocketServer({
      noServer: true,
      perMessageDeflate: false,
      maxPayload: door.payloadMax,
      handleProtocols: chooseProtocol,
    });
    this.#doors.push({ ...door, pattern: door.path.split('/'), sockets });
  }

  /** Policies by path, for tests. */
  get policies(): ReadonlyMap<string, RouteAccess> {
    return new Map(this.#doors.map(({ path, access }) => [path, access]));
  }

  /** Gives closing handshakes up to `graceMs`, then cuts what is left. */
  async close(graceMs: number): Promise<void> {
    await Promise.all(this.#doors.map(({ sockets }) => closeSockets(sockets, graceMs)));
  }

  #knock(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    try {
      const { door, visit } = this.#admit(request);
      door.check?.(visit);
      door.sockets.handleUpgrade(request, socket, head, (opened) => {
        this.#watch(opened, visit);
        door.open(opened, visit);
      });
    } catch (error) {
      answerBareSocket(socket, error);
    }
  }

  /** Whom the door has let in by a token stays only as long as it is valid. */
  #watch(socket: WebSocket, { principal }: Visit): void {
    if (principal === NOBODY) return;
    const release = this.#context.watch.add(principal, () =>
      socket.close(POLICY_VIOLATION, 'the token is not valid any more'),
    );
    socket.once('close', release);
  }

  #admit(request: IncomingMessage): { door: OpenDoor; visit: Visit } {
    const { access, health, origins, insecure } = this.#context;
    requireHost(request);
    if (!access.isGuarded && !insecure) origins.requireKnownHost(request);
    requireWellFormedUrl(request.url!);
    const { door, params } = this.#find(request.url!.split('?', 1)[0]!);
    // A page must not reach a node through its visitor (cross-site websocket hijacking).
    origins.requireOrigin(request);
    if (health.isDraining) throw new HttpError('HTTP_DRAINING', 'this node is shutting down', { retryable: true });
    const visit = { request, params, principal: this.#authenticate(request, door) };
    requireRight(visit.principal, door.access, params['db']);
    if (door.sockets.clients.size >= door.connectionsMax) {
      throw new HttpError('HTTP_OVERLOADED', `${door.path} has ${door.connectionsMax} connections already`, {
        retryable: true,
      });
    }
    access.requireReach(request);
    return { door, visit };
  }

  #authenticate(request: IncomingMessage, { access, takesTokenInQuery = false }: Door): Principal {
    if (access === 'protocol' || access === 'open') return NOBODY;
    return this.#context.access.authenticateUpgrade(request, takesTokenInQuery);
  }

  #find(path: string): { door: OpenDoor; params: Readonly<Record<string, string>> } {
    const segments = path.split('/');
    for (const door of this.#doors) {
      const params = matchPath(door.pattern, segments);
      if (params !== null) return { door, params };
    }
    throw new HttpError('HTTP_ROUTE_NOT_FOUND', `nothing at ${path.slice(0, 200)} takes an upgrade`);
  }
}

/** A browser gives up when none of the subprotocols that it offers is chosen. One that is a token is not repeated, if it can be. */
function chooseProtocol(offered: ReadonlySet<string>): string | false {
  const names = [...offered];
  return names.find((name) => !name.startsWith('bearer.')) ?? names[0] ?? false;
}

/** @throws HttpError `HTTP_URL_INVALID` */
function matchPath(pattern: readonly string[], segments: readonly string[]): Readonly<Record<string, string>> | null {
  const takesRest = pattern.at(-1) === '*';
  if (takesRest ? segments.length < pattern.length - 1 : segments.length !== pattern.length) return null;
  const params: Record<string, string> = {};
  for (const [index, part] of pattern.entries()) {
    if (part === '*') break;
    const segment = segments[index]!;
    if (!part.startsWith(':')) {
      if (part !== segment) return null;
    } else {
      params[part.slice(1)] = decode(segment);
    }
  }
  return params;
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch (cause) {
    throw new HttpError('HTTP_URL_INVALID', 'a segment of the path is not valid percent-encoded UTF-8', { cause });
  }
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

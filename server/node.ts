/**
 * @module
 * Owns putting a node together: storage, replica, HTTP and the websocket of peers. The composition root of the server.
 */
import type { AddressInfo, Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import type { AtollError } from '../crdt/index.ts';
import { LeafHost, Replica, type PeersEvent, type Store } from '../sync/index.ts';
import { createWebSocketDialer } from '../sync/transport/websocket.ts';
import { completeOptions, type OpenOptions } from './config.ts';
import type { NodeOptions } from './option.ts';
import { drainNode, trackSockets } from './drain.ts';
import { ConfigError } from './errors.ts';
import { isExposed, readSecrets, requireProtection, type Secrets } from './exposure.ts';
import { createApp, type AppTls } from './http/app.ts';
import { AccessWatch } from './http/access-watch.ts';
import { AccessControl } from './http/auth.ts';
import type { HttpContext } from './http/context.ts';
import { FeedRegistry } from './http/feed-registry.ts';
import { Health } from './http/health.ts';
import { createObservability } from './http/observability.ts';
import { OriginPolicy } from './http/origin.ts';
import { Overload } from './http/overload.ts';
import { addLeafDoor } from './http/leaf-endpoint.ts';
import { addSyncDoor } from './http/sync-endpoint.ts';
import { addSharedDoors } from './yjs/endpoint.ts';
import { UpgradeDoors } from './http/upgrade.ts';
import { documentLimitsOf, limitsOf } from './limits.ts';
import { formatHost, formatListen, isLoopbackHost } from './listen-address.ts';
import { createLog } from './log.ts';
import { releaseMemoryAtRest } from './memory-release.ts';
import { EventLoop } from './metrics/event-loop.ts';
import { Histogram } from './metrics/histogram.ts';
import { PeerLog } from './peer-log.ts';
import { compileSchema } from './schema/compile-schema.ts';
import { RocksDbStore } from './storage/rocksdb-store.ts';
import { cryptoRandom, nativeSha256, systemClock, systemTimers } from './system-ports.ts';
import { zlibCompressor } from './zlib-compressor.ts';

/** Pause between two looks for documents that have grown, at most. */
const COMPACTION_INTERVAL_MS = 30_000;

/** A running node. @public */
export interface AtollNode {
  /** Where it listens, with the port it got. */
  readonly url: string;
  /** Name shown to people. */
  readonly node: string;
  readonly replica: Replica;
  /** The admin token that was made because there was none; it cannot be read again. */
  readonly firstToken: string | null;
  /** Resolves when storage failed: close the node and end the process with an error. Never rejects. */
  readonly failed: Promise<AtollError>;
  /** Drains: readiness fails, requests in flight finish, links flush, storage closes. Idempotent. */
  close(): Promise<void>;
}

/**
 * Opens a node and serves it.
 *
 * @public
 * @throws ConfigError for options that cannot work; StorageError when the directory cannot be opened.
 */
export async function openNode(given: OpenOptions): Promise<AtollNode> {
  const options = completeOptions(given);
  requireProtection(options);
  const secrets = readSecrets(options);
  const log = createLog(options.log, options.name === undefined ? {} : { node: options.name });
  const health = new Health();
  const { failed, onFailure } = watchStorage(health, log);
  const syncs = new Histogram();
  const store = await RocksDbStore.open(options.data, { onSynced: (seconds) => syncs.observe(seconds) });
  const listeners = [peerLogger(log)];
  const replica = await openReplica(options, secrets, store, { log, onFailure, listeners }).catch(
    async (error: unknown) => {
      await store.close();
      throw error;
    },
  );
  const sockets = new Set<Socket>();
  const loop = new EventLoop();
  const context = createContext(options, secrets, replica, health, { log, syncs, loop, sockets, store });
  listeners.push((event) => context.observability.metrics.handlePeerEvent(event));
  const app = createApp({ context, log, ...(secrets.tls && { tls: serverTls(options, secrets) }) });
  trackSockets(app.server, sockets);
  const doors = new UpgradeDoors(app.server, context);
  addSyncDoor(doors, context, options.mutualTls);
  addLeafDoor(doors, context);
  const shared = addSharedDoors(doors, context, log);
  const { url, firstToken } = await begin(app, options, context).catch(async (error: unknown) => {
    await replica.close();
    throw error;
  });
  warnExposure(options, context, log);
  for (const peer of options.join) replica.addPeer(peer);
  loop.start();
  log.info({ url, id: replica.nodeId }, 'listening');
  const stopReleasing = releaseMemoryAtRest(() => replica.releaseCaches());
  let closing: Promise<void> | null = null;
  const close = (): Promise<void> => {
    stopReleasing();
    loop.stop();
    return (closing ??= drainNode(
      { app, doors, shared, leaves: context.leaves, replica, health, log, sockets },
      options,
    ));
  };
  return { url, node: replica.name, replica, firstToken, failed, close };
}

function watchStorage(
  health: Health,
  log: Logger,
): { failed: Promise<AtollError>; onFailure: (error: AtollError) => void } {
  let onFailure: (error: AtollError) => void = () => {};
  const failed = new Promise<AtollError>((resolve) => {
    onFailure = (error) => {
      log.fatal({ code: error.code, err: error }, 'storage failed: this node acknowledges nothing more');
      health.fail(error);
      resolve(error);
    };
  });
  return { failed, onFailure };
}

/** Who is told what the replica notices. */
interface Listening {
  readonly log: Logger;
  readonly onFailure: (error: AtollError) => void;
  readonly listeners: readonly ((event: PeersEvent) => void)[];
}

function peerLogger(log: Logger): (event: PeersEvent) => void {
  const peerLog = new PeerLog(log, systemClock);
  return (event) => peerLog.handleEvent(event);
}

function openReplica(
  options: NodeOptions,
  secrets: Secrets,
  store: Store,
  { log, onFailure, listeners }: Listening,
): Promise<Replica> {
  const { name, advertise, cacheBytes, logBytesMax, join, joinToken, staleHours, compactSeconds } = options;
  return Replica.open({
    store,
    clock: systemClock,
    timers: systemTimers,
    random: cryptoRandom,
    sha256: nativeSha256,
    dialer: createWebSocketDialer({ tls: dialerTls(options, secrets) }),
    compressor: zlibCompressor,
    ...(name !== undefined && { name }),
    ...(advertise !== undefined && { advertise }),
    ...(secrets.clusterSecret !== null && { clusterSecret: secrets.clusterSecret }),
    ...(joinToken !== undefined && { joinToken }),
    isJoining: join.length > 0,
    staleAfterMs: staleHours * 3_600_000,
    compaction: { quietMs: compactSeconds * 1000, intervalMs: Math.min(COMPACTION_INTERVAL_MS, compactSeconds * 1000) },
    cacheBytesMax: cacheBytes,
    scrubPerSecond: options.scrubPerSecond,
    log: { bytesMax: logBytesMax },
    limits: documentLimitsOf(limitsOf(options)),
    compileSchema,
    onFailure,
    onPeerEvent: (event) => listeners.forEach((listener) => listener(event)),
    onIncident: ({ kind, subject, message }) => log.warn({ incident: kind, subject }, message),
  });
}

interface Watching {
  readonly log: Logger;
  readonly syncs: Histogram;
  readonly loop: EventLoop;
  readonly sockets: ReadonlySet<Socket>;
  readonly store: RocksDbStore;
}

function createContext(
  options: NodeOptions,
  { adminTokenHash }: Secrets,
  replica: Replica,
  health: Health,
  { log, syncs, loop, sockets, store }: Watching,
): HttpContext {
  const limits = limitsOf(options);
  const documentLimits = documentLimitsOf(limits);
  const { insecure, slowMs } = options;
  const leaves = new LeafHost(replica, {
    clock: systemClock,
    timers: systemTimers,
    sha256: nativeSha256,
    bytesMax: limits.sharedBytes,
    onError: (error) => log.error({ err: error }, 'a leaf was let go of by mistake'),
  });
  const overload = new Overload(limits, health, loop);
  const access = new AccessControl(
    { adminTokenHash, insecure, isExposed: isExposed(options), requestsPerSecond: limits.requestsPerSecond },
    replica.accessTokens,
  );
  const observability = createObservability({
    replica,
    health,
    overload,
    loop,
    log,
    // Written however little else is.
    auditLog: options.log === 'silent' ? log : log.child({}, { level: 'info' }),
    slowMs,
    syncs,
    connections: () => sockets.size,
    leaves: () => leaves.status().length,
    directory: options.data,
    statistics: () => store.statistics(),
  });
  return {
    replica,
    health,
    feeds: new FeedRegistry(),
    leaves,
    limits,
    documentLimits,
    clock: systemClock,
    random: cryptoRandom,
    access,
    watch: new AccessWatch(access),
    origins: new OriginPolicy({ allowedOrigins: options.allowOrigin, allowedHosts: namesOf(options) }),
    insecure,
    overload,
    observability,
  };
}

/** What this node shows, and by whom members must be vouched for. Clients need no certificate: the door of peers asks. */
function serverTls({ mutualTls }: NodeOptions, { tls, peerCa }: Secrets): AppTls {
  return { ...tls!, ...(mutualTls && { ca: peerCa!, requestCert: true, rejectUnauthorized: false }) };
}

function dialerTls({ mutualTls }: NodeOptions, { tls, peerCa }: Secrets): { ca?: string; cert?: string; key?: string } {
  return { ...(peerCa !== null && { ca: peerCa }), ...(mutualTls && tls) };
}

/** Names by which this node is known to be reached. */
function namesOf({ allowHost, advertise, listen }: NodeOptions): readonly string[] {
  return [...allowHost, listen.host, ...(advertise === undefined ? [] : [new URL(advertise).hostname])];
}

/** Listens; a node that asks for tokens and is the first of its cluster makes one for whoever started it. */
async function begin(
  app: FastifyInstance,
  options: NodeOptions,
  { access, replica }: HttpContext,
): Promise<{ url: string; firstToken: string | null }> {
  const tokens = replica.accessTokens;
  const isFirst = options.join.length === 0 && options.joinToken === undefined && tokens.entries.size === 0;
  const isLocked = access.isGuarded && !access.hasFileToken;
  const url = await listen(app, options);
  if (!isFirst || !isLocked) return { url, firstToken: null };
  const { token } = await tokens.create({ role: 'admin', name: 'first start' }, false);
  return { url, firstToken: token };
}

/** Returns the URL of the bound address; a wildcard is shown as loopback, which is where it works for sure. */
async function listen(app: FastifyInstance, options: NodeOptions): Promise<string> {
  const { host, port } = options.listen;
  try {
    await app.listen({ host, port });
  } catch (cause) {
    const message = `cannot listen on ${formatListen(options.listen)}: ${(cause as Error).message}; choose another with --listen`;
    throw new ConfigError('CONFIG_LISTEN_FAILED', message, { cause, details: { field: 'listen' } });
  }
  const bound = app.server.address() as AddressInfo;
  const shown = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return `${options.tlsCert === undefined ? 'http' : 'https'}://${formatHost(shown)}:${bound.port}`;
}

function warnExposure({ listen: { host }, insecure }: NodeOptions, { access }: HttpContext, log: Logger): void {
  if (access.isGuarded) return;
  if (insecure && !isLoopbackHost(host))
    log.warn('no token and --insecure: anybody who can reach this node can change it');
  else log.warn('no token: only clients of this machine are served');
}

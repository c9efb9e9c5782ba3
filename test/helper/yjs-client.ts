/**
 * @module
 * Owns unmodified clients of shared documents for tests: every version of y-websocket and Hocuspocus that is in use, behind one face.
 */
import * as Y from 'yjs';
import WebSocket from 'ws';
import { WebsocketProvider as Websocket31 } from 'y-websocket';
import { WebsocketProvider as Websocket30 } from 'y-websocket-3-0';
import { WebsocketProvider as Websocket21 } from 'y-websocket-2';
import { HocuspocusProvider as Hocuspocus2, HocuspocusProviderWebsocket as Socket2 } from 'hocuspocus-provider-2';
import { HocuspocusProvider as Hocuspocus3, HocuspocusProviderWebsocket as Socket3 } from 'hocuspocus-provider-3';
import { HocuspocusProvider as Hocuspocus4, HocuspocusProviderWebsocket as Socket4 } from 'hocuspocus-provider-4';

export const VERSIONS = [
  'y-websocket 2.1',
  'y-websocket 3.0',
  'y-websocket 3.1',
  'hocuspocus 2',
  'hocuspocus 3',
  'hocuspocus 4',
] as const;
export type Version = (typeof VERSIONS)[number];

export interface Awareness {
  setLocalStateField(field: string, value: unknown): void;
  getStates(): Map<number, Record<string, unknown>>;
}

export interface SharedClient {
  readonly doc: Y.Doc;
  readonly awareness: Awareness;
  /** The document is here, and the server has what we had. */
  readonly isSynced: () => boolean;
  /** Changes that the server has not taken; null when the protocol does not say. */
  readonly unsynced: () => number | null;
  /** Close codes seen, in order. */
  readonly closes: number[];
  /** What a Hocuspocus server said against it. */
  readonly denials: string[];
  /** `read-write` or `readonly`, when told. */
  readonly scope: () => string | undefined;
  destroy(): void;
}

export interface ClientSetup {
  /** Of the node: http://… */
  readonly url: string;
  readonly name: string;
  readonly token?: string;
  readonly doc?: Y.Doc;
}

interface AnyProvider {
  readonly awareness: Awareness;
  synced?: boolean;
  isSynced?: boolean;
  unsyncedChanges?: number;
  hasUnsyncedChanges?: boolean;
  authorizedScope?: string;
  on(event: string, run: (...parameters: never[]) => void): void;
  destroy(): void;
}

type ProviderClass = new (...parameters: never[]) => AnyProvider;

const WEBSOCKET = {
  'y-websocket 2.1': Websocket21,
  'y-websocket 3.0': Websocket30,
  'y-websocket 3.1': Websocket31,
} as unknown as Readonly<Record<string, ProviderClass>>;

const HOCUSPOCUS = {
  'hocuspocus 2': [Hocuspocus2, Socket2],
  'hocuspocus 3': [Hocuspocus3, Socket3],
  'hocuspocus 4': [Hocuspocus4, Socket4],
} as unknown as Readonly<Record<string, readonly [ProviderClass, new (options: object) => SharedSocket]>>;

export interface SharedSocket {
  destroy(): void;
}

export function openClient(version: Version, setup: ClientSetup): SharedClient {
  return version.startsWith('y-') ? openWebsocket(version, setup) : openHocuspocus(version, setup, null);
}

function openWebsocket(version: Version, { url, name, token, doc = new Y.Doc() }: ClientSetup): SharedClient {
  const closes: number[] = [];
  const create = WEBSOCKET[version] as unknown as new (
    url: string,
    room: string,
    doc: Y.Doc,
    options: object,
  ) => AnyProvider;
  const provider = new create(`${url.replace('http', 'ws')}/yjs`, name, doc, {
    WebSocketPolyfill: WebSocket,
    disableBc: true,
    ...(token !== undefined && { params: { token } }),
  });
  provider.on('connection-close', ((event: { code: number } | null) => event && closes.push(event.code)) as never);
  provider.on('connection-error', (() => undefined) as never);
  return {
    doc,
    awareness: provider.awareness,
    isSynced: () => provider.synced === true,
    unsynced: () => null,
    closes,
    denials: [],
    scope: () => undefined,
    destroy: () => provider.destroy(),
  };
}

/** A connection that several documents share. */
export function openSocket(version: Version, url: string): SharedSocket {
  const [, create] = HOCUSPOCUS[version]!;
  return new create({ url: `${url.replace('http', 'ws')}/hocuspocus`, WebSocketPolyfill: WebSocket });
}

/** @param shared - A connection of `openSocket`, or null for one of its own. */
export function openHocuspocus(
  version: Version,
  { url, name, token, doc = new Y.Doc() }: ClientSetup,
  shared: SharedSocket | null,
): SharedClient {
  const closes: number[] = [];
  const denials: string[] = [];
  const [create] = HOCUSPOCUS[version] as unknown as [new (options: object) => AnyProvider];
  const websocketProvider = shared ?? openSocket(version, url);
  const provider = new create({
    websocketProvider,
    name,
    document: doc,
    ...(token !== undefined && { token }),
    onClose: ({ event }: { event: { code: number } }) => closes.push(event.code),
    onAuthenticationFailed: ({ reason }: { reason: string }) => denials.push(reason),
  });
  // Since version 3 a provider that was given its socket attaches by itself only when asked to.
  if ('attach' in provider) (provider as unknown as { attach(): void }).attach();
  return {
    doc,
    awareness: provider.awareness,
    isSynced: () => provider.isSynced === true || provider.synced === true,
    // Version 2 forgets to count what was changed before it was connected, and counts below zero.
    unsynced: () => Math.max(0, provider.unsyncedChanges ?? 0),
    closes,
    denials,
    scope: () => provider.authorizedScope,
    destroy() {
      provider.destroy();
      if (shared === null) websocketProvider.destroy();
    },
  };
}

/**
 * @module
 * Owns the set of links of a replica: whom to dial, whom to accept, and which of two links to one node survives.
 */
import type { DurableBatch, Engine, OriginId } from '../engine.ts';
import type { Channel, Clock, Compressor, Dialer, Random, Timers } from '../port.ts';
import { fingerprintNode } from '../protocol/authentication.ts';
import type { LinkRole } from '../protocol/authentication.ts';
import { CLOSE_CODES } from '../protocol/close-code.ts';
import { BOOT_NONCE_BYTES, NONCE_BYTES } from '../protocol/limit.ts';
import { PayloadCodec } from '../protocol/payload.ts';
import { CAPABILITY_DEFLATE, PROTOCOL_VERSION_MAX, PROTOCOL_VERSION_MIN } from '../protocol/version.ts';
import type { LinkShared } from './context.ts';
import { Dial } from './dial.ts';
import { Link } from './link.ts';
import type { LinkOwner } from './link.ts';
import { resolveLinkOptions } from './options.ts';
import type { LinkOptions } from './options.ts';
import { Ring } from './ring.ts';
import type { PeersStatus } from './status.ts';

/** Who we are to peers. */
export interface Identity {
  readonly nodeId: string;
  readonly name: string;
  /** Where others may dial us, or null. */
  readonly url: string | null;
  readonly origin: OriginId;
}

/** What the owner of the links may want to know. */
export type PeersEvent =
  | {
      readonly type: 'live';
      readonly node: string;
      readonly name: string;
      readonly url: string | null;
      readonly origin: OriginId;
    }
  | { readonly type: 'closed'; readonly node: string | null; readonly code: number; readonly reason: string }
  /** Somebody else uses our origin, or knows more of it than we do: take a new one at once. */
  | { readonly type: 'origin-conflict'; readonly node: string; readonly reason: string };

export interface PeersDependencies {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  /** Without one, links are only accepted. */
  readonly dialer?: Dialer | undefined;
  readonly compressor?: Compressor | undefined;
  /** Read at every handshake, so that a new origin is used at once. */
  readonly identity: () => Identity;
  /** The cluster secret; empty when there is none. */
  readonly secret: Uint8Array;
  readonly options?: Partial<LinkOptions> | undefined;
  readonly onEvent?: ((event: PeersEvent) => void) | undefined;
}

export interface Peers {
  /** Keeps a link to the node at `url` (--join). Restarts an address that was given up. */
  addPeer(url: string): void;
  /** Keeps a link to an address from the replicated member list. */
  learn(url: string): void;
  /** An incoming channel, before any message was delivered. */
  accept(channel: Channel): void;
  status(): PeersStatus;
  /** Closes every link and stops dialing. */
  close(): void;
}

export function createPeers(dependencies: PeersDependencies): Peers {
  return new PeerSet(dependencies);
}

class PeerSet implements Peers, LinkOwner {
  readonly #dependencies: PeersDependencies;
  readonly #options: LinkOptions;
  readonly #shared: LinkShared;
  readonly #bootNonce: Uint8Array;
  readonly #links = new Set<Link>();
  readonly #dials = new Map<string, Dial>();
  readonly #dialOf = new Map<Link, Dial>();
  /** Origins learned from HELLOs, before the replicated catalogue knows them. */
  readonly #origins = new Map<OriginId, string>();
  readonly #unsubscribe: () => void;
  #linkedNodes: readonly string[] = [];
  #isClosed = false;

  constructor(dependencies: PeersDependencies) {
    this.#dependencies = dependencies;
    this.#options = resolveLinkOptions(dependencies.options);
    this.#bootNonce = dependencies.random.bytes(BOOT_NONCE_BYTES);
    const { engine, clock, timers, random, compressor } = dependencies;
    this.#shared = {
      engine,
      clock,
      timers,
      random,
      options: this.#options,
      payloads: new PayloadCodec(compressor, this.#options.compressBytesMin),
      ring: new Ring(this.#options.ringBytesMax),
      fetches: new Map(),
      nodeOf: (origin) => engine.nodeOf(origin) ?? this.#origins.get(origin),
      linkedNodes: () => this.#linkedNodes,
    };
    this.#unsubscribe = engine.onDurable((database, batches) => this.#handleDurable(database, batches));
  }

  addPeer(url: string): void {
    const dial = this.#keep(url, 'join', null);
    dial?.restart();
  }

  learn(url: string): void {
    if (!this.#dials.has(normaliseUrl(url))) this.#keep(url, 'learned', null)?.start();
  }

  accept(channel: Channel): void {
    if (this.#isClosed || this.#links.size >= this.#options.linksMax) {
      const code = this.#isClosed ? CLOSE_CODES.GOING_AWAY : CLOSE_CODES.BUSY;
      channel.onMessage = (): void => {};
      channel.onClose = (): void => {};
      channel.close(code, '');
      return;
    }
    this.#open(channel, 'acceptor', null);
  }

  status(): PeersStatus {
    return {
      links: [...this.#links].map((link) => link.status()),
      dials: [...this.#dials.values()].map((dial) => dial.status()),
    };
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#unsubscribe();
    for (const dial of this.#dials.values()) dial.stop();
    for (const link of [...this.#links]) link.close(CLOSE_CODES.GOING_AWAY, 'shutting down');
  }

  // --- LinkOwner

  handleAuthenticated(link: Link): void {
    const peer = link.peer!;
    this.#dialOf.get(link)?.noteNode(peer.nodeId);
    if (peer.origin === this.#dependencies.identity().origin) {
      this.handleOriginConflict(link, `node ${peer.nodeId} writes as our origin`);
      link.close(CLOSE_CODES.ORIGIN_CONFLICT, 'two nodes write as one origin');
      return;
    }
    for (const other of [...this.#links]) {
      if (other === link || other.state !== 'live' || other.peer?.nodeId !== peer.nodeId) continue;
      const verdict = this.#judgeDuplicate(link, other);
      if (verdict === null) continue;
      verdict.loser.close(verdict.code, verdict.reason);
      if (verdict.loser === link) return;
    }
  }

  handleLive(link: Link): void {
    const { nodeId, name, url, origin } = link.peer!;
    this.#origins.set(origin, nodeId);
    this.#dialOf.get(link)?.handleLive(nodeId);
    this.#refreshLinkedNodes();
    this.#dependencies.onEvent?.({ type: 'live', node: nodeId, name, url, origin });
    if (url !== null && !this.#dials.has(normaliseUrl(url))) this.#keep(url, 'learned', nodeId)?.start();
  }

  handleClosed(link: Link, code: number, reason: string): void {
    this.#links.delete(link);
    const dial = this.#dialOf.get(link);
    this.#dialOf.delete(link);
    if (this.#isClosed) return;
    this.#refreshLinkedNodes();
    dial?.handleClosed(code, reason);
    const node = link.peer?.nodeId ?? null;
    if (node !== null && !this.#isLinked(node)) {
      for (const other of this.#dials.values()) if (other.node === node) other.handleNodeLost();
    }
    this.#dependencies.onEvent?.({ type: 'closed', node, code, reason });
  }

  handleOriginConflict(link: Link, reason: string): void {
    this.#dependencies.onEvent?.({ type: 'origin-conflict', node: link.peer?.nodeId ?? '', reason });
  }

  // --- links

  #handleDurable(database: string, batches: readonly DurableBatch[]): void {
    if (batches.length === 0) {
      for (const link of [...this.#links]) link.handleVectorMoved(database);
      return;
    }
    this.#shared.ring.add(database, batches, this.#dependencies.clock.now());
    for (const link of [...this.#links]) link.handleDurable(database, batches);
  }

  #open(channel: Channel, role: LinkRole, dial: Dial | null): void {
    const { identity, secret, random } = this.#dependencies;
    const { nodeId, name, url, origin } = identity();
    const link = new Link({
      shared: this.#shared,
      owner: this,
      channel,
      role,
      url: dial?.url ?? null,
      secret,
      hello: {
        type: 'hello',
        versionMin: PROTOCOL_VERSION_MIN,
        versionMax: PROTOCOL_VERSION_MAX,
        nodeId,
        name,
        url: url ?? '',
        origin,
        bootNonce: this.#bootNonce,
        nonce: random.bytes(NONCE_BYTES),
        supports: this.#shared.payloads.canDeflate ? CAPABILITY_DEFLATE : 0,
        requires: 0,
        windowBytes: this.#options.windowBytes,
      },
    });
    this.#links.add(link);
    if (dial !== null) this.#dialOf.set(link, dial);
    link.start();
  }

  /**
   * Decides which of two links to one node is closed: of links dialed by both sides the one by the larger node id; of two dialed
   * by one side the dialer closes the newer. Both sides come to the same result without talking about it.
   */
  #judgeDuplicate(link: Link, other: Link): { loser: Link; code: number; reason: string } | null {
    const peer = link.peer!;
    if (other.peer!.boot !== peer.boot) {
      if (other.peer!.origin !== peer.origin) {
        return { loser: other, code: CLOSE_CODES.REPLACED, reason: 'the node restarted' };
      }
      return { loser: link, code: CLOSE_CODES.DUPLICATE_NODE, reason: 'a copy of this process is linked already' };
    }
    const code = CLOSE_CODES.DUPLICATE_LINK;
    const reason = 'one link is enough';
    if (link.role !== other.role) {
      const isOursSmaller = this.#dependencies.identity().nodeId < peer.nodeId;
      const isOurs = link.role === 'dialer';
      return { loser: isOurs === isOursSmaller ? other : link, code, reason };
    }
    return link.role === 'dialer' ? { loser: link, code, reason } : null;
  }

  #isLinked(node: string): boolean {
    return [...this.#links].some((link) => link.state === 'live' && link.peer?.nodeId === node);
  }

  #refreshLinkedNodes(): void {
    const nodes = [...this.#links].flatMap((link) =>
      link.state === 'live' && link.peer !== null ? [link.peer.nodeId] : [],
    );
    const fingerprints = [...new Set(nodes)].map(fingerprintNode).sort();
    if (fingerprints.join() === this.#linkedNodes.join()) return;
    this.#linkedNodes = fingerprints;
    for (const link of this.#links) link.handleLinksChanged();
  }

  // --- dialing

  /** Only addresses given by an operator or advertised by an authenticated member get here. */
  #keep(url: string, source: 'join' | 'learned', node: string | null): Dial | null {
    const key = normaliseUrl(url);
    const { dialer, timers, random, identity } = this.#dependencies;
    const own = identity().url;
    if (this.#isClosed || dialer === undefined || (own !== null && normaliseUrl(own) === key)) return null;
    const known = this.#dials.get(key);
    if (known !== undefined) return known;
    if (this.#dials.size >= this.#options.linksMax) return null;
    const dial = new Dial(
      key,
      source,
      node,
      { dialer, timers, random, options: this.#options },
      {
        isLinked: (nodeId) => this.#isLinked(nodeId),
        handleOpen: (each, channel) => this.#open(channel, 'dialer', each),
      },
    );
    this.#dials.set(key, dial);
    return dial;
  }
}

function normaliseUrl(url: string): string {
  return url.replace(/\/+$/, '');
}

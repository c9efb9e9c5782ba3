/**
 * @module
 * Owns the set of links of a replica: whom to dial, whom to accept, and which of two links to one node survives.
 */
import type { DurableBatch, Engine, OriginId } from '../engine.ts';
import type { Holding } from '../horizon.ts';
import type { Channel, Clock, Compressor, Dialer, Random, Timers } from '../port.ts';
import type { JoinToken } from '../protocol/admission.ts';
import { fingerprintNode, toHex } from '../protocol/authentication.ts';
import type { LinkRole } from '../protocol/authentication.ts';
import { CLOSE_CODES } from '../protocol/close-code.ts';
import { BOOT_NONCE_BYTES, NONCE_BYTES } from '../protocol/limit.ts';
import { PayloadCodec } from '../protocol/payload.ts';
import type { Word } from '../stability.ts';
import { CAPABILITY_DEFLATE, PROTOCOL_VERSION_MAX, PROTOCOL_VERSION_MIN } from '../protocol/version.ts';
import type { LinkShared, PeerHistory } from './context.ts';
import type { Dial } from './dial.ts';
import { DialSet } from './dial-set.ts';
import type { KnownToken } from './handshake.ts';
import { Link } from './link.ts';
import type { LinkOwner } from './link.ts';
import { resolveLinkOptions } from './options.ts';
import type { LinkOptions } from './options.ts';
import type { HoldingsSource } from './relay.ts';
import { Ring } from './ring.ts';
import { Roster } from './roster.ts';
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
  | {
      readonly type: 'closed';
      /** Null before the peer proved who it is. */
      readonly node: string | null;
      /** Of the peer: what it says, proven or not. */
      readonly claimed: string | null;
      /** The address we dialed; null when it dialed us. */
      readonly url: string | null;
      readonly code: number;
      readonly reason: string;
      /** What it was last known to hold. */
      readonly holdings: ReadonlyMap<string, ReadonlyMap<OriginId, number>>;
    }
  /** Somebody else writes as this origin of ours: if it is the current one, take a new one at once. */
  | { readonly type: 'origin-conflict'; readonly node: string; readonly origin: OriginId; readonly reason: string }
  /** A peer holds more of what this node wrote than this node does, or something else. */
  | ({ readonly type: 'history'; readonly node: string } & PeerHistory)
  /** Another process runs under our node id, and it is we who have to take a new one. */
  | { readonly type: 'node-id-shared'; readonly node: string; readonly reason: string }
  /** Two processes run under the node id of a peer. */
  | { readonly type: 'copy-seen'; readonly node: string }
  /** The cluster has removed this node. */
  | { readonly type: 'removed'; readonly node: string; readonly reason: string };

/** Who may join without knowing the secret. */
export interface Admissions {
  find(tokenId: string): KnownToken | null;
  /** Resolves when the token is durably marked as used by this node. */
  redeem(tokenId: string, nodeId: string): Promise<void>;
}

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
  /** The cluster secret; empty when there is none, a join token as long as we have only that. */
  readonly secret: () => Uint8Array | JoinToken;
  readonly admissions?: Admissions | undefined;
  /** What members hold, to be passed on. */
  readonly holdings?: HoldingsSource | undefined;
  readonly onSecret?: ((secret: Uint8Array) => void) | undefined;
  /** Was this node removed from the cluster? Default: none was. */
  readonly isRemoved?: ((node: string) => boolean) | undefined;
  readonly options?: Partial<LinkOptions> | undefined;
  /** A peer acknowledged something. */
  readonly onProgress?: (() => void) | undefined;
  readonly onEvent?: ((event: PeersEvent) => void) | undefined;
}

export interface Peers {
  /** Keeps a link to the node at `url` (--join). Restarts an address that was given up. */
  addPeer(url: string): void;
  /** Keeps a link to the address of a member, and to no other that it had before. */
  learn(url: string, node?: string): void;
  /** An incoming channel, before any message was delivered. */
  accept(channel: Channel): void;
  status(): PeersStatus;
  /** Forgets recent batches; a link that has yet to send some of them reads the log. */
  releaseRing(): void;
  /** Ids of the nodes with a live link. */
  linkedNodes(): readonly string[];
  /** Fingerprints of the nodes that our peers are linked to, by their own word. */
  nodesBeyond(): ReadonlySet<string>;
  /** Database → origin → sequence that a linked node is known to hold durably; null without a link. */
  holdingsOf(node: string): ReadonlyMap<string, ReadonlyMap<OriginId, number>> | null;
  /** The same of one database, without copying. */
  holdingOf(node: string, database: string): Holding | null;
  /** All that a linked node held of a database at one moment; null without a link, or before it said so. */
  wordOf(node: string, database: string): Word | null;
  /** Keeps links to these nodes, and of others only those that they dialed, or that an operator wants while there are few. */
  shape(wanted: ReadonlySet<string>): void;
  /** A member that does not answer. */
  isAway(node: string): boolean;
  /** The list of removed nodes changed: their links end at once, their addresses are forgotten. */
  expelRemoved(): void;
  /** We have become another node: every link begins anew. */
  reintroduce(): void;
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
  #bootNonce: Uint8Array;
  readonly #roster = new Roster();
  readonly #links = new Set<Link>();
  readonly #dials: DialSet;
  readonly #dialOf = new Map<Link, Dial>();
  /** Origins learned from HELLOs, before the replicated catalogue knows them. */
  readonly #origins = new Map<OriginId, string>();
  readonly #unsubscribe: () => void;
  #linkedNodes: readonly string[] = [];
  /** The neighbours in an overlay; null while everybody is linked to everybody. */
  #wanted: ReadonlySet<string> | null = null;
  #isClosed = false;

  constructor(dependencies: PeersDependencies) {
    this.#dependencies = dependencies;
    this.#options = resolveLinkOptions(dependencies.options);
    this.#bootNonce = dependencies.random.bytes(BOOT_NONCE_BYTES);
    const { engine, clock, timers, random, dialer, compressor, holdings, onProgress } = dependencies;
    this.#shared = {
      engine,
      clock,
      timers,
      random,
      options: this.#options,
      payloads: new PayloadCodec(compressor, this.#options.compressBytesMin),
      ring: new Ring(this.#options.ringBytesMax),
      fetches: new Map(),
      upstreams: new Map(),
      ownOrigin: () => dependencies.identity().origin,
      nodeOf: (origin) => engine.nodeOf(origin) ?? this.#origins.get(origin),
      linkedNodes: () => this.#linkedNodes,
      holdings,
      onProgress,
    };
    this.#dials = new DialSet(
      { dialer, timers, random, options: this.#options },
      {
        ownUrl: () => dependencies.identity().url,
        isLinked: (node) => this.#isLinked(node),
        handleOpen: (dial, channel) => this.#open(channel, 'dialer', dial),
      },
    );
    this.#unsubscribe = engine.onDurable((database, batches) => this.#handleDurable(database, batches));
  }

  addPeer(url: string): void {
    if (!this.#isClosed) this.#dials.join(url);
  }

  learn(url: string, node?: string): void {
    if (!this.#isClosed) this.#dials.learn(url, node ?? null);
  }

  accept(channel: Channel): void {
    // Who has no secret yet has nothing that others could prove.
    const isReady = this.#dependencies.secret() instanceof Uint8Array;
    if (this.#isClosed || !isReady || this.#links.size >= this.#options.linksMax) {
      const code = this.#isClosed ? CLOSE_CODES.GOING_AWAY : CLOSE_CODES.BUSY;
      channel.onMessage = (): void => {};
      channel.onClose = (): void => {};
      channel.close(code, '');
      return;
    }
    this.#open(channel, 'acceptor', null);
  }

  status(): PeersStatus {
    return { links: [...this.#links].map((link) => link.status()), dials: this.#dials.status() };
  }

  linkedNodes(): readonly string[] {
    return [...new Set(this.#liveLinks().map((link) => link.peer!.nodeId))];
  }

  nodesBeyond(): ReadonlySet<string> {
    return new Set(this.#liveLinks().flatMap((link) => link.peerLinks()));
  }

  holdingsOf(node: string): ReadonlyMap<string, ReadonlyMap<OriginId, number>> | null {
    return (
      this.#liveLinks()
        .find((link) => link.peer!.nodeId === node)
        ?.holdings() ?? null
    );
  }

  holdingOf(node: string, database: string): Holding | null {
    return (
      this.#liveLinks()
        .find((link) => link.peer!.nodeId === node)
        ?.holding(database) ?? null
    );
  }

  wordOf(node: string, database: string): Word | null {
    const link = this.#liveLinks().find((each) => each.peer!.nodeId === node);
    return link?.word(database) ?? null;
  }

  isAway(node: string): boolean {
    return !this.#isLinked(node) && this.#dials.isAway(node);
  }

  shape(wanted: ReadonlySet<string>): void {
    this.#wanted = wanted;
    const live = this.#liveLinks();
    if (live.length < LINKS_WANTED_MIN) this.#dials.wakeAll();
    const isEnough = live.filter((link) => wanted.has(link.peer!.nodeId)).length >= LINKS_WANTED_MIN;
    if (!isEnough) return;
    for (const link of live) {
      const node = link.peer!.nodeId;
      if (wanted.has(node)) continue;
      this.#dials.rest(node);
      // The other side may need it, if it was it who dialed.
      if (link.role === 'dialer') link.close(CLOSE_CODES.GOING_AWAY, 'other links are enough');
    }
  }

  expelRemoved(): void {
    const { isRemoved } = this.#dependencies;
    if (isRemoved === undefined) return;
    for (const link of [...this.#links]) {
      const node = link.peer?.nodeId;
      if (node === undefined || !isRemoved(node)) continue;
      this.#dials.forget(node);
      link.close(CLOSE_CODES.FENCED, REMOVED);
    }
  }

  reintroduce(): void {
    this.#bootNonce = this.#dependencies.random.bytes(BOOT_NONCE_BYTES);
    for (const link of [...this.#links]) link.close(CLOSE_CODES.GOING_AWAY, 'this node has taken a new id');
    this.#dials.restartAll();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#unsubscribe();
    this.#dials.stop();
    for (const link of [...this.#links]) link.close(CLOSE_CODES.GOING_AWAY, 'shutting down');
  }

  // --- LinkOwner

  handleAuthenticated(link: Link): void {
    const { nodeId, origin, boot } = link.peer!;
    this.#dialOf.get(link)?.noteNode(nodeId);
    if (this.#dependencies.isRemoved?.(nodeId) === true) return link.close(CLOSE_CODES.FENCED, REMOVED);
    if (nodeId === this.#dependencies.identity().nodeId) return this.#meetTwin(link);
    if (origin === link.ownOrigin) {
      const reason = `node ${nodeId} writes as our origin`;
      this.#emit({ type: 'origin-conflict', node: nodeId, origin, reason });
      return link.close(CLOSE_CODES.ORIGIN_CONFLICT, 'two nodes write as one origin');
    }
    const others = this.#liveLinks().filter((other) => other !== link && other.peer!.nodeId === nodeId);
    const shared = others.find((other) => other.peer!.boot !== boot && other.peer!.origin === origin);
    if (shared !== undefined) return this.#separate(shared, link);
    this.#judgeProcess(link, others);
    if (link.state === 'closed') return;
    for (const other of others) if (other.state === 'live') this.#judgeDuplicate(link, other);
  }

  handleLive(link: Link): void {
    const { nodeId, name, url, origin } = link.peer!;
    this.#origins.set(origin, nodeId);
    this.#dialOf.get(link)?.handleLive(nodeId);
    this.#refreshLinkedNodes();
    this.#emit({ type: 'live', node: nodeId, name, url, origin });
    if (url !== null && this.#wanted?.has(nodeId) !== false) this.learn(url, nodeId);
  }

  admit(tokenId: string, nodeId: string): Promise<void> {
    return this.#dependencies.admissions!.redeem(tokenId, nodeId);
  }

  handleSecret(secret: Uint8Array): void {
    this.#dependencies.onSecret?.(secret);
  }

  handleClosed(link: Link, code: number, reason: string, isRemote: boolean): void {
    this.#links.delete(link);
    const dial = this.#dialOf.get(link);
    this.#dialOf.delete(link);
    if (this.#isClosed) return;
    this.#refreshLinkedNodes();
    dial?.handleClosed(code, reason);
    const node = link.peer?.nodeId ?? null;
    if (node !== null && !this.#isLinked(node)) this.#dials.handleNodeLost(node);
    const { claimed, url } = link;
    this.#emit({ type: 'closed', node, claimed, url, code, reason, holdings: link.holdings() });
    if (isRemote && node !== null) this.#heed(link, node, code, reason);
  }

  handleHistory(link: Link, history: PeerHistory): void {
    const node = link.peer!.nodeId;
    const { database, origin, seq, held } = history;
    if (origin === this.#dependencies.identity().origin) {
      const reason = `node ${node} holds ${seq} of it in ${database}, we ${held}`;
      this.#emit({ type: 'origin-conflict', node, origin, reason });
    }
    this.#emit({ type: 'history', node, ...history });
  }

  #emit(event: PeersEvent): void {
    this.#dependencies.onEvent?.(event);
  }

  // --- two processes, one name

  /** Another process under our node id, met directly: both sides come to the same result. */
  #meetTwin(link: Link): void {
    const { boot, nonce, nodeId, origin } = link.peer!;
    const isOursGreater = `${toHex(this.#bootNonce)}${link.nonce}` > `${boot}${nonce}`;
    if (!isOursGreater) {
      if (origin === link.ownOrigin) {
        this.#emit({ type: 'origin-conflict', node: nodeId, origin, reason: 'a copy of this process writes as it' });
      }
      return link.close(CLOSE_CODES.DUPLICATE_NODE, 'another process runs under this node id');
    }
    link.close(CLOSE_CODES.GOING_AWAY, 'this node takes a new id');
    this.#emit({ type: 'node-id-shared', node: nodeId, reason: 'another process runs under our node id' });
  }

  /** A process and its copy in memory: the one we knew takes a new epoch, the other becomes a node of its own. */
  #separate(known: Link, copy: Link): void {
    this.#emit({ type: 'copy-seen', node: copy.peer!.nodeId });
    copy.close(CLOSE_CODES.DUPLICATE_NODE, 'a copy of this process is linked already');
    known.close(CLOSE_CODES.ORIGIN_CONFLICT, 'a copy of this process writes as the same origin');
  }

  /** A restart, or a copied directory that runs twice: then the process known longer keeps the node id. */
  #judgeProcess(link: Link, others: readonly Link[]): void {
    const { nodeId, boot } = link.peer!;
    const verdict = this.#roster.see(nodeId, boot, link.openedAt);
    if (verdict === 'copy') link.close(CLOSE_CODES.DUPLICATE_NODE, 'a copy of another process: its node id is taken');
    if (verdict === 'unproven') link.close(CLOSE_CODES.DUPLICATE_LINK, 'opened before the node restarted');
    if (verdict === 'returned') this.#emit({ type: 'copy-seen', node: nodeId });
    if (verdict !== 'returned' && verdict !== 'restarted') return;
    const [code, reason] =
      verdict === 'returned'
        ? [CLOSE_CODES.DUPLICATE_NODE, 'a copy of another process: its node id is taken']
        : [CLOSE_CODES.REPLACED, 'the node restarted'];
    for (const other of others) if (other.peer!.boot !== boot) other.close(code, reason);
  }

  /** What an authenticated peer says about ourselves when it closes. */
  #heed(link: Link, node: string, code: number, reason: string): void {
    if (code === CLOSE_CODES.ORIGIN_CONFLICT) {
      this.#emit({ type: 'origin-conflict', node, origin: link.ownOrigin, reason: `node ${node} says: ${reason}` });
    } else if (code === CLOSE_CODES.DUPLICATE_NODE) {
      this.#emit({ type: 'node-id-shared', node, reason: `node ${node} says: ${reason}` });
    } else if (code === CLOSE_CODES.FENCED) {
      this.#emit({ type: 'removed', node, reason });
    }
  }

  // --- links

  releaseRing(): void {
    this.#shared.ring.clear();
  }

  #handleDurable(database: string, batches: readonly DurableBatch[]): void {
    if (batches.length === 0) {
      for (const link of [...this.#links]) link.handleVectorMoved(database);
      return;
    }
    this.#shared.ring.add(database, batches, this.#dependencies.clock.now());
    for (const link of [...this.#links]) link.handleDurable(database, batches);
  }

  #open(channel: Channel, role: LinkRole, dial: Dial | null): void {
    const { identity, admissions, random } = this.#dependencies;
    const { nodeId, name, url, origin } = identity();
    const known = this.#dependencies.secret();
    const token = known instanceof Uint8Array ? undefined : known;
    const link = new Link({
      shared: this.#shared,
      owner: this,
      channel,
      url: dial?.url ?? null,
      openedAt: this.#roster.nextMoment(),
      handshake: {
        role,
        secret: known instanceof Uint8Array ? known : new Uint8Array(),
        token,
        findToken: (id) => admissions?.find(id) ?? null,
        isOwnNonce: (nonce) => [...this.#links].some((other) => other.nonce === nonce),
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
          token: token?.id ?? '',
        },
      },
    });
    this.#links.add(link);
    if (dial !== null) this.#dialOf.set(link, dial);
    link.start();
  }

  /**
   * Closes one of two links to one process: of links dialed by both sides the one by the larger node id; of two dialed by one side
   * the dialer closes the newer. Both sides come to the same result without talking about it.
   */
  #judgeDuplicate(link: Link, other: Link): void {
    const code = CLOSE_CODES.DUPLICATE_LINK;
    const reason = 'one link is enough';
    if (link.role !== other.role) {
      const isOursSmaller = this.#dependencies.identity().nodeId < link.peer!.nodeId;
      const isOurs = link.role === 'dialer';
      (isOurs === isOursSmaller ? other : link).close(code, reason);
    } else if (link.role === 'dialer') {
      link.close(code, reason);
    } else {
      this.#watchTwins(other, link);
    }
  }

  /** One process closes the second link it dials; if both still live after a while, a copied machine has dialed one of them. */
  #watchTwins(older: Link, newer: Link): void {
    const { tickMs, silenceTicksMax } = this.#options;
    this.#dependencies.timers.after(tickMs * (silenceTicksMax + 5), () => {
      if (older.state === 'live' && newer.state === 'live' && older.isHeard && newer.isHeard) {
        this.#separate(older, newer);
      }
    });
  }

  #liveLinks(): Link[] {
    return [...this.#links].filter((link) => link.state === 'live');
  }

  #isLinked(node: string): boolean {
    return this.#liveLinks().some((link) => link.peer!.nodeId === node);
  }

  #refreshLinkedNodes(): void {
    const fingerprints = this.linkedNodes().map(fingerprintNode).sort();
    if (fingerprints.join() === this.#linkedNodes.join()) return;
    this.#linkedNodes = fingerprints;
    for (const link of this.#links) link.handleLinksChanged();
  }
}

/** With fewer links every address is dialed. */
const LINKS_WANTED_MIN = 4;
const REMOVED = 'this node was removed from the cluster';

/**
 * @module
 * Owns leaves and nodes in one process on virtual time, for tests of what they say and do to each other. Channels can be cut and watched.
 */
import { AtollError } from '../../../../crdt/index.ts';
import type { JsonObject } from '../../../../crdt/index.ts';
import { Leaf, LeafHost, leafQueries, MemoryStore, SyncError } from '../../../../sync/index.ts';
import type {
  Channel,
  Dialer,
  LeafEvent,
  LeafGrant,
  LeafParts,
  LeafSubscription,
  ReplicaOptions,
} from '../../../../sync/index.ts';
import { decodeLeafMessage } from '../../../../sync/leaf/codec.ts';
import type { LeafMessage } from '../../../../sync/leaf/message.ts';
import { portableSha256 } from '../../../../sync/sha256.ts';
import { seededRandom } from '../../../helper/manual-ports.ts';
import { ReplicaCluster } from '../replica-fixture.ts';
import type { Member } from '../replica-fixture.ts';
import type { VirtualTime } from '../link-fixture.ts';

const DELAY_MS = 5;

export interface Passing {
  readonly from: string;
  readonly to: string;
  readonly message: LeafMessage;
  readonly bytes: number;
}

export interface HostNode extends Member {
  readonly name: string;
  readonly host: LeafHost;
}

export interface TestLeaf {
  readonly leaf: Leaf;
  readonly store: MemoryStore;
  readonly events: LeafEvent[];
}

export interface LeafSetup extends Partial<LeafParts> {
  readonly nodes: readonly string[];
  readonly name?: string;
}

export const TODOS: readonly LeafSubscription[] = [{ database: 'app', collection: 'todos' }];
const utf8 = new TextDecoder();

export class LeafWorld {
  readonly cluster: ReplicaCluster = new ReplicaCluster();
  readonly passed: Passing[] = [];
  /** Return false to lose a message, and with it the connection as long as it lasts. */
  filter: (passing: Passing) => boolean = () => true;
  /** Nodes that leaves cannot reach. */
  readonly unreachable: Set<string> = new Set();
  /** What tokens let do, or why they do not; others are refused. */
  readonly grants: Map<string, LeafGrant | AtollError> = new Map([['', grant()]]);
  readonly #hosts = new Map<string, LeafHost>();
  readonly #channels = new Set<FakeChannel>();
  readonly #leaves: Leaf[] = [];
  readonly errors: unknown[] = [];
  #seed = 101;

  get time(): VirtualTime {
    return this.cluster.time;
  }

  async node(name: string, joins: readonly string[] = [], options: Partial<ReplicaOptions> = {}): Promise<HostNode> {
    const member = await this.cluster.start(name, joins, options);
    const { time } = this;
    const host = new LeafHost(member.replica, {
      clock: time,
      timers: time,
      onError: (error) => this.errors.push(error),
    });
    this.#hosts.set(name, host);
    return { ...member, name, host };
  }

  /** Several nodes that know each other, with a database. */
  async nodes(...names: readonly [string, ...string[]]): Promise<readonly HostNode[]> {
    const [first, ...others] = names;
    const nodes = [await this.node(first)];
    for (const name of others)
      nodes.push(
        await this.node(
          name,
          names.filter((other) => other !== name),
        ),
      );
    await nodes[0]!.replica.createDatabase('app');
    await this.until(() => nodes.every(({ replica }) => replica.databases().includes('app')));
    return nodes;
  }

  async leaf({ nodes, name = 'leaf', ...options }: LeafSetup): Promise<TestLeaf> {
    const store = (options.store as MemoryStore | undefined) ?? new MemoryStore();
    const { time } = this;
    const leaf = await Leaf.open({
      urls: nodes,
      token: '',
      subscribe: TODOS,
      dialer: this.#dialer(name),
      clock: time,
      timers: time,
      random: seededRandom(this.#seed++),
      sha256: portableSha256,
      queries: leafQueries,
      ...options,
      store,
    });
    this.#leaves.push(leaf);
    const events: LeafEvent[] = [];
    leaf.onEvent((event) => events.push(event));
    return { leaf, store, events };
  }

  /** Opens a channel to a node, as a leaf would. */
  dial(node: string): Promise<Channel> {
    return this.#dialer('raw').dial(node);
  }

  #dialer(from: string): Dialer {
    return {
      dial: async (to) => {
        const host = this.#hosts.get(to);
        if (host === undefined || this.unreachable.has(to)) throw new Error(`cannot reach ${to}`);
        const [ours, theirs] = [new FakeChannel(this, from, to), new FakeChannel(this, to, from)];
        ours.other = theirs;
        theirs.other = ours;
        this.#channels.add(ours);
        host.accept(theirs, (token) => this.#authorise(token));
        return ours;
      },
    };
  }

  #authorise(token: string): LeafGrant {
    const known = this.grants.get(token) ?? new AtollError('HTTP_UNAUTHORIZED', 'the token is not valid');
    if (known instanceof AtollError) throw known;
    return known;
  }

  /** Nobody is told: both ends find out by silence, or when they are cut. */
  cut(node: string): void {
    this.unreachable.add(node);
    for (const channel of this.#channels) if (channel.to === node) channel.break();
  }

  heal(node: string): void {
    this.unreachable.delete(node);
  }

  until(condition: () => boolean, msMax?: number): Promise<number> {
    return this.time.until(condition, msMax);
  }

  /** Everything is sent and told. */
  async settle(...leaves: readonly TestLeaf[]): Promise<void> {
    // What a node has just committed is told a moment later.
    await this.time.advance(200);
    await this.until(() => leaves.every(({ leaf }) => leaf.status().isSettled));
  }

  /** Whom leaves have written as. */
  nonces(): readonly string[] {
    const pushes = this.passed.flatMap(({ message }) => (message.type === 'push' ? [message] : []));
    return [...new Set(pushes.flatMap((push) => push.nonces.map((nonce) => nonce.join())))];
  }

  bytesTo(name: string): number {
    return this.passed.filter(({ to }) => to === name).reduce((sum, { bytes }) => sum + bytes, 0);
  }

  async close(): Promise<void> {
    await Promise.all(this.#leaves.map((leaf) => leaf.close()));
    for (const host of this.#hosts.values()) host.close();
    await this.cluster.close();
  }
}

class FakeChannel implements Channel {
  onMessage: (message: Uint8Array) => void = () => {};
  onClose: (code: number, reason: string) => void = () => {};
  other!: FakeChannel;
  bufferedBytes = 0;
  readonly from: string;
  readonly to: string;
  readonly #world: LeafWorld;
  #isClosed = false;

  constructor(world: LeafWorld, from: string, to: string) {
    this.#world = world;
    this.from = from;
    this.to = to;
  }

  send(message: Uint8Array): void {
    if (this.#isClosed) return;
    const { from, to } = this;
    const passing = { from, to, message: decodeOrNot(message), bytes: message.length };
    this.#world.passed.push(passing);
    if (!this.#world.filter(passing)) return;
    const copy = message.slice();
    this.#world.time.after(DELAY_MS, () => {
      if (!this.other.#isClosed) this.other.onMessage(copy);
    });
  }

  close(code: number, reason: string): void {
    this.#world.time.after(DELAY_MS, () => this.other.#end(code, reason));
    this.#end(code, reason);
  }

  break(): void {
    this.#end(1006, '');
    this.other.#end(1006, '');
  }

  #end(code: number, reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.onClose(code, reason);
  }
}

function decodeOrNot(message: Uint8Array): LeafMessage {
  try {
    return decodeLeafMessage(message);
  } catch (error) {
    if (error instanceof SyncError) return { type: 'ping' };
    throw error;
  }
}

export function grant(changes: Partial<LeafGrant> = {}): LeafGrant {
  return { tokenId: 'test', mayWrite: true, mayUse: () => true, isCurrent: () => true, ...changes };
}

export async function putOn({ replica }: Pick<Member, 'replica'>, id: string, value: JsonObject): Promise<void> {
  await replica.database('app').write('todos', id, { kind: 'replace', value });
}

export async function readOn({ replica }: Pick<Member, 'replica'>, id: string): Promise<unknown> {
  const stored = await replica.database('app').get('todos', id);
  return stored === null ? null : JSON.parse(utf8.decode(stored.json));
}

export function shownOn({ leaf }: TestLeaf, id: string): unknown {
  return leaf.collection('app', 'todos').get(id)?.doc ?? null;
}

export async function putOnLeaf({ leaf }: TestLeaf, id: string, value: JsonObject): Promise<void> {
  await leaf.collection('app', 'todos').put(id, value);
}

/**
 * @module
 * Owns what the system database says: which databases exist, how collections are configured, who the members are. Ordinary
 * documents, replicated and merged like any other; this is their reading, kept up to date after every commit.
 *
 * | collection | id | document |
 * |---|---|---|
 * | `databases` | name | `{created: {generation: true}, dropped: {generation: true}}`: both only grow, so a drop is final |
 * | `collections` | `database key/collection` | CollectionConfig, its schema as one text |
 * | `indexes` | `database key/collection/name` | `{definition}`: one text, so that definitions do not mix (query/index-definition.ts) |
 * | `members` | node id | `{name, url, state, databases, removed: {at, by}}`; `removed` is never taken back |
 * | `join-tokens` | token id | `{hash, expiresAt, usedBy}` |
 * | `cluster` | `identity` | `{ids: {16 hex digits: true}}`: drawn with the first database; several when clusters met that had begun apart |
 * | `access-tokens` | token id | see `access-token.ts`; `revoked` is never taken back |
 */
import type { CollectionConfig } from './collection-config.ts';
import { readStoredConfig } from './collection-config.ts';
import { AtollError } from '../crdt/index.ts';
import type { Change, JsonObject, JsonValue } from '../crdt/index.ts';
import { readAccessToken } from './access-token.ts';
import type { AccessTokenEntry } from './access-token.ts';
import { SyncError } from './errors.ts';
import { readIndexDefinition } from './query/index-definition.ts';
import type { IndexEntry } from './query/index-set.ts';

export const SYSTEM_KEY = '_system.0';
/** The collections that `Catalog.update` reads. */
export const SYSTEM_COLLECTIONS: readonly string[] = [
  'databases',
  'collections',
  'indexes',
  'members',
  'join-tokens',
  'access-tokens',
  'cluster',
];

export interface DatabaseEntry {
  /** The largest generation anybody created or dropped. */
  readonly latest: number;
  /** The generation in use; `null` when all were dropped. */
  readonly live: number | null;
  readonly dropped: ReadonlySet<number>;
}

/**
 * `joining`: has not caught up yet. `draining`: about to be stopped. `stale`: away for so long that nobody waits for it. `removed`:
 * out of the cluster for ever.
 */
export type MemberState = 'joining' | 'live' | 'draining' | 'stale' | 'removed';

export interface MemberEntry {
  readonly name: string;
  /** Where other members may dial it; `null` = it only dials. */
  readonly url: string | null;
  readonly state: MemberState;
  /** Names of the databases it holds; `null` = all. */
  readonly databases: readonly string[] | null;
}

/** What members know of a join token. */
export interface JoinTokenEntry {
  /** Hex of SHA-256 of the token. */
  readonly hash: string;
  /** Wall clock, ms. */
  readonly expiresAt: number;
  /** The node that joined with it. */
  readonly usedBy: string | null;
}

const decoder = new TextDecoder();
const NO_CONFIG: CollectionConfig = {};

export class Catalog {
  readonly databases: Map<string, DatabaseEntry> = new Map();
  readonly members: Map<string, MemberEntry> = new Map();
  readonly joinTokens: Map<string, JoinTokenEntry> = new Map();
  /** Sorted; empty before this node heard of a database. */
  clusterIds: readonly string[] = [];
  readonly accessTokens: Map<string, AccessTokenEntry> = new Map();
  readonly #collections = new Map<string, CollectionConfig>();
  readonly #indexes = new Map<string, IndexEntry>();

  /** Takes note of a document of the system database; `null` = deleted. Returns whether it was one the catalog knows. */
  update(collection: string, id: string, json: Uint8Array | null): boolean {
    const value = json ? (JSON.parse(decoder.decode(json)) as JsonObject) : null;
    switch (collection) {
      case 'databases':
        assign(this.databases, id, value && readDatabase(value));
        return true;
      case 'members':
        assign(this.members, id, value && readMember(value));
        return true;
      case 'join-tokens':
        assign(this.joinTokens, id, value && readJoinToken(value));
        return true;
      case 'cluster':
        this.clusterIds = readClusterIds(value);
        return true;
      case 'access-tokens':
        assign(this.accessTokens, id, value && readAccessToken(value));
        return true;
      case 'indexes':
        assign(this.#indexes, id, value && readIndex(id, value));
        return true;
      case 'collections':
        assign(this.#collections, id, value && readConfig(value));
        return true;
      default:
        return false;
    }
  }

  /** Settings of a collection; all defaults when it was never configured. */
  configOf(databaseKey: string, collection: string): CollectionConfig {
    return this.#collections.get(collectionId(databaseKey, collection)) ?? NO_CONFIG;
  }

  isConfigured(databaseKey: string, collection: string): boolean {
    return this.#collections.has(collectionId(databaseKey, collection));
  }

  /** Collections of a database that were configured, with or without documents. */
  configuredCollections(databaseKey: string): string[] {
    const prefix = `${databaseKey}/`;
    return [...this.#collections.keys()].filter((id) => id.startsWith(prefix)).map((id) => id.slice(prefix.length));
  }

  /** Indexes that are defined for a database. */
  indexesOf(databaseKey: string): readonly IndexEntry[] {
    const prefix = `${databaseKey}/`;
    return [...this.#indexes].flatMap(([id, entry]) => (id.startsWith(prefix) ? [entry] : []));
  }

  /** Keys of dropped databases of which configurations or indexes are left. */
  droppedAndConfigured(): string[] {
    const keys = new Set(
      [...this.#collections.keys(), ...this.#indexes.keys()].map((id) => id.slice(0, id.indexOf('/'))),
    );
    return [...keys].filter((key) => this.isDropped(key));
  }

  /** Of the databases that a node holds and not all others do: who holds them. Every group once. */
  holderGroups(node: string, nodes: readonly string[]): string[][] {
    if (![...this.members.values()].some(({ databases }) => databases !== null)) return [];
    const groups = new Map<string, string[]>();
    for (const key of this.liveKeys()) {
      const holders = nodes.filter((each) => this.isPlaced(each, key));
      if (holders.length < nodes.length && holders.includes(node)) groups.set(holders.join(), holders);
    }
    return [...groups.values()];
  }

  /** Key of a live database, or `undefined`. */
  liveKey(name: string): string | undefined {
    const live = this.databases.get(name)?.live ?? null;
    return live === null ? undefined : `${name}.${live}`;
  }

  /** Keys of all live databases. */
  liveKeys(): string[] {
    return [...this.databases.keys()].flatMap((name) => this.liveKey(name) ?? []);
  }

  /** Is a member to hold a database? */
  isPlaced(node: string, databaseKey: string): boolean {
    const databases = this.members.get(node)?.databases ?? null;
    if (databases === null || databaseKey === SYSTEM_KEY) return true;
    return databases.includes(databaseKey.slice(0, databaseKey.lastIndexOf('.')));
  }

  /** True once this generation of the database was dropped: its data must not come back. */
  isDropped(databaseKey: string): boolean {
    const split = databaseKey.lastIndexOf('.');
    const entry = this.databases.get(databaseKey.slice(0, split));
    if (!entry) return false;
    return entry.dropped.has(Number(databaseKey.slice(split + 1)));
  }
}

export function collectionId(databaseKey: string, collection: string): string {
  return `${databaseKey}/${collection}`;
}

/** Id of the definition of an index. */
export function indexId(databaseKey: string, collection: string, name: string): string {
  return `${databaseKey}/${collection}/${name}`;
}

function assign<V>(map: Map<string, V>, key: string, value: V | null): void {
  if (value === null) map.delete(key);
  else map.set(key, value);
}

function readDatabase({ created, dropped }: JsonObject): DatabaseEntry {
  const gone = new Set(generationsOf(dropped));
  const known = generationsOf(created);
  return {
    latest: Math.max(0, ...known, ...gone),
    live: known.filter((generation) => !gone.has(generation)).at(-1) ?? null,
    dropped: gone,
  };
}

/** Ascending. */
function generationsOf(value: JsonValue | undefined): number[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
  return Object.keys(value)
    .map(Number)
    .filter(Number.isSafeInteger)
    .sort((a, b) => a - b);
}

/** The change that says a generation exists. Merges with what others say at the same time. */
export function creationOf(generation: number): Change {
  return { kind: 'merge-patch', patch: { created: { [generation]: true } } };
}

/**
 * The change that says a generation is gone, for good: were it to come back, replicas would begin its log anew and give sequence
 * numbers a second meaning (I2).
 */
export function dropOf(generation: number): Change {
  return { kind: 'merge-patch', patch: { dropped: { [generation]: true } } };
}

const STATES: readonly unknown[] = ['joining', 'live', 'draining', 'stale'];

function readMember({ name, url, state, databases, removed }: JsonObject): MemberEntry {
  return {
    name: typeof name === 'string' ? name : '',
    url: typeof url === 'string' ? url : null,
    state: removed !== undefined ? 'removed' : STATES.includes(state) ? (state as MemberState) : 'live',
    databases: Array.isArray(databases) ? databases.filter((each) => typeof each === 'string') : null,
  };
}

function readJoinToken({ hash, expiresAt, usedBy }: JsonObject): JoinTokenEntry {
  return {
    hash: typeof hash === 'string' ? hash : '',
    expiresAt: typeof expiresAt === 'number' ? expiresAt : 0,
    usedBy: typeof usedBy === 'string' ? usedBy : null,
  };
}

/** Ids that several nodes drew at once are all those of the cluster. */
export function clusterIdOf(id: string): Change {
  return { kind: 'merge-patch', patch: { ids: { [id]: true } } };
}

function readClusterIds(value: JsonObject | null): string[] {
  const ids = value?.['ids'];
  if (typeof ids !== 'object' || ids === null || Array.isArray(ids)) return [];
  return Object.keys(ids)
    .filter((id) => /^[0-9a-f]{16}$/.test(id))
    .sort();
}

/** The change that puts a member out of the cluster, whatever is written of it at the same time. */
export function removalOf(by: string, at: number): Change {
  return { kind: 'merge-patch', patch: { removed: { at, by } } };
}

/** Null when this node cannot make sense of it. */
function readIndex(id: string, { definition }: JsonObject): IndexEntry | null {
  const [, collection, name] = id.split('/');
  if (collection === undefined || name === undefined || typeof definition !== 'string') return null;
  try {
    return { collection, name, definition: readIndexDefinition(definition).text };
  } catch (error) {
    if (error instanceof SyncError || error instanceof SyntaxError) return null;
    throw error;
  }
}

/** A merge of two valid configurations is normally valid; should one not be, the defaults hold rather than nothing works. */
function readConfig(value: JsonObject): CollectionConfig {
  try {
    return readStoredConfig(value);
  } catch (error) {
    if (error instanceof AtollError) return NO_CONFIG;
    throw error;
  }
}

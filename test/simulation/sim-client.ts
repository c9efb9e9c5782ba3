/**
 * @module
 * Owns clients: they use the public API of one replica, write the history, and know which refusals are legitimate.
 */
import type { Change, JsonObject } from '../../crdt/index.ts';
import { defineIndex, dropIndex } from '../../sync/index.ts';
import type { CollectionConfig, Database, Replica, WriteOptions } from '../../sync/index.ts';
import { wholeOf } from '../../sync/lineage.ts';
import type { Cluster } from './cluster.ts';
import type { Attempt } from './history.ts';
import type { SeededRandom } from './seeded-random.ts';
import { describeError } from './sim-node.ts';
import type { Client } from './workload/workload.ts';

/** Refusals that say: nothing happened, and it is your fault, or somebody was faster. */
const REFUSALS = new Set([
  'SYNC_DOCUMENT_NOT_FOUND',
  'SYNC_DATABASE_NOT_FOUND',
  'SYNC_PRECONDITION_FAILED',
  'SYNC_NODE_REMOVED',
  'SYNC_INDEX_NOT_FOUND',
  'CRDT_PATCH_TARGET_MISSING',
  'CRDT_PATCH_TEST_FAILED',
  'CRDT_PATCH_INVALID',
  'CRDT_POINTER_INVALID',
  'CRDT_TYPE_MISMATCH',
  'CRDT_VALUE_INVALID',
  'CRDT_LIMIT_EXCEEDED',
]);

export interface SimClientOptions {
  readonly cluster: Cluster;
  readonly node: number;
  readonly replica: Replica;
  readonly database: string;
  readonly random: SeededRandom;
  readonly unique: number;
}

export class SimClient implements Client {
  readonly database: string;
  readonly random: SeededRandom;
  readonly unique: number;
  readonly #cluster: Cluster;
  readonly #node: number;
  readonly #replica: Replica;

  constructor(options: SimClientOptions) {
    this.database = options.database;
    this.random = options.random;
    this.unique = options.unique;
    this.#cluster = options.cluster;
    this.#node = options.node;
    this.#replica = options.replica;
  }

  /** A node that does not know the database yet creates it, as other nodes may do at the same time. */
  async openDatabase(): Promise<Database | null> {
    try {
      return this.#replica.database(this.database);
    } catch {
      await this.attempt('create database', () => this.#replica.createDatabase(this.database));
    }
    try {
      return this.#replica.database(this.database);
    } catch {
      return null;
    }
  }

  async read(collection: string, document: string): Promise<JsonObject | null> {
    return (await this.readTagged(collection, document))?.json ?? null;
  }

  async readTagged(collection: string, document: string): Promise<{ json: JsonObject; etag: string } | null> {
    const found = await this.attempt('read', async () => (await this.openDatabase())?.get(collection, document));
    if (!found) return null;
    const text = new TextDecoder().decode(found.json);
    this.#cluster.checkVersion(`${this.database}/${collection}/${document}`, found.etag, text);
    return { json: JSON.parse(text) as JsonObject, etag: found.etag };
  }

  async awaitSession(token: string, waitMs: number): Promise<'covered' | 'behind' | 'expired' | null> {
    const { sessions } = this.#replica.guarantees;
    try {
      const seen = sessions.read(this.database, token);
      if (seen !== null) await sessions.await(seen, waitMs);
      this.#cluster.trace.count('sessions covered');
      return 'covered';
    } catch (error) {
      const code = codeOf(error);
      this.#cluster.trace.count(`sessions ${code}`);
      // Foreign: two nodes created the first database without knowing of each other, and still do not.
      if (code === 'SYNC_REPLICA_BEHIND' || code === 'SYNC_TOKEN_FOREIGN') return 'behind';
      if (code === 'SYNC_TOKEN_EXPIRED') return 'expired';
      this.#judge('a session', error);
      return null;
    }
  }

  sessionToken(): string | null {
    try {
      return this.#replica.database(this.database).token();
    } catch {
      return null;
    }
  }

  complain(problem: string): void {
    this.#cluster.complain(`client of node ${this.#node}: ${problem}`);
  }

  async write(
    collection: string,
    document: string,
    change: Change,
    tag: string | number,
    options: WriteOptions = {},
  ): Promise<Attempt> {
    const { time, trace, history } = this.#cluster;
    const database = await this.openDatabase();
    const attempt = history.begin({
      node: this.#node,
      origin: this.#replica.origin,
      database: this.database,
      collection,
      document,
      change,
      tag,
      isRepeatable: options.operation !== undefined,
      calledAt: time.now,
      vectorAtCall: database === null ? {} : heldBy(database),
    });
    trace.count('writes attempted');
    try {
      if (database === null) throw Object.assign(new Error('no database'), { code: 'SYNC_DATABASE_NOT_FOUND' });
      const outcome = await database.write(collection, document, change, options);
      attempt.status = 'acknowledged';
      attempt.outcome = outcome.status;
      attempt.vectorAtReply = heldBy(database);
      // Written as the one or the other: nothing can be told from its number.
      if (this.#replica.origin !== attempt.origin) attempt.status = 'indeterminate';
      attempt.isAhead = this.#replica.engine.isMerging(database.key);
      trace.count(`writes ${attempt.status}`);
      this.#cluster.onAcknowledged(this.#node);
    } catch (error) {
      attempt.outcome = codeOf(error);
      attempt.status = REFUSALS.has(attempt.outcome) ? 'rejected' : 'indeterminate';
      trace.count(`writes ${attempt.status}`);
      this.#judge(`write #${attempt.id} (${change.kind} of ${collection}/${document})`, error);
    }
    attempt.endedAt = time.now;
    trace.event(
      time.now,
      `write #${attempt.id} ${collection}/${document} on ${this.#node}: ${attempt.status} ${attempt.outcome}`,
    );
    return attempt;
  }

  async configure(collection: string, config: CollectionConfig): Promise<void> {
    const database = await this.openDatabase();
    if (database === null) return;
    await this.attempt('configure', () => database.configureCollection(collection, config));
  }

  deletePolicy(collection: string): string {
    try {
      return this.#replica.database(this.database).collection(collection)?.deletePolicy ?? 'update-wins';
    } catch {
      return 'update-wins';
    }
  }

  /** @param definition - Null drops the index. */
  async defineIndex(collection: string, definition: JsonObject | null): Promise<void> {
    const database = await this.openDatabase();
    if (database === null) return;
    await this.attempt('define index', async () => {
      if (definition === null) await dropIndex(database, collection, 'simulated');
      else await defineIndex(database, collection, 'simulated', definition);
    });
  }

  async dropCollection(collection: string): Promise<void> {
    const database = await this.openDatabase();
    if (database === null) return;
    await this.attempt('drop collection', () => database.dropCollection(collection));
  }

  /** Runs something whose result matters to nobody; only a failure that should not be is reported. */
  async attempt<T>(what: string, run: () => Promise<T>): Promise<T | null> {
    try {
      return await run();
    } catch (error) {
      this.#judge(what, error);
      return null;
    }
  }

  #judge(what: string, error: unknown): void {
    const code = codeOf(error);
    if (REFUSALS.has(code) || code.startsWith('STORAGE_') || code === 'SYNC_CLOSED') return;
    this.#cluster.complain(`${what} on node ${this.#node} failed: ${describeError(error)}`);
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}

/** Everything that is durable of a database, listed or not. */
function heldBy(database: Database): Record<string, number> {
  return Object.fromEntries([...wholeOf(database.parts.log.durableVector)].map(([origin, { seq }]) => [origin, seq]));
}

/**
 * @module
 * Owns the public entry of the HTTP client (`atolldb/client`). Small and free of dependencies: it needs `fetch` only, so it
 * runs in Node, in browsers and at the edge.
 */
import { Connection, type ConnectionOptions } from './client/connection.ts';
import { parseBody } from './client/request.ts';
import { ClusterClient } from './client/cluster-client.ts';
import { DatabaseClient } from './client/database-client.ts';
import type { Session, SessionTokens } from './client/session.ts';
import { TokenClient } from './client/token-client.ts';
import type { CallOptions, ClusterStatus, DoctorAnswer, Limits } from './client/type.ts';
import type { DatabaseList } from '../server/api/index.ts';

export { ClientError, type ClientErrorCode } from './client/error.ts';
export { CollectionClient } from './client/collection-client.ts';
export { ClusterClient } from './client/cluster-client.ts';
export { DatabaseClient } from './client/database-client.ts';
export { Session, type SessionTokens } from './client/session.ts';
export { IndexClient } from './client/index-client.ts';
export { TokenClient } from './client/token-client.ts';
export type { EndpointOptions } from './client/endpoint.ts';
export type { Policy } from './client/policy.ts';
export type * from './client/type.ts';

/** @public */
export type ClientOptions = ConnectionOptions;

/**
 * A connection to an Atoll cluster.
 *
 * @example
 * ```ts
 * const client = new AtollClient({ endpoints: ['http://127.0.0.1:7400', 'http://127.0.0.1:7401'] });
 * const people = client.database('app').collection<{ name: string }>('people');
 * await people.put('ada', { name: 'Ada' });
 * for await (const { id, doc } of people.list({ prefix: 'a' })) console.log(id, doc.name);
 * ```
 * @public
 */
export class AtollClient {
  readonly #connection: Connection;

  /** `connection` is for tests. */
  constructor(options: ClientOptions, connection: Connection = new Connection(options)) {
    this.#connection = connection;
  }

  /** As given, without a trailing slash. */
  get endpoints(): readonly string[] {
    return this.#connection.endpoints;
  }

  /** What this client has seen. No answer is older than that, whichever node gives it. */
  get session(): Session {
    return this.#connection.session;
  }

  /**
   * A client with a session of its own and the same connections: one per user of a server, say, so that nobody waits for what
   * only others have seen.
   */
  withSession(session: SessionTokens = {}): AtollClient {
    return new AtollClient({ endpoints: this.endpoints }, this.#connection.fork(session));
  }

  /** Who belongs to the cluster. */
  get members(): ClusterClient {
    return new ClusterClient(this.#connection);
  }

  /** Who may do what. */
  get tokens(): TokenClient {
    return new TokenClient(this.#connection);
  }

  database(name: string): DatabaseClient {
    return new DatabaseClient(this.#connection, name);
  }

  /** Names of the databases the answering node knows, sorted. */
  async databases(options: CallOptions = {}): Promise<readonly string[]> {
    const answer = await this.#connection.send({ method: 'GET', path: '/v1', signal: options.signal });
    return parseBody<DatabaseList>(answer).databases.map(({ name }) => name);
  }

  /** What the answering node accepts at most. */
  async limits(options: CallOptions = {}): Promise<Limits> {
    return parseBody(await this.#connection.send({ method: 'GET', path: '/v1/_limits', signal: options.signal }));
  }

  /** What must hold on the answering node, and whether it does. `scrub` lets it read everything it stores, from then on. */
  async doctor({ scrub = false, signal }: CallOptions & { readonly scrub?: boolean } = {}): Promise<DoctorAnswer> {
    const method = scrub ? 'POST' : 'GET';
    return parseBody(await this.#connection.send({ method, path: '/v1/_cluster/doctor', signal }));
  }

  /** The cluster as the answering node sees it. */
  async cluster(options: CallOptions = {}): Promise<ClusterStatus> {
    return parseBody(await this.#connection.send({ method: 'GET', path: '/v1/_cluster', signal: options.signal }));
  }
}

/**
 * @module
 * Owns the calls on one database.
 */
import type { Connection } from './connection.ts';
import { CollectionClient, parseBody } from './collection-client.ts';
import type { CallOptions, DigestAnswer, DatabaseAnswer, JsonObject } from './type.ts';

/** One database. Creating this object sends nothing. @public */
export class DatabaseClient {
  readonly name: string;
  readonly #connection: Connection;
  readonly #path: string;

  /** @internal Use `client.database(name)`. */
  constructor(connection: Connection, name: string) {
    this.name = name;
    this.#connection = connection;
    this.#path = `/v1/${encodeURIComponent(name)}`;
  }

  /** `T` is what the documents hold; it is a promise of the caller, not checked. */
  collection<T = JsonObject>(name: string): CollectionClient<T> {
    return new CollectionClient<T>(this.#connection, this.name, name);
  }

  /** Creates the database; resolves false when it exists already. */
  async create(options: CallOptions = {}): Promise<boolean> {
    const answer = await this.#connection.send({ method: 'PUT', path: this.#path, signal: options.signal });
    return answer.status === 201;
  }

  async info(options: CallOptions = {}): Promise<DatabaseAnswer> {
    return parseBody(await this.#connection.send({ method: 'GET', path: this.#path, signal: options.signal }));
  }

  /** Deletes the database with everything in it, on every node. */
  async drop(options: CallOptions = {}): Promise<void> {
    await this.#connection.send({ method: 'DELETE', path: this.#path, signal: options.signal });
  }

  async digest(options: CallOptions = {}): Promise<DigestAnswer> {
    return parseBody(
      await this.#connection.send({ method: 'GET', path: `${this.#path}/_digest`, signal: options.signal }),
    );
  }
}

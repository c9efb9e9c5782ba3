/**
 * @module
 * Owns the calls on one database.
 */
import type { Answer, Call } from './call.ts';
import type { Connection } from './connection.ts';
import { ChangeFeed } from './change-feed.ts';
import { CollectionClient } from './collection-client.ts';
import { JSON_TYPE, parseBody, preferHeader, replicasOf } from './request.ts';
import type {
  BatchOutcome,
  BatchWrite,
  CallOptions,
  Change,
  ChangeOptions,
  DatabaseAnswer,
  DigestAnswer,
  JsonObject,
  WriteCallOptions,
} from './type.ts';

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
    return (await this.#send('PUT', '', options)).status === 201;
  }

  async info(options: CallOptions = {}): Promise<DatabaseAnswer> {
    return parseBody(await this.#send('GET', '', options));
  }

  /** Deletes the database with everything in it, on every node. */
  async drop(options: CallOptions = {}): Promise<void> {
    await this.#send('DELETE', '', options);
    // One that is made anew under this name starts from nothing.
    this.#connection.session.forget(this.name);
  }

  /** All of the writes or none: at once on the node that takes them, and at once on every other one. */
  async batch(writes: readonly BatchWrite[], options: WriteCallOptions = {}): Promise<BatchOutcome> {
    const { signal, timeoutMs, idempotencyKey: key } = options;
    const headers = { 'content-type': JSON_TYPE, ...preferHeader(options) };
    const body = JSON.stringify({ writes });
    const path = `${this.#path}/_batch`;
    const call: Call = { method: 'POST', path, database: this.name, headers, body, key, signal, timeoutMs };
    const answer = await this.#connection.send(call);
    const replicas = replicasOf(answer);
    return { results: parseBody<BatchOutcome>(answer).results, ...(replicas !== null && { replicas }) };
  }

  /** What changes in all collections; see `collection.changes`. */
  changes<T = JsonObject>(options: ChangeOptions = {}): AsyncGenerator<Change<T>, void, undefined> {
    return new ChangeFeed<T>(this.#connection, this.name, `${this.#path}/_changes`, options).read();
  }

  async digest(options: CallOptions = {}): Promise<DigestAnswer> {
    return parseBody(await this.#send('GET', '/_digest', options));
  }

  async #send(method: Call['method'], path: string, { signal, timeoutMs }: CallOptions): Promise<Answer> {
    return this.#connection.send({ method, path: this.#path + path, database: this.name, signal, timeoutMs });
  }
}

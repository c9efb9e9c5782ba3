/**
 * @module
 * Owns the calls on the indexes of a collection.
 */
import type { Call } from './call.ts';
import type { Connection } from './connection.ts';
import { JSON_TYPE, parseBody } from './request.ts';
import type { CallOptions, IndexAnswer, IndexList, IndexRequest } from './type.ts';

/** The indexes of a collection. Defined on one node, built by each. @public */
export class IndexClient {
  readonly #connection: Connection;
  readonly #database: string;
  readonly #path: string;

  /** @internal Use `collection.indexes`. */
  constructor(connection: Connection, database: string, collectionPath: string) {
    this.#connection = connection;
    this.#database = database;
    this.#path = `${collectionPath}/indexes`;
  }

  /** As the answering node has them. */
  async list(options: CallOptions = {}): Promise<readonly IndexAnswer[]> {
    return parseBody<IndexList>(await this.#send({ method: 'GET', path: '' }, options)).indexes;
  }

  /** As the answering node has it. */
  async get(name: string, options: CallOptions = {}): Promise<IndexAnswer> {
    return parseBody(await this.#send({ method: 'GET', path: pathOf(name) }, options));
  }

  /** Defines it; the nodes build it in the background. Another definition under the same name takes the place of the first. */
  async define(name: string, definition: IndexRequest, options: CallOptions = {}): Promise<void> {
    const headers = { 'content-type': JSON_TYPE };
    await this.#send({ method: 'PUT', path: pathOf(name), headers, body: JSON.stringify(definition) }, options);
  }

  async drop(name: string, options: CallOptions = {}): Promise<void> {
    await this.#send({ method: 'DELETE', path: pathOf(name) }, options);
  }

  async #send(call: Call, { signal, timeoutMs }: CallOptions): ReturnType<Connection['send']> {
    return this.#connection.send({
      ...call,
      path: this.#path + call.path,
      database: this.#database,
      signal,
      timeoutMs,
    });
  }
}

function pathOf(name: string): string {
  return `/${encodeURIComponent(name)}`;
}

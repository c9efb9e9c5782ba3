/**
 * @module
 * Owns the calls on the members of a cluster.
 */
import type { Connection } from './connection.ts';
import { parseBody, readLines } from './request.ts';
import type { CallOptions, JoinTokenAnswer, MemberAnswer, MemberList, UnsentLine } from './type.ts';

const PATH = '/v1/_cluster';

/** The members of a cluster. @public */
export class ClusterClient {
  readonly #connection: Connection;

  /** @internal Use `client.members`. */
  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** As the answering node sees them. */
  async list(options: CallOptions = {}): Promise<readonly MemberAnswer[]> {
    const { signal } = options;
    return parseBody<MemberList>(await this.#connection.send({ method: 'GET', path: `${PATH}/members`, signal }))
      .members;
  }

  /** Lets the answering node keep a link to the node at `url`. */
  async join(url: string, options: CallOptions = {}): Promise<void> {
    await this.#post('/members', { url }, options);
  }

  /** Puts a member out of the cluster, for ever. */
  async remove(node: string, options: CallOptions = {}): Promise<void> {
    const path = `${PATH}/members/${encodeURIComponent(node)}`;
    await this.#connection.send({ method: 'DELETE', path, signal: options.signal });
  }

  /** Says which databases a member holds; null = all. It fetches what is new to it, and gives up the others. */
  async place(node: string, databases: readonly string[] | null, options: CallOptions = {}): Promise<void> {
    const path = `${PATH}/members/${encodeURIComponent(node)}/databases`;
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify({ databases });
    await this.#connection.send({ method: 'PUT', path, headers, body, signal: options.signal });
  }

  /** Announces that a member is about to be stopped. */
  async drain(node: string, options: CallOptions = {}): Promise<void> {
    await this.#post(`/members/${encodeURIComponent(node)}/drain`, {}, options);
  }

  /** A token with which one node can join. It is shown this once. */
  async createToken(expiresSeconds: number, options: CallOptions = {}): Promise<JoinTokenAnswer> {
    return parseBody(await this.#post('/tokens', { expiresSeconds }, options));
  }

  /** Documents with writes of the answering node that no member is known to hold. */
  async *unsent(options: CallOptions = {}): AsyncGenerator<UnsentLine, void, undefined> {
    const { signal } = options;
    yield* readLines<UnsentLine>(await this.#connection.stream({ method: 'GET', path: `${PATH}/unsent`, signal }));
  }

  /** Deletes what the answering node set aside because its history forked. */
  async discardUnsent(options: CallOptions = {}): Promise<void> {
    await this.#connection.send({ method: 'DELETE', path: `${PATH}/unsent`, signal: options.signal });
  }

  #post(path: string, body: object, { signal }: CallOptions): ReturnType<Connection['send']> {
    const headers = { 'content-type': 'application/json' };
    return this.#connection.send({ method: 'POST', path: PATH + path, headers, body: JSON.stringify(body), signal });
  }
}

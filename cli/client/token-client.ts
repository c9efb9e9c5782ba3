/**
 * @module
 * Owns the calls on tokens of clients.
 */
import type { Connection } from './connection.ts';
import { JSON_TYPE, parseBody } from './request.ts';
import type {
  AccessTokenAnswer,
  AccessTokenList,
  CallOptions,
  NewAccessTokenAnswer,
  NewAccessTokenRequest,
} from './type.ts';

const PATH = '/v1/_admin/tokens';

/** The tokens of a cluster. @public */
export class TokenClient {
  readonly #connection: Connection;

  /** @internal Use `client.tokens`. */
  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Oldest first. Their texts are not known to anybody. */
  async list(options: CallOptions = {}): Promise<readonly AccessTokenAnswer[]> {
    return parseBody<AccessTokenList>(await this.#connection.send({ method: 'GET', path: PATH, ...options })).tokens;
  }

  /** Makes one. Its text is in this answer and nowhere else. */
  async create(request: NewAccessTokenRequest, options: CallOptions = {}): Promise<NewAccessTokenAnswer> {
    const headers = { 'content-type': JSON_TYPE };
    const body = JSON.stringify(request);
    // Made twice is better than lost: an answer with a secret is not kept for whoever repeats the request.
    return parseBody(await this.#connection.send({ method: 'POST', path: PATH, headers, body, key: null, ...options }));
  }

  /** For ever, on every node as soon as it hears of it. */
  async revoke(id: string, options: CallOptions = {}): Promise<void> {
    const path = `${PATH}/${encodeURIComponent(id)}`;
    await this.#connection.send({ method: 'DELETE', path, key: null, ...options });
  }
}

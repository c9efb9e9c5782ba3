/**
 * @module
 * Owns how a request reaches a node and becomes an answer: attempt after attempt, each on the node that the pool chooses, until
 * one succeeds, fails for good, or time is over. Knows nothing about documents.
 */
import type { MemberList } from '../../server/api/index.ts';
import { Attempt } from './attempt.ts';
import type { Answer, Call, StreamAnswer } from './call.ts';
import { Deadline } from './deadline.ts';
import type { Endpoint, EndpointOptions } from './endpoint.ts';
import { EndpointPool } from './endpoint-pool.ts';
import { ClientError, timeoutError, unreachableError } from './error.ts';
import type { Policy } from './policy.ts';
import { systemPorts, type ClientPorts } from './port.ts';
import { parseBody } from './request.ts';
import { backoffMs, mayRetry, type Failure } from './retry.ts';
import { Session, type SessionTokens } from './session.ts';

/** Milliseconds a request may take until its answer has been read. Streams are exempt. */
const REQUEST_TIMEOUT_MS = 30_000;
/** Rounds of a request that has no time limit. */
const RETRIES = 20;
/** The node has not caught up with what the session has seen. */
const BEHIND_CODE = 'SYNC_REPLICA_BEHIND';

/** How an attempt reads its answer. */
type Read<T extends object> = (attempt: Attempt) => Promise<T | Failure>;

export interface ConnectionOptions {
  /** One URL or several of one cluster. */
  readonly endpoints: string | readonly (string | EndpointOptions)[];
  /** Which node takes a request. Default `failover`: one until it fails. */
  readonly policy?: Policy;
  /** Bearer token. */
  readonly token?: string;
  /** Milliseconds, retries included. Default 30_000; 0 = none. Streams (`bulk`, `changes`) have no time limit: abort them. */
  readonly timeoutMs?: number;
  /**
   * How often all nodes are tried again, with a growing wait, after each of them failed. Default: for as long as there is time, and
   * 20 without a time limit.
   */
  readonly retries?: number;
  /**
   * `auto` (default) gives every request that changes something an `Idempotency-Key`, so that it can be sent again and is applied
   * once. `none`: then it is sent again only if it cannot have been applied.
   */
  readonly idempotencyKeys?: 'auto' | 'none';
  /** What to have seen from the start, from `client.session.export()`. `false`: no session, answers may be older than earlier ones. */
  readonly session?: SessionTokens | false;
  /** Go to nodes that the cluster names when none of the endpoints holds a database. Default true. */
  readonly discover?: boolean;
  /** Replaces the global `fetch`, for tests. */
  readonly fetch?: typeof fetch;
}

export class Connection {
  readonly session: Session;
  readonly ports: ClientPorts;
  readonly #options: ConnectionOptions;
  readonly #pool: EndpointPool;

  constructor(options: ConnectionOptions, ports: ClientPorts = systemPorts(options.fetch), pool?: EndpointPool) {
    const endpoints = typeof options.endpoints === 'string' ? [options.endpoints] : options.endpoints;
    if (endpoints.length === 0)
      throw new ClientError('CLIENT_ENDPOINT_INVALID', 'no endpoint given: pass at least one URL');
    this.#options = options;
    this.ports = ports;
    const named = endpoints.map((endpoint) => (typeof endpoint === 'string' ? { url: endpoint } : endpoint));
    this.#pool = pool ?? new EndpointPool(named, options.policy ?? 'failover', ports);
    this.session = new Session(options.session === false ? {} : options.session);
  }

  get endpoints(): readonly string[] {
    return this.#pool.urls;
  }

  /** A change was read from a feed. */
  noteChange(database: string, cursor: string, isLater: boolean): void {
    if (this.#options.session !== false) this.session.noteChange(database, cursor, isLater);
  }

  /** The same nodes, and what is known of them, for somebody who has seen other things. */
  fork(session: SessionTokens): Connection {
    return new Connection({ ...this.#options, session }, this.ports, this.#pool);
  }

  /** Sends a request and reads its answer as text. */
  async send(call: Call): Promise<Answer> {
    const timeoutMs = call.timeoutMs ?? this.#options.timeoutMs ?? REQUEST_TIMEOUT_MS;
    const deadline = new Deadline(this.ports, timeoutMs, call.signal);
    try {
      return await this.#persist(this.#prepare(call), deadline, timeoutMs, async (attempt) => attempt.text());
    } finally {
      deadline.dispose();
    }
  }

  /** Sends a request whose answer is read as it arrives. The body of the answer must be consumed or cancelled. */
  async stream(call: Call): Promise<StreamAnswer> {
    // It lives as long as the body: the signal of the caller ends that, too.
    const deadline = new Deadline(this.ports, 0, call.signal);
    try {
      const answer = await this.#persist(this.#prepare(call), deadline, 0, async (attempt) => attempt.stream());
      const end = (): void => {
        answer.end();
        deadline.dispose();
      };
      return { ...answer, end };
    } catch (error) {
      deadline.dispose();
      throw error;
    }
  }

  /** What every attempt has in common. */
  #prepare(call: Call): Call {
    const { token, idempotencyKeys = 'auto' } = this.#options;
    const isChange = call.method !== 'GET' && call.isSafe !== true && typeof call.body !== 'object';
    const wantsKey = isChange && idempotencyKeys === 'auto';
    const key = call.key === undefined && wantsKey ? this.ports.key() : call.key;
    return {
      ...call,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(typeof key === 'string' ? { 'idempotency-key': key } : {}),
        ...call.headers,
      },
    };
  }

  async #persist<T extends object>(call: Call, deadline: Deadline, timeoutMs: number, read: Read<T>): Promise<T> {
    const search = new Search(this.#pool, call.database ?? null);
    const roundsMax = this.#options.retries ?? (timeoutMs > 0 ? Infinity : RETRIES);
    for (;;) {
      deadline.throwIfAborted();
      const endpoint = search.next();
      const attempt = new Attempt(this.ports, this.#pool, endpoint, this.#withSession(call), deadline);
      const outcome = await read(attempt);
      // Of an answer that broke off nothing was seen.
      if (!isFailure(outcome) || outcome.kind === 'answered') this.#noteSession(call, attempt);
      if (!isFailure(outcome)) {
        this.#pool.restore(endpoint);
        if (call.database !== undefined) this.#pool.noteServed(call.database, endpoint);
        return outcome;
      }
      deadline.throwIfAborted();
      if (deadline.isOver) {
        this.#pool.eject(endpoint, true);
        // What a node said before counts more than that the time was over.
        throw search.answered ?? timeoutError(endpoint.url, timeoutMs, outcome.error);
      }
      search.failed(endpoint, outcome);
      if (!(await this.#maySendAgain(call, endpoint, outcome, search, deadline))) throw search.finalError(outcome);
      if (!search.isRoundOver) continue;
      if (search.rounds >= roundsMax) throw search.finalError(outcome);
      await deadline.wait(this.ports, backoffMs(search.rounds, outcome.retryAfterMs, this.ports));
      deadline.throwIfAborted();
      if (deadline.isOver) throw search.finalError(outcome);
    }
  }

  async #maySendAgain(
    call: Call,
    endpoint: Endpoint,
    failure: Failure,
    search: Search,
    deadline: Deadline,
  ): Promise<boolean> {
    const { database } = call;
    const { code, status } = failure.error;
    if (typeof call.body === 'object') return false;
    if (database !== undefined && status === 421) {
      this.#pool.noteElsewhere(database, endpoint);
      // One round: where a database is does not change while we ask.
      return !search.isRoundOver || (await this.#discover(database, endpoint, deadline));
    }
    if (database !== undefined && code === 'SYNC_DATABASE_NOT_FOUND') {
      // This session has seen it, so the node is behind; unless all say that there is none.
      if (this.session.token(database) === undefined || search.isRoundOver) return false;
      this.#pool.noteBehind(database, endpoint);
      return true;
    }
    if (database !== undefined && code === BEHIND_CODE) this.#pool.noteBehind(database, endpoint);
    return mayRetry(call, failure);
  }

  /** Asks the cluster which nodes hold the database. True when there is one that was not tried. */
  async #discover(database: string, endpoint: Endpoint, deadline: Deadline): Promise<boolean> {
    if (this.#options.discover === false) return false;
    const call = this.#prepare({ method: 'GET', path: '/v1/_cluster/members' });
    const answer = await new Attempt(this.ports, this.#pool, endpoint, call, deadline).text();
    // The refusal of the database is the better error.
    if (isFailure(answer)) return false;
    const { members } = parseBody<MemberList>(answer);
    const holders = members.filter(
      ({ state, databases }) => state !== 'removed' && (databases === null || databases.includes(database)),
    );
    const urls = holders.flatMap(({ url: address }) => (address === null ? [] : [address]));
    return this.#pool.noteHolders(database, urls);
  }

  #withSession(call: Call): Call {
    if (call.database === undefined || call.session === false || this.#options.session === false) return call;
    const token = this.session.token(call.database);
    return token === undefined ? call : { ...call, headers: { ...call.headers, 'session-token': token } };
  }

  #noteSession({ database, session }: Call, { sessionToken }: Attempt): void {
    if (database === undefined || sessionToken === null) return;
    if (session !== false && this.#options.session !== false) this.session.note(database, sessionToken);
  }
}

/** The way of one call over the nodes, in rounds: in each round every node that could take it is tried once. */
class Search {
  /** The last refusal by a node. */
  answered: ClientError | null = null;
  /** Rounds that are over. */
  rounds = 0;
  readonly #pool: EndpointPool;
  readonly #database: string | null;
  readonly #tried = new Set<Endpoint>();
  readonly #urls = new Set<string>();
  /** All nodes of this round have not seen what the session has. */
  #isAllBehind = true;
  /** So it was in the last round: one that is out may be the only one that has. */
  #takesOut = false;

  constructor(pool: EndpointPool, database: string | null) {
    this.#pool = pool;
    this.#database = database;
  }

  get isRoundOver(): boolean {
    return this.#pool.candidates(this.#database, this.#tried, this.#takesOut).length === 0;
  }

  next(): Endpoint {
    let endpoint = this.#pool.choose(this.#database, this.#tried, this.#takesOut);
    if (endpoint === null) {
      this.rounds++;
      this.#tried.clear();
      this.#takesOut = this.#isAllBehind;
      this.#isAllBehind = true;
      endpoint = this.#pool.choose(this.#database, this.#tried, this.#takesOut)!;
    }
    this.#tried.add(endpoint);
    this.#urls.add(endpoint.url);
    return endpoint;
  }

  failed(endpoint: Endpoint, { kind, error }: Failure): void {
    if (kind === 'answered') this.answered = error;
    if (error.code !== BEHIND_CODE && !endpoint.isOut) this.#isAllBehind = false;
    if (kind !== 'answered') this.#pool.eject(endpoint, kind === 'broken');
    else if (error.code === 'HTTP_DRAINING') this.#pool.leave(endpoint);
  }

  /** Names every node that was tried, if none answered. */
  finalError({ kind, error }: Failure): ClientError {
    return kind === 'answered' ? error : unreachableError([...this.#urls], kind === 'refused', error.cause);
  }
}

function isFailure(outcome: unknown): outcome is Failure {
  return typeof outcome === 'object' && outcome !== null && 'kind' in outcome && 'error' in outcome;
}

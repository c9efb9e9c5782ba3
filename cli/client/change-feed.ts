/**
 * @module
 * Owns following changes for as long as somebody reads: a stream from one node, and when it ends, breaks or falls silent the next
 * one from another node, behind the last change that was read. SPEC.md CC8.
 */
import type { Problem } from '../../server/api/index.ts';
import type { StreamAnswer } from './call.ts';
import type { Connection } from './connection.ts';
import { Deadline } from './deadline.ts';
import { ClientError, innerError } from './error.ts';
import type { ClientPorts } from './port.ts';
import { NDJSON_TYPE, readLines, search } from './request.ts';
import { backoffMs } from './retry.ts';
import type { Change, ChangeOptions, JsonObject } from './type.ts';

/** A node that has nothing to tell says so this often. */
const HEARTBEAT_SECONDS = 5;
/** After this long without a sign of life the stream is given up. */
const SILENCE_MS = 15_000;

/** A change; or a position, with a wish when to come back if the node goes away; or the reason why the stream cannot go on. */
type Line<T> = Change<T> | { readonly cursor: string; readonly retryMs?: number } | { readonly error: Problem };

export class ChangeFeed<T = JsonObject> {
  readonly #connection: Connection;
  readonly #database: string;
  readonly #path: string;
  readonly #options: ChangeOptions;
  #cursor: string | undefined;
  /** Streams in a row that brought nothing. */
  #failures = 0;
  #wasOpen = false;

  constructor(connection: Connection, database: string, path: string, options: ChangeOptions) {
    this.#connection = connection;
    this.#database = database;
    this.#path = path;
    this.#options = options;
    this.#cursor = options.since;
  }

  async *read(): AsyncGenerator<Change<T>, void, undefined> {
    const { ports } = this.#connection;
    const deadline = new Deadline(ports, 0, this.#options.signal);
    try {
      for (let isOver = false; !isOver;) {
        // At once to another node; with a wait when that brought nothing either.
        if (this.#failures > 1) await deadline.wait(ports, backoffMs(this.#failures, 0, ports));
        deadline.throwIfAborted();
        this.#failures++;
        isOver = yield* this.#readStream(deadline);
      }
    } finally {
      deadline.dispose();
    }
  }

  /** Resolves true when there is nothing more to read. */
  async *#readStream(deadline: Deadline): AsyncGenerator<Change<T>, boolean, undefined> {
    const watch = new Watch(this.#connection.ports);
    const forget = deadline.onEnd(() => watch.abort());
    let answer: StreamAnswer | null = null;
    let isFinished = false;
    let isLater = false;
    try {
      answer = await this.#open(watch.signal);
      this.#wasOpen = true;
      this.#options.onConnect?.(answer.endpoint);
      this.#cursor = answer.headers.get('atoll-cursor') ?? this.#cursor;
      for await (const line of watch.lines<Line<T>>(answer)) {
        if ('error' in line) throw innerError(line.error, answer.endpoint);
        this.#cursor = line.cursor;
        isFinished = !('retryMs' in line);
        if (!('id' in line)) continue;
        this.#failures = 0;
        this.#connection.noteChange(this.#database, line.cursor, isLater);
        isLater = true;
        yield line;
      }
      if (this.#options.follow === false) return isFinished;
      // Nobody asked it to end: the node goes away.
      answer.broke();
    } catch (error) {
      deadline.throwIfAborted();
      // Without an end of ours an abort is the client's own: the node had fallen silent.
      const isSilence = error instanceof Error && error.name === 'AbortError';
      // What never worked is told; what worked once is waited for.
      if (!this.#wasOpen) throw error;
      if (!isSilence && !(error instanceof ClientError && error.retryable)) throw error;
      answer?.broke();
    } finally {
      forget();
    }
    return false;
  }

  async #open(signal: AbortSignal): Promise<StreamAnswer> {
    const { include = [], only, follow } = this.#options;
    const query = search({
      since: this.#cursor,
      include: include.length > 0 ? include.join(',') : undefined,
      only,
      ...(follow === false ? { wait: 0 } : { heartbeat: HEARTBEAT_SECONDS }),
    });
    return this.#connection.stream({
      method: 'GET',
      path: this.#path + query,
      database: this.#database,
      headers: { accept: NDJSON_TYPE },
      // The first node is to have what the session has seen. Later ones need not: changes must go on while the only node is away
      // that has something else, and they come behind the cursor anyway.
      ...(this.#wasOpen && { session: false }),
      signal,
    });
  }
}

/** Gives up a stream that brings nothing, counting only the time in which somebody waits for it. */
class Watch {
  readonly #ports: ClientPorts;
  readonly #abort = new AbortController();
  #cancel: () => void = () => undefined;

  constructor(ports: ClientPorts) {
    this.#ports = ports;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  abort(): void {
    this.#abort.abort();
  }

  async *lines<Line>(answer: StreamAnswer): AsyncGenerator<Line, void, undefined> {
    const lines = readLines<Line>(answer, () => this.#arm());
    try {
      for (;;) {
        this.#arm();
        const next = await lines.next();
        this.#cancel();
        if (next.done === true) return;
        yield next.value;
      }
    } finally {
      this.#cancel();
      await lines.return();
    }
  }

  #arm(): void {
    this.#cancel();
    this.#cancel = this.#ports.after(SILENCE_MS, () => this.abort());
  }
}

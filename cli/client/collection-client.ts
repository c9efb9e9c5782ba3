/**
 * @module
 * Owns the calls on one collection and its documents.
 */
import type { ConflictList, WriteAnswer } from '../../server/api/index.ts';
import type { Answer, Call, Connection } from './connection.ts';
import { ClientError } from './error.ts';
import { decodeNdjson, encodeLine, encodeNdjson, parseLine } from './ndjson.ts';
import type {
  BulkLine,
  BulkAnswerLine,
  CallOptions,
  CollectionAnswer,
  CollectionRequest,
  ConflictAnswer,
  DocumentPage,
  FetchedDocument,
  IntentLine,
  JsonObject,
  ListOptions,
  WriteCallOptions,
  WriteResult,
} from './type.ts';

const JSON_TYPE = 'application/json';

type Lines = Iterable<BulkLine | string>;

/** One collection. Creating this object sends nothing. @public */
export class CollectionClient<T = JsonObject> {
  readonly database: string;
  readonly name: string;
  readonly #connection: Connection;
  readonly #path: string;

  /** @internal Use `client.database(name).collection(name)`. */
  constructor(connection: Connection, database: string, name: string) {
    this.database = database;
    this.name = name;
    this.#connection = connection;
    this.#path = `/v1/${encodeURIComponent(database)}/${encodeURIComponent(name)}`;
  }

  /** Creates or configures the collection. A first write creates it with defaults, so this is optional. */
  async configure(settings: CollectionRequest, options: CallOptions = {}): Promise<void> {
    await this.#send({
      method: 'PUT',
      path: this.#path,
      headers: { 'content-type': JSON_TYPE },
      body: JSON.stringify(settings),
      signal: options.signal,
    });
  }

  async info(options: CallOptions = {}): Promise<CollectionAnswer> {
    return parseBody(await this.#send({ method: 'GET', path: this.#path, signal: options.signal }));
  }

  /** Deletes the documents of the collection and its settings. */
  async drop(options: CallOptions = {}): Promise<void> {
    await this.#send({ method: 'DELETE', path: this.#path, signal: options.signal });
  }

  /** Resolves with the document, or null when it does not exist. A missing *database* is an error. */
  async get(id: string, options: CallOptions = {}): Promise<FetchedDocument<T> | null> {
    let answer: Answer;
    try {
      answer = await this.#send({ method: 'GET', path: this.#document(id), signal: options.signal });
    } catch (error) {
      if (isMissingDocument(error)) return null;
      throw error;
    }
    const modifiedMs = Date.parse(answer.headers.get('last-modified') ?? '');
    return {
      id,
      doc: parseBody<T>(answer),
      etag: answer.headers.get('etag') ?? '',
      modifiedMs: Number.isNaN(modifiedMs) ? null : modifiedMs,
      conflicts: Number(answer.headers.get('atoll-conflicts') ?? 0),
    };
  }

  /** Replaces the document as a difference against what the node holds: concurrent changes of other fields survive. */
  async put(id: string, doc: T, options: WriteCallOptions = {}): Promise<WriteResult> {
    return this.#write('PUT', this.#document(id), JSON_TYPE, doc, options);
  }

  /** Creates a document with an id made by the node; such ids sort by time. */
  async create(doc: T, options: CallOptions = {}): Promise<WriteResult> {
    return this.#write('POST', `${this.#path}/docs`, JSON_TYPE, doc, options);
  }

  /** RFC 7396: fields given are set, fields that are null are removed. */
  async mergePatch(id: string, patch: JsonObject, options: WriteCallOptions = {}): Promise<WriteResult> {
    return this.#write('PATCH', this.#document(id), 'application/merge-patch+json', patch, options);
  }

  /** RFC 6902, atomic. */
  async jsonPatch(id: string, operations: readonly JsonObject[], options: WriteCallOptions = {}): Promise<WriteResult> {
    return this.#write('PATCH', this.#document(id), 'application/json-patch+json', operations, options);
  }

  /** Intents that JSON cannot say, such as `{op: 'increment', path: '/visits', value: 1}`, atomic. */
  async apply(id: string, operations: readonly IntentLine[], options: WriteCallOptions = {}): Promise<WriteResult> {
    return this.#write('PATCH', this.#document(id), 'application/vnd.atoll.ops+json', operations, options);
  }

  /** Resolves false when there was nothing to delete. */
  async delete(id: string, options: WriteCallOptions = {}): Promise<boolean> {
    try {
      await this.#send({
        method: 'DELETE',
        path: this.#document(id),
        headers: preconditions(options),
        signal: options.signal,
      });
      return true;
    } catch (error) {
      if (isMissingDocument(error)) return false;
      throw error;
    }
  }

  /** Values that lost against a concurrent write, by path. */
  async conflicts(id: string, options: CallOptions = {}): Promise<readonly ConflictAnswer[]> {
    const answer = await this.#send({ method: 'GET', path: `${this.#document(id)}/conflicts`, signal: options.signal });
    return parseBody<ConflictList>(answer).conflicts;
  }

  /** One page in id order (UTF-8 bytes). */
  async page(options: ListOptions = {}): Promise<DocumentPage<T>> {
    const query = new URLSearchParams();
    if (options.prefix !== undefined) query.set('prefix', options.prefix);
    if (options.limit !== undefined) query.set('limit', String(options.limit));
    if (options.cursor !== undefined) query.set('cursor', options.cursor);
    if (options.fields !== undefined) query.set('fields', options.fields.join(','));
    const search = query.size > 0 ? `?${query.toString()}` : '';
    return parseBody(await this.#send({ method: 'GET', path: `${this.#path}/docs${search}`, signal: options.signal }));
  }

  /** Every document in id order, a page in memory at a time. Not a snapshot: later writes may or may not be seen. */
  async *list(options: ListOptions = {}): AsyncGenerator<DocumentPage<T>['items'][number], void, undefined> {
    let cursor: string | null | undefined = options.cursor;
    while (cursor !== null) {
      const page: DocumentPage<T> = await this.page(cursor === undefined ? options : { ...options, cursor });
      yield* page.items;
      cursor = page.cursor;
    }
  }

  /**
   * Sends many writes as one streamed request and yields one result per line, in order. Memory stays bounded for any number
   * of lines. Not atomic: lines before a failure stand. Read the results to the end, or break to abandon the rest. A string
   * is a line that is encoded already.
   */
  async *bulk(
    lines: Lines | AsyncIterable<BulkLine | string>,
    options: CallOptions = {},
  ): AsyncGenerator<BulkAnswerLine, void, undefined> {
    const answer = await this.#connection.stream({ ...this.#bulkCall(options), body: encodeNdjson(lines) });
    yield* decodeNdjson<BulkAnswerLine>(answer);
  }

  /** As `bulk`, for lines that fit into memory: one request of known size and time limit, all results at once. */
  async writeMany(lines: Lines, options: CallOptions = {}): Promise<readonly BulkAnswerLine[]> {
    const body = Array.from(lines, (line) => encodeLine(line)).join('');
    const answer = await this.#send({ ...this.#bulkCall(options), body });
    return answer.text.split('\n').flatMap((text) => [...parseLine<BulkAnswerLine>(text)]);
  }

  #bulkCall(options: CallOptions): Call {
    const headers = { 'content-type': 'application/x-ndjson', accept: 'application/x-ndjson' };
    return { method: 'POST', path: `${this.#path}/bulk`, headers, signal: options.signal };
  }

  #document(id: string): string {
    // URL parsers swallow the segments `.` and `..`, also percent-encoded.
    if (id === '.' || id === '..')
      throw new ClientError(
        'SYNC_DOCUMENT_ID_INVALID',
        `the document id ${JSON.stringify(id)} cannot be said in a URL`,
        { status: 400 },
      );
    try {
      return `${this.#path}/docs/${encodeURIComponent(id)}`;
    } catch (error) {
      throw new ClientError('SYNC_DOCUMENT_ID_INVALID', 'the document id is not well-formed Unicode', {
        status: 400,
        cause: error,
      });
    }
  }

  async #write(
    method: 'PUT' | 'POST' | 'PATCH',
    path: string,
    type: string,
    body: unknown,
    options: WriteCallOptions,
  ): Promise<WriteResult> {
    const headers = { 'content-type': type, ...preconditions(options) };
    const answer = await this.#send({ method, path, headers, body: JSON.stringify(body), signal: options.signal });
    const { id, etag } = parseBody<WriteAnswer>(answer);
    return { id, etag, created: answer.status === 201 };
  }

  async #send(call: Call): Promise<Answer> {
    return this.#connection.send(call);
  }
}

/** Reads a JSON answer. @internal */
export function parseBody<T>(answer: Answer): T {
  try {
    return JSON.parse(answer.text) as T;
  } catch (error) {
    throw new ClientError(
      'CLIENT_RESPONSE_INVALID',
      `${answer.endpoint} answered ${answer.status} with something that is not JSON: is this an Atoll node?`,
      {
        status: answer.status,
        endpoint: answer.endpoint,
        cause: error,
      },
    );
  }
}

function preconditions(options: WriteCallOptions): Record<string, string> {
  return {
    ...(options.ifMatch === undefined ? {} : { 'if-match': options.ifMatch }),
    ...(options.ifNoneMatch === undefined ? {} : { 'if-none-match': options.ifNoneMatch }),
  };
}

function isMissingDocument(error: unknown): boolean {
  return error instanceof ClientError && error.status === 404 && error.code === 'SYNC_DOCUMENT_NOT_FOUND';
}

/**
 * @module
 * Owns the calls on one collection and its documents.
 */
import type { ConflictList, WriteAnswer } from '../../server/api/index.ts';
import type { Answer, Call } from './call.ts';
import { ChangeFeed } from './change-feed.ts';
import type { Connection } from './connection.ts';
import { IndexClient } from './index-client.ts';
import { encodeLine, encodeNdjson, parseLine } from './ndjson.ts';
import {
  documentPath,
  isMissingDocument,
  JSON_TYPE,
  NDJSON_TYPE,
  parseBody,
  preferHeader,
  readLines,
  replicasOf,
  search,
  writeHeaders,
} from './request.ts';
import type {
  BulkLine,
  BulkAnswerLine,
  BulkCallOptions,
  CallOptions,
  Change,
  ChangeOptions,
  CollectionAnswer,
  CollectionRequest,
  ConflictAnswer,
  ConflictChoiceRequest,
  ConflictedList,
  DocumentPage,
  FetchedDocument,
  HistoryAnswer,
  HistoryChange,
  IntentLine,
  JsonObject,
  ListOptions,
  PageOptions,
  Query,
  QueryPage,
  ReadCallOptions,
  ViolationAnswer,
  WriteCallOptions,
  WriteResult,
} from './type.ts';

type Lines = Iterable<BulkLine | string>;

interface Page<Item> {
  readonly items: readonly Item[];
  readonly cursor: string | null;
}

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
    const headers = { 'content-type': JSON_TYPE };
    await this.#send({ method: 'PUT', path: this.#path, headers, body: JSON.stringify(settings) }, options);
  }

  async info(options: CallOptions = {}): Promise<CollectionAnswer> {
    return parseBody(await this.#send({ method: 'GET', path: this.#path }, options));
  }

  /** Deletes the documents of the collection and its settings. */
  async drop(options: CallOptions = {}): Promise<void> {
    await this.#send({ method: 'DELETE', path: this.#path }, options);
  }

  /** Resolves with the document, or null when it does not exist. A missing *database* is an error. */
  async get(id: string, options: ReadCallOptions = {}): Promise<FetchedDocument<T> | null> {
    let answer: Answer;
    try {
      const call: Call = { method: 'GET', path: documentPath(this.#path, id), headers: preferHeader(options) };
      answer = await this.#send(call, options);
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
    return this.#write('PUT', documentPath(this.#path, id), JSON_TYPE, doc, options);
  }

  /** Creates a document with an id made by the node; such ids sort by time. */
  async create(doc: T, options: WriteCallOptions = {}): Promise<WriteResult> {
    return this.#write('POST', `${this.#path}/docs`, JSON_TYPE, doc, options);
  }

  /** RFC 7396: fields given are set, fields that are null are removed. */
  async mergePatch(id: string, patch: JsonObject, options: WriteCallOptions = {}): Promise<WriteResult> {
    return this.#write('PATCH', documentPath(this.#path, id), 'application/merge-patch+json', patch, options);
  }

  /** RFC 6902, atomic. */
  async jsonPatch(id: string, operations: readonly JsonObject[], options: WriteCallOptions = {}): Promise<WriteResult> {
    return this.#write('PATCH', documentPath(this.#path, id), 'application/json-patch+json', operations, options);
  }

  /** Intents that JSON cannot say, such as `{op: 'increment', path: '/visits', value: 1}`, atomic. */
  async apply(id: string, operations: readonly IntentLine[], options: WriteCallOptions = {}): Promise<WriteResult> {
    return this.#write('PATCH', documentPath(this.#path, id), 'application/vnd.atoll.ops+json', operations, options);
  }

  /** Resolves false when there was nothing to delete. */
  async delete(id: string, options: WriteCallOptions = {}): Promise<boolean> {
    const path = documentPath(this.#path, id);
    try {
      await this.#send(
        { method: 'DELETE', path, headers: writeHeaders(options), key: options.idempotencyKey },
        options,
      );
      return true;
    } catch (error) {
      if (isMissingDocument(error)) return false;
      throw error;
    }
  }

  /** Values that lost against a concurrent write, by path. */
  async conflicts(id: string, options: ReadCallOptions = {}): Promise<readonly ConflictAnswer[]> {
    const path = `${documentPath(this.#path, id)}/conflicts`;
    const answer = await this.#send({ method: 'GET', path, headers: preferHeader(options) }, options);
    return parseBody<ConflictList>(answer).conflicts;
  }

  /** Says what is to stand at paths in conflict. A value that was not seen here when this was decided is a conflict again. */
  async resolve(
    id: string,
    choices: ConflictChoiceRequest | readonly ConflictChoiceRequest[],
    options: WriteCallOptions = {},
  ): Promise<WriteResult> {
    return this.#write('POST', `${documentPath(this.#path, id)}/conflicts`, JSON_TYPE, choices, options);
  }

  /** Recent writes of a document, newest first, wherever they were made: when, on which node, at which paths. */
  async *history(id: string, options: PageOptions = {}): AsyncGenerator<HistoryChange, void, undefined> {
    const path = `${documentPath(this.#path, id)}/history`;
    const headers = preferHeader(options);
    for (let cursor: string | null | undefined; cursor !== null;) {
      const query = search({ limit: options.limit, cursor });
      const page: HistoryAnswer = parseBody(await this.#send({ method: 'GET', path: path + query, headers }, options));
      yield* page.changes;
      ({ cursor } = page);
    }
  }

  /** Every document that has losing values, deleted ones included. */
  conflicted(options: PageOptions = {}): AsyncGenerator<ConflictedList['items'][number], void, undefined> {
    return this.#pages<ConflictedList['items'][number]>('conflicts', options);
  }

  /** Every document that the schema of the collection does not allow: from before it was set, or made by a merge. */
  violations(options: PageOptions = {}): AsyncGenerator<ViolationAnswer, void, undefined> {
    return this.#pages<ViolationAnswer>('violations', options);
  }

  /**
   * What changes, for as long as it is read. When the node goes away it goes on from another one, behind the last change that
   * was read. Break to end it.
   */
  changes(options: ChangeOptions = {}): AsyncGenerator<Change<T>, void, undefined> {
    return new ChangeFeed<T>(this.#connection, this.database, `${this.#path}/changes`, options).read();
  }

  /** One page in id order (UTF-8 bytes). */
  async page(options: ListOptions = {}): Promise<DocumentPage<T>> {
    const { prefix, limit, cursor, fields } = options;
    const query = search({ prefix, limit, cursor, fields: fields?.join(',') });
    return parseBody(
      await this.#send({ method: 'GET', path: `${this.#path}/docs${query}`, headers: preferHeader(options) }, options),
    );
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

  /** One page of the documents that match. */
  async queryPage(query: Query = {}, options: ReadCallOptions = {}): Promise<QueryPage<T>> {
    const headers = { 'content-type': JSON_TYPE, ...preferHeader(options) };
    const body = JSON.stringify(query);
    return parseBody(
      await this.#send({ method: 'POST', path: `${this.#path}/query`, headers, body, isSafe: true }, options),
    );
  }

  /** Every document that matches, in the order of `sort`, a page in memory at a time. */
  async *query(
    query: Query = {},
    options: ReadCallOptions = {},
  ): AsyncGenerator<QueryPage<T>['items'][number], void, undefined> {
    let cursor: string | null | undefined = query.cursor;
    while (cursor !== null) {
      const page: QueryPage<T> = await this.queryPage(cursor === undefined ? query : { ...query, cursor }, options);
      yield* page.items;
      cursor = page.cursor;
    }
  }

  /** Indexes, which make queries fast. */
  get indexes(): IndexClient {
    return new IndexClient(this.#connection, this.database, this.#path);
  }

  /**
   * Sends many writes as one streamed request and yields one result per line, in order. Memory stays bounded for any number
   * of lines. Not atomic: lines before a failure stand. Read the results to the end, or break to abandon the rest. A string
   * is a line that is encoded already. With `idempotencyKey`, the same lines sent again are each done once.
   */
  async *bulk(
    lines: Lines | AsyncIterable<BulkLine | string>,
    options: BulkCallOptions = {},
  ): AsyncGenerator<BulkAnswerLine, void, undefined> {
    const { signal, idempotencyKey } = options;
    const call = { ...this.#bulkCall(idempotencyKey), body: encodeNdjson(lines), signal };
    yield* readLines<BulkAnswerLine>(await this.#connection.stream(call));
  }

  /**
   * As `bulk`, for lines that fit into memory: one request of known size and time limit, all results at once. With
   * `idempotencyKey` it is sent again when an answer is missing.
   */
  async writeMany(lines: Lines, options: BulkCallOptions = {}): Promise<readonly BulkAnswerLine[]> {
    const body = Array.from(lines, (line) => encodeLine(line)).join('');
    const answer = await this.#send({ ...this.#bulkCall(options.idempotencyKey), body }, options);
    return answer.text.split('\n').flatMap((text) => [...parseLine<BulkAnswerLine>(text)]);
  }

  async *#pages<Item>(part: string, options: PageOptions): AsyncGenerator<Item, void, undefined> {
    const headers = preferHeader(options);
    for (let cursor: string | null | undefined; cursor !== null;) {
      const path = `${this.#path}/${part}${search({ limit: options.limit, cursor })}`;
      const page: Page<Item> = parseBody(await this.#send({ method: 'GET', path, headers }, options));
      yield* page.items;
      ({ cursor } = page);
    }
  }

  #bulkCall(key: string | null = null): Call {
    const headers = { 'content-type': NDJSON_TYPE, accept: NDJSON_TYPE };
    // Lines are answered one by one, and repeated by whoever reads the answers.
    return { method: 'POST', path: `${this.#path}/bulk`, database: this.database, headers, key };
  }

  async #write(
    method: 'PUT' | 'POST' | 'PATCH',
    path: string,
    type: string,
    body: unknown,
    options: WriteCallOptions,
  ): Promise<WriteResult> {
    const headers = { 'content-type': type, ...writeHeaders(options) };
    const call: Call = { method, path, headers, body: JSON.stringify(body), key: options.idempotencyKey };
    const answer = await this.#send(call, options);
    const { id, etag } = parseBody<WriteAnswer>(answer);
    const replicas = replicasOf(answer);
    return { id, etag, created: answer.status === 201, ...(replicas !== null && { replicas }) };
  }

  async #send(call: Call, { signal, timeoutMs }: CallOptions): Promise<Answer> {
    return this.#connection.send({ database: this.database, ...call, signal, timeoutMs });
  }
}

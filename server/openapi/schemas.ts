/**
 * @module
 * Owns the schemas that the description of the API names, those of documents and of what is common. They are checked against the
 * types of `server/api` when this is compiled, and against answers when tests run.
 */
import { Type, type TSchema } from 'typebox';
import type {
  AccessTokenAnswer,
  AccessTokenList,
  AuditList,
  BatchAnswer,
  CollectionRequest,
  ConflictList,
  ConflictedList,
  DatabaseList,
  DiagnosticsAnswer,
  DigestAnswer,
  DocumentList,
  HealthAnswer,
  HistoryAnswer,
  IndexAnswer,
  IndexList,
  IndexRequest,
  JoinRequest,
  JoinTokenAnswer,
  JoinTokenRequest,
  Limits,
  ListItem,
  NewAccessTokenAnswer,
  NewAccessTokenRequest,
  Problem,
  ViolationList,
  WriteAnswer,
} from '../api/index.ts';
import { of } from './route-doc.ts';

const strict = { additionalProperties: false } as const;
const text = (description: string): ReturnType<typeof Type.String> => Type.String({ description });
const moment = Type.String({ format: 'date-time' });
const orNull = <S extends TSchema>(schema: S) => Type.Union([schema, Type.Null()]);
const count = Type.Integer({ minimum: 0 });
const names = Type.Array(Type.String());
// The type of documents is recursive; as a schema, any object is one.
const document = Type.Unsafe<never>({ type: 'object' });
const value = Type.Unsafe<never>({ description: 'Any JSON value.' });

const limitNames = [
  'bodyBytes',
  'documentBytes',
  'depth',
  'keyBytes',
  'idBytes',
  'bulkLineBytes',
  'bulkInflight',
  'listItems',
  'listBytes',
  'queryExamined',
  'querySortDocuments',
  'indexesPerCollection',
  'frameBytes',
  'requestMs',
  'connections',
  'requestsPerSecond',
  'inflight',
  'lagMs',
  'inflightBytes',
  'feeds',
] as const satisfies readonly (keyof Limits)[];

const role = Type.Union([Type.Literal('read'), Type.Literal('write'), Type.Literal('admin')]);
const accessToken = {
  id: Type.String(),
  name: Type.String(),
  role,
  databases: orNull(names),
  createdAt: moment,
  expiresAt: orNull(moment),
  requestsPerSecond: orNull(Type.Integer()),
  state: Type.Union([Type.Literal('valid'), Type.Literal('expired'), Type.Literal('revoked')]),
};
const listItem = Type.Object({ id: Type.String(), etag: Type.String(), doc: document }, strict);
const index = Type.Object(
  {
    name: Type.String(),
    collection: Type.String(),
    paths: Type.Array(
      Type.Object({ path: Type.String(), order: Type.Union([Type.Literal('asc'), Type.Literal('desc')]) }, strict),
    ),
    sparse: Type.Boolean(),
    state: Type.Union([Type.Literal('building'), Type.Literal('ready'), Type.Literal('failed')]),
    progress: Type.Object({ documents: count, total: count }, strict),
    error: Type.Optional(Type.String()),
  },
  strict,
);
const author = { at: moment, replica: Type.String() };
const conflict = Type.Object(
  {
    path: text('JSON Pointer.'),
    shown: Type.Optional(value),
    shownBy: Type.Optional(Type.Object(author)),
    others: Type.Array(Type.Object({ ...author, value })),
  },
  strict,
);
const collection = Type.Object(
  {
    name: Type.String(),
    documents: count,
    bytes: count,
    deletePolicy: Type.Union([Type.Literal('update-wins'), Type.Literal('delete-wins')]),
    types: Type.Record(Type.String(), Type.String()),
  },
  { description: 'What a collection holds and how it is configured.' },
);

export const SCHEMAS: Readonly<Record<string, TSchema>> = {
  Problem: of<Problem>()(
    Type.Object(
      {
        type: text('A URN of the code.'),
        title: text('The same for every occurrence of the code.'),
        status: Type.Integer(),
        detail: text('What happened this time.'),
        code: text('Stable within a major version: test this.'),
        retryable: Type.Boolean({ description: 'May the same request succeed later, or on another node?' }),
        errors: Type.Optional(
          Type.Array(
            Type.Object(
              {
                pointer: Type.Optional(text('JSON Pointer into the body.')),
                parameter: Type.Optional(text('Name of a parameter or header.')),
                detail: Type.String(),
                limit: Type.Optional(text('Name of the limit, see GET /v1/_limits.')),
                max: Type.Optional(Type.Number()),
              },
              strict,
            ),
          ),
        ),
      },
      { ...strict, description: 'RFC 9457 problem details.' },
    ),
  ),
  Document: Type.Unsafe<never>({ type: 'object', description: 'A document: any JSON object.' }),
  Write: of<WriteAnswer>()(Type.Object({ id: Type.String(), etag: Type.String() }, strict)),
  ListItem: of<ListItem>()(listItem),
  DocumentList: of<DocumentList>()(Type.Object({ items: Type.Array(listItem), cursor: orNull(Type.String()) }, strict)),
  ConflictList: of<ConflictList>()(Type.Object({ conflicts: Type.Array(conflict) }, strict)),
  ConflictedList: of<ConflictedList>()(
    Type.Object(
      {
        items: Type.Array(
          Type.Object(
            { id: Type.String(), etag: Type.String(), deleted: Type.Boolean(), conflicts: Type.Array(conflict) },
            strict,
          ),
        ),
        cursor: orNull(Type.String()),
      },
      strict,
    ),
  ),
  History: of<HistoryAnswer>()(
    Type.Object(
      {
        changes: Type.Array(
          Type.Object({
            ...author,
            stamp: Type.Integer(),
            origin: Type.Integer(),
            paths: names,
            removed: names,
            created: Type.Boolean(),
            deleted: Type.Boolean(),
            partial: Type.Boolean(),
          }),
        ),
        cursor: orNull(Type.String()),
      },
      strict,
    ),
  ),
  BatchRequest: Type.Object(
    {
      writes: Type.Array(
        Type.Object(
          { collection: Type.String(), id: Type.String() },
          { description: 'And one of `doc`, `merge`, `ops`, `delete`; perhaps `ifMatch` or `ifNoneMatch`.' },
        ),
      ),
    },
    strict,
  ),
  Batch: of<BatchAnswer>()(
    Type.Object(
      {
        results: Type.Array(
          Type.Object({ id: Type.String(), status: Type.Integer(), etag: Type.Optional(Type.String()) }, strict),
        ),
      },
      strict,
    ),
  ),
  ConflictChoice: Type.Object(
    {
      path: text('Path of a conflict.'),
      keep: Type.Optional(Type.Literal('shown')),
      restore: Type.Optional(Type.Unsafe<never>({ type: 'object', description: 'An entry of `others`.' })),
      value: Type.Optional(value),
    },
    { ...strict, description: 'Besides `path` one of the others.' },
  ),
  ViolationList: of<ViolationList>()(
    Type.Object(
      {
        items: Type.Array(
          Type.Object(
            {
              id: Type.String(),
              etag: Type.String(),
              errors: Type.Array(Type.Object({ pointer: Type.String(), detail: Type.String() }, strict)),
            },
            strict,
          ),
        ),
        cursor: orNull(Type.String()),
      },
      strict,
    ),
  ),
  DatabaseList: of<DatabaseList>()(
    Type.Object({ databases: Type.Array(Type.Object({ name: Type.String() }, strict)) }, strict),
  ),
  Collection: collection,
  CollectionRequest: of<CollectionRequest>()(
    Type.Object(
      {
        deletePolicy: Type.Optional(Type.Union([Type.Literal('update-wins'), Type.Literal('delete-wins')])),
        types: Type.Optional(
          Type.Record(
            Type.String(),
            Type.Union([Type.Literal('text'), Type.Literal('set'), Type.Literal('array'), Type.Literal('counter')]),
            { description: 'JSON Pointer → how that place merges.' },
          ),
        ),
        schema: Type.Optional(
          Type.Unsafe<never>({ type: 'object', description: 'JSON Schema, draft 2020-12, that a write must satisfy.' }),
        ),
      },
      { description: 'Absent members have their default.' },
    ),
  ),
  Database: Type.Object(
    {
      name: Type.String(),
      collections: Type.Array(collection),
      documents: count,
      bytes: count,
      digest: text('Equal on converged nodes.'),
    },
    strict,
  ),
  Digest: of<DigestAnswer>()(
    Type.Object(
      { digest: Type.String(), documents: count, vector: Type.Record(Type.String(), Type.Integer()) },
      strict,
    ),
  ),
  Index: of<IndexAnswer>()(index),
  IndexList: of<IndexList>()(Type.Object({ indexes: Type.Array(index) }, strict)),
  IndexRequest: of<IndexRequest>()(
    Type.Object(
      {
        paths: Type.Array(
          Type.Union([
            Type.String(),
            Type.Object({
              path: Type.String(),
              order: Type.Optional(Type.Union([Type.Literal('asc'), Type.Literal('desc')])),
            }),
          ]),
        ),
        sparse: Type.Optional(Type.Boolean()),
      },
      strict,
    ),
  ),
  QueryRequest: Type.Object(
    {
      filter: Type.Optional(
        Type.Unsafe<never>({ type: 'object', description: "MongoDB's form. Default: all documents." }),
      ),
      sort: Type.Optional(Type.Unsafe<never>({ description: 'Path → 1 or -1.' })),
      fields: Type.Optional(names),
      limit: Type.Optional(Type.Integer({ minimum: 1 })),
      cursor: Type.Optional(orNull(Type.String())),
      explain: Type.Optional(Type.Boolean()),
    },
    strict,
  ),
  QueryAnswer: Type.Object(
    {
      items: Type.Array(listItem),
      cursor: orNull(Type.String()),
      explain: Type.Optional(Type.Object({}, { description: 'How the page came about.' })),
    },
    strict,
  ),
  Health: of<HealthAnswer>()(
    Type.Object({ status: Type.Union([Type.Literal('live'), Type.Literal('ready')]) }, strict),
  ),
  Limits: Type.Object(Object.fromEntries(limitNames.map((name) => [name, Type.Integer()])), {
    description: 'Exceeding one is a 4xx that names it.',
  }),
  JoinRequest: of<JoinRequest>()(Type.Object({ url: Type.String({ format: 'uri' }) }, strict)),
  JoinTokenRequest: of<JoinTokenRequest>()(
    Type.Object({ expiresSeconds: Type.Optional(Type.Integer({ minimum: 1 })) }, strict),
  ),
  JoinToken: of<JoinTokenAnswer>()(
    Type.Object({ token: Type.String(), id: Type.String(), expiresAt: Type.Number() }, strict),
  ),
  AccessToken: of<AccessTokenAnswer>()(Type.Object(accessToken, strict)),
  AccessTokenList: of<AccessTokenList>()(Type.Object({ tokens: Type.Array(Type.Object(accessToken, strict)) }, strict)),
  NewAccessToken: of<NewAccessTokenAnswer>()(Type.Object({ token: Type.String(), ...accessToken }, strict)),
  NewAccessTokenRequest: of<NewAccessTokenRequest>()(
    Type.Object(
      {
        role,
        databases: Type.Optional(orNull(names)),
        name: Type.Optional(Type.String({ maxLength: 200 })),
        expiresSeconds: Type.Optional(orNull(Type.Integer({ minimum: 1 }))),
        requestsPerSecond: Type.Optional(orNull(Type.Integer({ minimum: 1 }))),
      },
      strict,
    ),
  ),
  AuditList: of<AuditList>()(
    Type.Object(
      {
        entries: Type.Array(
          Type.Object(
            {
              at: moment,
              requestId: Type.String(),
              by: text('Id of the token; `file`, or `local` without tokens.'),
              from: orNull(Type.String()),
              method: Type.String(),
              target: Type.String(),
              status: Type.Integer(),
            },
            strict,
          ),
        ),
      },
      strict,
    ),
  ),
  Diagnostics: of<DiagnosticsAnswer>()(
    Type.Object(
      {
        node: Type.String(),
        name: Type.String(),
        version: Type.String(),
        runtime: Type.Object(
          { node: Type.String(), platform: Type.String(), arch: Type.String(), pid: Type.Integer() },
          strict,
        ),
        uptimeSeconds: Type.Number(),
        memory: Type.Object(
          { rss: count, heapUsed: count, heapTotal: count, external: count, arrayBuffers: count },
          strict,
        ),
        cpuSeconds: Type.Object({ user: Type.Number(), system: Type.Number() }, strict),
        eventLoopLagMs: Type.Number(),
        requests: Type.Object({ inFlight: Type.Integer(), lasting: Type.Integer() }, strict),
        handles: Type.Record(Type.String(), Type.Integer()),
      },
      strict,
    ),
  ),
};

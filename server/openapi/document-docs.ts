/**
 * @module
 * Owns the descriptions of routes of documents, queries and feeds.
 */
import { Type } from 'typebox';
import { json, NO_CONTENT, ref, type AnswerDoc, type RouteDocs } from './route-doc.ts';

const NDJSON = 'application/x-ndjson';
const written = (description: string): AnswerDoc => ({
  description,
  content: json(Type.Union([ref('Write'), ref('Document')])),
  headers: ['ETag', 'Session-Token', 'Preference-Applied', 'Atoll-Replicas'],
});
const WRITTEN = {
  200: written('Written; the document with `Prefer: return=representation`.'),
  201: written('Created.'),
  202: written('Written, but fewer members than asked for are known to hold it.'),
};
const MISSING = { 404: 'No such database, or no such document.' };
const WRITE_PROBLEMS = { 404: 'No such database.', 409: 'A patch does not fit.', 412: 'A precondition does not hold.' };
const CHANGE_HEADERS = ['If-Match', 'If-None-Match', 'Prefer', 'Idempotency-Key'] as const;
const lines = Type.String({ description: 'Newline-delimited JSON.' });
const FEED = {
  200: {
    description: 'Changes, one per line or event. Lines or events without a change are signs of life.',
    content: { [NDJSON]: lines, 'text/event-stream': Type.String() },
  },
};

export const DOCUMENT_DOCS: RouteDocs = {
  'GET /v1/:db/:collection/docs/:id': {
    tag: 'Documents',
    summary: 'Read a document',
    headers: ['If-Match', 'If-None-Match'],
    answers: {
      200: {
        description: 'The document, and nothing added.',
        content: json(ref('Document')),
        headers: ['ETag', 'Last-Modified', 'Session-Token', 'Atoll-Conflicts'],
      },
      304: { description: 'The client has this version.', headers: ['ETag'] },
    },
    problems: { ...MISSING, 412: 'The document has another version.' },
  },
  'PUT /v1/:db/:collection/docs/:id': {
    tag: 'Documents',
    summary: 'Replace or create a document',
    headers: CHANGE_HEADERS,
    body: json(ref('Document')),
    answers: WRITTEN,
    problems: WRITE_PROBLEMS,
  },
  'PATCH /v1/:db/:collection/docs/:id': {
    tag: 'Documents',
    summary: 'Change parts of a document',
    description: 'The media type says what kind of patch the body is. A missing document is patched as an empty one.',
    headers: CHANGE_HEADERS,
    body: {
      'application/merge-patch+json': Type.Unsafe<never>({ type: 'object', description: 'RFC 7396.' }),
      'application/json-patch+json': Type.Unsafe<never>({
        type: 'array',
        items: { type: 'object' },
        description: 'RFC 6902, atomic.',
      }),
      'application/vnd.atoll.ops+json': Type.Unsafe<never>({
        type: 'array',
        items: { type: 'object', required: ['op', 'path'] },
        description:
          'Intents: increment, append, insert, remove, move, set-add, set-remove, text-insert, text-delete. `path` is a JSON Pointer.',
      }),
    },
    answers: WRITTEN,
    problems: WRITE_PROBLEMS,
  },
  'DELETE /v1/:db/:collection/docs/:id': {
    tag: 'Documents',
    summary: 'Delete a document',
    headers: CHANGE_HEADERS,
    answers: {
      202: {
        description: 'Deleted, but fewer members than asked for are known to hold it.',
        headers: ['Atoll-Replicas'],
      },
      204: { description: 'Deleted.', headers: ['Session-Token', 'Atoll-Replicas'] },
    },
    problems: { ...MISSING, 412: 'A precondition does not hold.' },
  },
  'POST /v1/:db/:collection/docs': {
    tag: 'Documents',
    summary: 'Create a document with an id made here',
    description: 'Ids sort by the time of their making.',
    headers: ['Prefer', 'Idempotency-Key'],
    body: json(ref('Document')),
    answers: { ...WRITTEN, 201: { ...WRITTEN[201], headers: [...WRITTEN[201].headers!, 'Location'] } },
    problems: { 404: 'No such database.' },
  },
  'GET /v1/:db/:collection/docs': {
    tag: 'Documents',
    summary: 'List documents in the order of their ids',
    description: 'A page may hold fewer documents than asked for: only a null cursor is the end.',
    answers: { 200: { description: 'A page.', content: json(ref('DocumentList')), headers: ['Session-Token'] } },
    problems: { 404: 'No such database.' },
  },
  'GET /v1/:db/:collection/docs/:id/conflicts': {
    tag: 'Documents',
    summary: 'Values that lost against concurrent ones',
    answers: { 200: { description: 'By path.', content: json(ref('ConflictList')), headers: ['Session-Token'] } },
    problems: MISSING,
  },
  'POST /v1/:db/:collection/docs/:id/conflicts': {
    tag: 'Documents',
    summary: 'Settle conflicts of a document',
    description: 'Keeps what is shown, restores a value that lost, or sets another one.',
    headers: CHANGE_HEADERS,
    body: json(Type.Union([ref('ConflictChoice'), Type.Array(ref('ConflictChoice'))])),
    answers: WRITTEN,
    problems: { ...MISSING, 409: 'There is no such conflict.', 412: 'A precondition does not hold.' },
  },
  'GET /v1/:db/:collection/docs/:id/history': {
    tag: 'Documents',
    summary: 'Recent writes of a document',
    answers: { 200: { description: 'Newest first.', content: json(ref('History')), headers: ['Session-Token'] } },
    problems: MISSING,
  },
  'POST /v1/:db/_batch': {
    tag: 'Documents',
    summary: 'Write several documents, all or none',
    description: 'No node ever shows half of it.',
    headers: ['Prefer', 'Idempotency-Key'],
    body: json(ref('BatchRequest')),
    answers: {
      200: { description: 'Written.', content: json(ref('Batch')), headers: ['Session-Token', 'Atoll-Replicas'] },
      202: {
        description: 'Written, but fewer members than asked for are known to hold it.',
        content: json(ref('Batch')),
        headers: ['Session-Token', 'Atoll-Replicas'],
      },
    },
    problems: {
      404: 'No such database.',
      409: 'A patch does not fit; nothing was written.',
      412: 'A precondition does not hold.',
    },
  },
  'GET /v1/:db/:collection/conflicts': {
    tag: 'Documents',
    summary: 'List documents with values that lost',
    answers: { 200: { description: 'A page.', content: json(ref('ConflictedList')), headers: ['Session-Token'] } },
    problems: { 404: 'No such database.' },
  },
  'GET /v1/:db/:collection/violations': {
    tag: 'Documents',
    summary: 'List documents that the schema of the collection does not allow',
    answers: { 200: { description: 'A page.', content: json(ref('ViolationList')), headers: ['Session-Token'] } },
    problems: { 404: 'No such database.' },
  },
  'POST /v1/:db/:collection/bulk': {
    tag: 'Documents',
    summary: 'Write many documents',
    description:
      'Streams in both directions. Lines are `{"id", "doc"}`, `{"id", "merge"}`, `{"id", "ops"}` or `{"id", "delete": true}`; each is ' +
      'answered in order by `{"id", "status", "etag"}` or with an `error`. A line with a `key`, and each line of a request with an ' +
      '`Idempotency-Key`, is done once: a repetition has `"replayed": true`. The session token follows as a trailer.',
    headers: ['Idempotency-Key', 'Prefer'],
    body: { [NDJSON]: lines },
    answers: { 200: { description: 'One result per line.', content: { [NDJSON]: lines } } },
    problems: { 404: 'No such database.' },
  },
  'POST /v1/:db/:collection/query': {
    tag: 'Queries and feeds',
    summary: 'Find documents by a filter',
    body: json(ref('QueryRequest')),
    isBodyOptional: true,
    answers: { 200: { description: 'A page.', content: json(ref('QueryAnswer')), headers: ['Session-Token'] } },
    problems: { 404: 'No such database.' },
  },
  'GET /v1/:db/:collection/changes': {
    tag: 'Queries and feeds',
    summary: 'Changes of a collection',
    description: 'A cursor from any node works on every node. `Accept` chooses between lines and Server-Sent Events.',
    headers: ['Last-Event-ID'],
    answers: FEED,
    problems: { 404: 'No such database.' },
  },
  'GET /v1/:db/_changes': {
    tag: 'Queries and feeds',
    summary: 'Changes of a database',
    headers: ['Last-Event-ID'],
    answers: FEED,
    problems: { 404: 'No such database.' },
  },
  'GET /v1/:db/:collection/indexes': {
    tag: 'Queries and feeds',
    summary: 'List indexes',
    answers: {
      200: { description: 'As this node has them.', content: json(ref('IndexList')), headers: ['Session-Token'] },
    },
    problems: { 404: 'No such database.' },
  },
  'GET /v1/:db/:collection/indexes/:name': {
    tag: 'Queries and feeds',
    summary: 'Describe an index',
    answers: {
      200: { description: 'State and progress here.', content: json(ref('Index')), headers: ['Session-Token'] },
    },
    problems: { 404: 'No such database or index.' },
  },
  'PUT /v1/:db/:collection/indexes/:name': {
    tag: 'Queries and feeds',
    summary: 'Define an index',
    description: 'It is built on every node, in the background.',
    body: json(ref('IndexRequest')),
    answers: {
      200: { description: 'It was defined like this before.', content: json(ref('Index')), headers: ['Session-Token'] },
      201: { description: 'Defined.', content: json(ref('Index')), headers: ['Session-Token'] },
    },
    problems: { 404: 'No such database.', 409: 'It exists and is another one, or there are too many.' },
  },
  'DELETE /v1/:db/:collection/indexes/:name': {
    tag: 'Queries and feeds',
    summary: 'Drop an index',
    answers: { 204: NO_CONTENT },
    problems: { 404: 'No such database or index.' },
  },
};

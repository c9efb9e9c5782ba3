/**
 * @module
 * Owns the descriptions of routes of databases, the cluster, administration and the node itself.
 */
import { Type } from 'typebox';
import { json, NO_CONTENT, ref, type AnswerDoc, type RouteDocs } from './route-doc.ts';

const text = (description: string, type: string): AnswerDoc => ({ description, content: { [type]: Type.String() } });
const answer = (description: string, name: string): AnswerDoc => ({ description, content: json(ref(name)) });
const inSession = (description: string, name: string): AnswerDoc => ({
  ...answer(description, name),
  headers: ['Session-Token'],
});
const NO_MEMBER = { 404: 'No such member.', 409: 'Not possible for this member.' };

export const NODE_DOCS: RouteDocs = {
  'GET /v1': {
    tag: 'Databases',
    summary: 'List databases',
    answers: { 200: answer('Those that the token is for.', 'DatabaseList') },
  },
  'PUT /v1/:db': {
    tag: 'Databases',
    summary: 'Create a database',
    description: 'Idempotent.',
    body: json(Type.Object({}, { additionalProperties: false })),
    isBodyOptional: true,
    answers: { 200: inSession('It exists.', 'Database'), 201: inSession('Created.', 'Database') },
  },
  'GET /v1/:db': {
    tag: 'Databases',
    summary: 'Describe a database',
    answers: { 200: inSession('Collections, counts, digest.', 'Database') },
    problems: { 404: 'No such database.' },
  },
  'DELETE /v1/:db': {
    tag: 'Databases',
    summary: 'Drop a database on all nodes',
    answers: { 204: NO_CONTENT },
    problems: { 404: 'No such database.' },
  },
  'GET /v1/:db/_digest': {
    tag: 'Databases',
    summary: 'Digest of the content',
    description: 'Equal digests mean equal databases.',
    answers: { 200: inSession('Digest, version vector, number of documents.', 'Digest') },
    problems: { 404: 'No such database.' },
  },
  'PUT /v1/:db/:collection': {
    tag: 'Databases',
    summary: 'Configure a collection',
    body: json(ref('CollectionRequest')),
    isBodyOptional: true,
    answers: { 200: inSession('Configured.', 'Collection'), 201: inSession('Created.', 'Collection') },
    problems: { 404: 'No such database.' },
  },
  'GET /v1/:db/:collection': {
    tag: 'Databases',
    summary: 'Describe a collection',
    answers: { 200: inSession('Configuration and counts.', 'Collection') },
    problems: { 404: 'No such database or collection.' },
  },
  'DELETE /v1/:db/:collection': {
    tag: 'Databases',
    summary: 'Drop a collection and its documents',
    answers: { 204: { ...NO_CONTENT, headers: ['Session-Token'] } },
    problems: { 404: 'No such database or collection.' },
  },
  'GET /v1/_cluster': {
    tag: 'Cluster',
    summary: 'The cluster as this node sees it',
    answers: { 200: answer('Members, links, lag, databases.', 'Cluster') },
  },
  'GET /v1/_cluster/members': {
    tag: 'Cluster',
    summary: 'List members',
    answers: { 200: answer('With their lag.', 'MemberList') },
  },
  'POST /v1/_cluster/members': {
    tag: 'Cluster',
    summary: 'Keep a link to the node at a URL',
    body: json(ref('JoinRequest')),
    answers: { 202: answer('It is being dialed.', 'JoinRequest') },
  },
  'DELETE /v1/_cluster/members/:node': {
    tag: 'Cluster',
    summary: 'Remove a member for ever',
    answers: { 204: NO_CONTENT },
    problems: NO_MEMBER,
  },
  'PUT /v1/_cluster/members/:node/databases': {
    tag: 'Cluster',
    summary: 'Say which databases a member holds',
    body: json(
      Type.Object({ databases: Type.Union([Type.Array(Type.String()), Type.Null()]) }, { additionalProperties: false }),
    ),
    answers: {
      200: {
        description: 'As the cluster has it now; null = all.',
        content: json(
          Type.Object({ node: Type.String(), databases: Type.Union([Type.Array(Type.String()), Type.Null()]) }),
        ),
      },
    },
    problems: NO_MEMBER,
  },
  'POST /v1/_cluster/members/:node/drain': {
    tag: 'Cluster',
    summary: 'Announce that a member is about to be stopped',
    answers: {
      202: { description: 'Announced.', content: json(Type.Object({ node: Type.String(), state: Type.String() })) },
    },
    problems: NO_MEMBER,
  },
  'POST /v1/_cluster/tokens': {
    tag: 'Cluster',
    summary: 'Make a token with which one node may join',
    body: json(ref('JoinTokenRequest')),
    isBodyOptional: true,
    answers: { 201: answer('It is shown only now.', 'JoinToken') },
  },
  'GET /v1/_cluster/unsent': {
    tag: 'Cluster',
    summary: 'Documents that only this node holds',
    answers: { 200: text('One per line.', 'application/x-ndjson') },
  },
  'DELETE /v1/_cluster/unsent': {
    tag: 'Cluster',
    summary: 'Discard what was set aside',
    answers: { 204: NO_CONTENT },
  },
  'GET /v1/_cluster/doctor': {
    tag: 'Cluster',
    summary: 'What must hold on this node, and whether it does',
    answers: { 200: answer('As far as is known.', 'Doctor') },
  },
  'POST /v1/_cluster/doctor': {
    tag: 'Cluster',
    summary: 'Read and check everything that is stored',
    answers: { 202: answer('Begun; look again until `scrub.running` ends.', 'Doctor') },
  },
  'GET /v1/_admin/tokens': {
    tag: 'Administration',
    summary: 'List tokens',
    answers: { 200: answer('Oldest first, without their text.', 'AccessTokenList') },
  },
  'POST /v1/_admin/tokens': {
    tag: 'Administration',
    summary: 'Make a token',
    description: 'The first one turns access control on in the whole cluster.',
    body: json(ref('NewAccessTokenRequest')),
    answers: { 201: { ...answer('It is shown only now.', 'NewAccessToken'), headers: ['Location'] } },
    problems: { 409: 'The first token must be for everything and for ever.' },
  },
  'DELETE /v1/_admin/tokens/:token': {
    tag: 'Administration',
    summary: 'Revoke a token',
    answers: { 204: NO_CONTENT },
    problems: { 404: 'No such token.', 409: 'It is the last admin token.' },
  },
  'GET /v1/_admin/audit': {
    tag: 'Administration',
    summary: 'What this node was told to do',
    answers: { 200: answer('The last 1,000, newest first.', 'AuditList') },
  },
  'GET /v1/_admin/diagnostics': {
    tag: 'Administration',
    summary: 'The process as it is now',
    answers: { 200: answer('Memory, processor, event loop.', 'Diagnostics') },
  },
  'GET /v1/_limits': {
    tag: 'Node',
    summary: 'Limits of this node',
    answers: { 200: answer('By name.', 'Limits') },
  },
  'GET /livez': {
    tag: 'Node',
    summary: 'Is the process alive?',
    answers: { 200: answer('Whatever happens to peers and disk.', 'Health') },
  },
  'GET /readyz': {
    tag: 'Node',
    summary: 'Does this node take requests?',
    description: 'With `?drain=404` a node that is shutting down answers 404. Never depends on peers.',
    answers: { 200: answer('It does.', 'Health') },
    problems: { 404: 'It is shutting down, and was asked with `?drain=404`.' },
  },
  'GET /metrics': {
    tag: 'Node',
    summary: 'Metrics for Prometheus',
    answers: { 200: text('Text format 0.0.4.', 'text/plain') },
  },
  'GET /openapi.json': {
    tag: 'Node',
    summary: 'This description',
    answers: { 200: { description: 'OpenAPI 3.1.', content: json(Type.Unsafe<never>({ type: 'object' })) } },
  },
  'GET /docs': {
    tag: 'Node',
    summary: 'This description as a page',
    answers: { 200: text('Without scripts, and nothing from elsewhere.', 'text/html') },
  },
  'GET /sync': {
    tag: 'Node',
    summary: 'The websocket of other nodes',
    answers: { 101: { description: 'To an upgrade; PROTOCOL.md has what follows.' } },
    problems: { 426: 'The request is no upgrade.' },
  },
};

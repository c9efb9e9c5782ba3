/**
 * @module
 * Owns the server that Atoll's HTTP numbers are compared with: the same framework, routes and bytes, and nothing that a database
 * needs. No versions, no merging, no log, no replication: plain JSON in RocksDB with group commit.
 *
 * Run as `node server.js DIRECTORY`; prints a ready line like a node.
 */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { PassThrough, type Readable } from 'node:stream';
import fastify, { type FastifyReply, type FastifyRequest } from 'fastify';
import { GroupCommitStore } from './group-commit-store.ts';

type DocumentRequest = FastifyRequest<{ Params: { db: string; collection: string; id: string }; Body: Buffer }>;

const JSON_CONTENT = 'application/json; charset=utf-8';
/** Collection whose documents are answered from memory: what a GET costs when the store costs nothing. */
const READY_COLLECTION = 'ready';
/** Bulk lines in flight, as many as a node allows. */
const INFLIGHT_LINES = 1_024;

const store = await GroupCommitStore.open(process.argv[2]!);
const ready = new Map<string, Buffer>();
const app = fastify();
app.removeAllContentTypeParsers();
app.addContentTypeParser(
  ['application/json', 'application/merge-patch+json'],
  { parseAs: 'buffer' },
  (_request, body, done) => done(null, body),
);
app.addContentTypeParser('application/x-ndjson', (_request, body, done) => done(null, body));

const path = '/v1/:db/:collection/docs/:id';
app.get(path, (request: DocumentRequest, reply) => {
  reply.header('content-type', JSON_CONTENT);
  reply.send(ready.get(request.params.id));
});

app.put(path, async (request: DocumentRequest, reply) => {
  const { collection, id } = request.params;
  JSON.parse(request.body.toString());
  if (collection === READY_COLLECTION) ready.set(id, request.body);
  await store.put(keyOf(request), request.body);
  return sendWritten(reply.code(201), id);
});

app.patch(path, async (request: DocumentRequest, reply) => {
  const patch = JSON.parse(request.body.toString()) as object;
  const stored = await store.get(keyOf(request));
  const document = JSON.parse(stored?.toString() ?? '{}') as object;
  await store.put(keyOf(request), Buffer.from(JSON.stringify(Object.assign(document, patch))));
  return sendWritten(reply, request.params.id);
});

app.post('/v1/:db/:collection/bulk', async (request: FastifyRequest<{ Body: Readable }>, reply) => {
  const answers = new PassThrough({ highWaterMark: 4_194_304 });
  void writeLines(request.body, answers);
  return reply.header('content-type', 'application/x-ndjson').send(answers);
});

await app.listen({ port: 0, host: '127.0.0.1' });
process.once('SIGTERM', () => process.exit(0));
process.stdout.write(
  `${JSON.stringify({ ready: true, url: `http://127.0.0.1:${(app.server.address() as AddressInfo).port}` })}\n`,
);

function keyOf({ params }: DocumentRequest): Buffer {
  return Buffer.from(`${params.collection}/${params.id}`);
}

function sendWritten(reply: FastifyReply, id: string): FastifyReply {
  return reply.header('content-type', JSON_CONTENT).send(JSON.stringify({ id, etag: '"a0b1c2d3e4f5a6b7c8d9e0f1"' }));
}

async function writeLines(source: Readable, answers: PassThrough): Promise<void> {
  const inflight: Promise<void>[] = [];
  let rest = '';
  for await (const chunk of source as AsyncIterable<Buffer>) {
    const lines = (rest + chunk.toString()).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const { id, doc } = JSON.parse(line) as { id: string; doc: object };
      inflight.push(store.put(Buffer.from(`bulk/${id}`), Buffer.from(JSON.stringify(doc))));
      const answer = `{"id":${JSON.stringify(id)},"status":201,"etag":"a0b1c2d3e4f5a6b7c8d9e0f1"}\n`;
      if (!answers.write(answer)) await once(answers, 'drain');
      if (inflight.length >= INFLIGHT_LINES) await Promise.all(inflight.splice(0));
    }
  }
  await Promise.all(inflight);
  answers.end();
}

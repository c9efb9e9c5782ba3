import { request, type IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { BulkAnswerLine } from '../../server/api/index.ts';
import type { AtollNode } from '../../server/index.ts';
import { createTestNodes, waitFor } from '../helper/test-node.ts';

const nodes = createTestNodes();
const LINES = 50_000;
const BAD_LINE = 25_000;
let node: AtollNode;

beforeAll(async () => {
  node = await nodes.open({ cacheBytes: 4_194_304 });
  await fetch(`${node.url}/v1/app`, { method: 'PUT' });
});
afterAll(() => nodes.close());

const NDJSON = { 'content-type': 'application/x-ndjson' };

function* makeLines(collection: string): Generator<string> {
  const filler = 'x'.repeat(1000);
  for (let n = 1; n <= LINES; n++) {
    yield n === BAD_LINE
      ? '{"id":"bad","doc":{"a":tru\n'
      : `${JSON.stringify({ id: `${collection}-${n}`, doc: { n, filler } })}\n`;
  }
}

/** Sends lines as a stream and yields answer lines as they come. */
async function* bulk(collection: string, lines: Iterable<string>): AsyncGenerator<BulkAnswerLine> {
  const outgoing = request(`${node.url}/v1/app/${collection}/bulk`, { method: 'POST', headers: NDJSON });
  Readable.from(lines).pipe(outgoing);
  const answer = await new Promise<Readable>((resolve, reject) =>
    outgoing.once('response', resolve).once('error', reject),
  );
  let rest = '';
  for await (const chunk of answer.setEncoding('utf8') as AsyncIterable<string>) {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop()!;
    for (const part of parts) yield JSON.parse(part) as BulkAnswerLine;
  }
}

describe('bulk', () => {
  test('[HT17] 50,000 lines stream through bounded memory, with a bad one in the middle', async () => {
    const before = process.memoryUsage.rss();
    let peak = 0;
    let number = 0;
    for await (const line of bulk('many', makeLines('many'))) {
      number++;
      if (number === BAD_LINE)
        expect(line).toMatchObject({ id: null, status: 400, line: BAD_LINE, error: { code: 'CRDT_VALUE_INVALID' } });
      else if (line.status !== 201 || line.id !== `many-${number}`)
        expect.fail(`line ${number}: ${JSON.stringify(line)}`);
      if (number % 1000 === 0) peak = Math.max(peak, process.memoryUsage.rss());
    }
    expect(number).toBe(LINES);
    // 50 MB of lines went through; the caches, the memtables and this client are within the bound too.
    expect((peak - before) / 1_048_576).toBeLessThan(300);
    const info = (await (await fetch(`${node.url}/v1/app/many`)).json()) as { documents: number };
    expect(info.documents).toBe(LINES - 1);
  });

  test('[HT11] the session token of a bulk request follows its results', async () => {
    const outgoing = request(`${node.url}/v1/app/token/bulk`, { method: 'POST', headers: NDJSON });
    outgoing.end('{"id":"a","doc":{}}\n');
    const answer = await new Promise<IncomingMessage>((resolve) => outgoing.once('response', resolve));
    for await (const _ of answer);
    const { headers } = await fetch(`${node.url}/v1/app/token/docs/a`);
    expect(answer.trailers['session-token']).toBe(headers.get('session-token'));
  });

  test('[HT17] results come while lines are still being sent', async () => {
    const outgoing = request(`${node.url}/v1/app/slow/bulk`, { method: 'POST', headers: NDJSON });
    outgoing.write('{"id":"a","doc":{}}\n');
    const answer = await new Promise<Readable>((resolve) => outgoing.once('response', resolve));
    const chunks = answer.setEncoding('utf8')[Symbol.asyncIterator]() as AsyncIterator<string>;
    expect(((await chunks.next()).value as string).trim()).toMatch(/^\{"id":"a","status":201/);
    outgoing.write('{"id":"b","doc":{}}\n');
    expect((await chunks.next()).value).toContain('"id":"b","status":201');
    outgoing.end();
    expect((await chunks.next()).done).toBe(true);
  });

  test('[HT17] a client that sends everything before it reads gets everything', async () => {
    const body = Array.from({ length: 20_000 }, (_, n) => `{"id":"w${n}","doc":{"n":${n}}}\n`).join('');
    const answer = await fetch(`${node.url}/v1/app/whole/bulk`, { method: 'POST', headers: NDJSON, body });
    expect((await answer.text()).trim().split('\n')).toHaveLength(20_000);
  });

  test('[HT17] a client that goes away in the middle leaves the node alive, and what was answered is there', async () => {
    const outgoing = request(`${node.url}/v1/app/gone/bulk`, { method: 'POST', headers: NDJSON });
    outgoing.on('error', () => {});
    const lines = Array.from({ length: 5000 }, (_, n) => `{"id":"g${n}","doc":{"n":${n}}}\n`);
    outgoing.write(lines.join(''));
    const answer = await new Promise<Readable>((resolve) => outgoing.once('response', resolve));
    answer.on('error', () => {});
    let text = '';
    for await (const chunk of answer.setEncoding('utf8') as AsyncIterable<string>) {
      text += chunk;
      if (text.length > 10_000) break;
    }
    outgoing.destroy();
    const answered = text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as BulkAnswerLine);
    expect(answered.length).toBeGreaterThan(10);
    for (const { id } of answered.slice(-20)) {
      expect((await fetch(`${node.url}/v1/app/gone/docs/${id}`)).status).toBe(200);
    }
    await waitFor(async () => (await fetch(`${node.url}/readyz`)).status === 200);
    const again = await fetch(`${node.url}/v1/app/gone/bulk`, { method: 'POST', headers: NDJSON, body: lines[0]! });
    expect((JSON.parse(await again.text()) as BulkAnswerLine).status).toBe(200);
  });

  test('[HT17] a body cut off in the middle of a line does not write that line', async () => {
    const outgoing = request(`${node.url}/v1/app/cut/bulk`, {
      method: 'POST',
      headers: { ...NDJSON, 'content-length': '1000' },
    });
    outgoing.on('error', () => {});
    outgoing.write('{"id":"one","doc":{}}\n{"id":"two","doc":{');
    await waitFor(async () => (await fetch(`${node.url}/v1/app/cut/docs/one`)).status === 200);
    outgoing.destroy();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect((await fetch(`${node.url}/v1/app/cut/docs/two`)).status).toBe(404);
  });
});

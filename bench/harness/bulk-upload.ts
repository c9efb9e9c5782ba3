/**
 * @module
 * Owns one streamed bulk request at the least cost to the sender: ready-made lines out, answers counted.
 */
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';

export interface BulkUploadResult {
  readonly documents: number;
  readonly seconds: number;
  readonly perSecond: number;
}

const CHUNK_LINES = 200;

/** Joins lines into pieces of a size that is cheap to send. */
export function packLines(lines: readonly string[]): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0; at < lines.length; at += CHUNK_LINES)
    chunks.push(Buffer.from(`${lines.slice(at, at + CHUNK_LINES).join('\n')}\n`));
  return chunks;
}

/** Resolves after the last answer line. @throws Error when a line was refused or lost. */
export async function uploadBulk(
  url: string,
  path: string,
  chunks: readonly Buffer[],
  documents: number,
): Promise<BulkUploadResult> {
  const startMs = performance.now();
  const outgoing = request(new URL(path, url), { method: 'POST', headers: { 'content-type': 'application/x-ndjson' } });
  const answered = once(outgoing, 'response') as Promise<[IncomingMessage]>;
  const sending = (async (): Promise<void> => {
    for (const chunk of chunks) if (!outgoing.write(chunk)) await once(outgoing, 'drain');
    outgoing.end();
  })();
  const [answer] = await answered;
  const counted = await countResults(answer);
  await sending;
  if (answer.statusCode !== 200 || counted !== documents)
    throw new Error(`bulk: status ${answer.statusCode}, ${counted} of ${documents} written`);
  const seconds = (performance.now() - startMs) / 1000;
  return { documents, seconds, perSecond: documents / seconds };
}

async function countResults(answer: IncomingMessage): Promise<number> {
  let lines = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    const refused = chunk.indexOf('"error"');
    if (refused >= 0 || answer.statusCode !== 200)
      throw new Error(`bulk was refused: ${chunk.toString('utf8', Math.max(0, refused - 100), refused + 400)}`);
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) lines++;
  }
  return lines;
}

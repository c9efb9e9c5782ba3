/**
 * @module
 * Owns newline-delimited JSON on the wire: values to bytes with back-pressure, bytes to values line by line.
 */
import { ClientError } from './error.ts';

/** Bytes a body collects before it is handed to the socket. */
const CHUNK_BYTES = 64 * 1024;

/** Encodes values as a stream that pulls from its source only as fast as the socket drains. A string is a line already. */
export function encodeNdjson(values: Iterable<unknown> | AsyncIterable<unknown>): ReadableStream<Uint8Array> {
  const iterator = Symbol.asyncIterator in values ? values[Symbol.asyncIterator]() : values[Symbol.iterator]();
  const encoder = new TextEncoder();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        let text = '';
        while (text.length < CHUNK_BYTES) {
          const next = await iterator.next();
          if (next.done === true) {
            if (text !== '') controller.enqueue(encoder.encode(text));
            controller.close();
            return;
          }
          text += encodeLine(next.value);
        }
        controller.enqueue(encoder.encode(text));
      },
      async cancel() {
        await iterator.return?.();
      },
    },
    { highWaterMark: 1 },
  );
}

/** One line with its newline. A string is a line already. */
export function encodeLine(value: unknown): string {
  return `${typeof value === 'string' ? value : JSON.stringify(value)}\n`;
}

/**
 * Decodes one value per non-empty line.
 *
 * @param onBytes - Called whenever something arrived, also an empty line.
 * @throws ClientError `CLIENT_RESPONSE_INVALID` for a line that is not JSON.
 */
export async function* decodeNdjson<T>(
  stream: ReadableStream<Uint8Array>,
  onBytes: () => void = () => undefined,
): AsyncGenerator<T, void, undefined> {
  const decoder = new TextDecoder();
  const reader = stream.getReader();
  let finished = false;
  try {
    // Pieces of an unfinished line are joined once, so that a long line costs linear time.
    let pieces: string[] = [];
    while (!finished) {
      const { done, value } = await reader.read().catch(brokenStream);
      finished = done;
      onBytes();
      const lines = (done ? decoder.decode() : decoder.decode(value, { stream: true })).split('\n');
      pieces.push(lines[0] as string);
      for (let index = 1; index < lines.length; index += 1) {
        yield* parseLine<T>(pieces.join(''));
        pieces = [lines[index] as string];
      }
    }
    yield* parseLine<T>(pieces.join(''));
  } finally {
    if (!finished) await reader.cancel().catch(() => undefined);
    reader.releaseLock();
  }
}

/** An abort stays an abort; anything else is a connection that broke in the middle of the answer. */
function brokenStream(error: unknown): never {
  const name = error instanceof Error ? error.name : '';
  if (name === 'AbortError' || name === 'TimeoutError') throw error;
  throw new ClientError('CLIENT_UNREACHABLE', 'the connection broke before the end of the answer', {
    retryable: true,
    cause: error,
  });
}

/** Yields the value of a line; nothing for an empty one. */
export function* parseLine<T>(line: string): Generator<T, void, undefined> {
  if (line.trim() === '') return;
  let value: T;
  try {
    value = JSON.parse(line) as T;
  } catch (error) {
    throw new ClientError(
      'CLIENT_RESPONSE_INVALID',
      `the answer holds a line that is not JSON: ${line.slice(0, 100)}`,
      { cause: error },
    );
  }
  yield value;
}

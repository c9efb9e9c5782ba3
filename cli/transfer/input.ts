/**
 * @module
 * Owns reading the elements of an import from a file or standard input: recognising the format, skipping a byte-order mark,
 * and continuing where an earlier run stopped.
 */
import { createReadStream } from 'node:fs';
import { ArraySplitter } from './array-splitter.ts';
import {
  BYTE,
  INPUT_START,
  isBlank,
  type ElementSplitter,
  type InputElement,
  type InputFormat,
  type InputPosition,
} from './element-splitter.ts';
import { LineSplitter } from './line-splitter.ts';

/** Bytes per read: large enough that the scan dominates, small against the memory of a batch. */
const READ_BYTES = 256 * 1024;
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf] as const;

export interface InputOptions {
  readonly elementBytesMax: number;
  /** Default: an array when the first character is `[`, lines otherwise. */
  readonly format?: InputFormat | undefined;
  /** Default the start. A position given needs the format, too. */
  readonly start?: InputPosition | undefined;
}

export interface InputReader {
  /** Known once the first element was read. */
  readonly format: InputFormat;
  elements(): AsyncGenerator<InputElement, void, undefined>;
}

/** Opens a file at the byte where the run starts. */
export function openInputFile(path: string, start: InputPosition, signal: AbortSignal): AsyncIterable<Uint8Array> {
  // A pipe has no places to start at.
  const place = start.offset === 0 ? {} : { start: start.offset };
  return createReadStream(path, { ...place, highWaterMark: READ_BYTES, signal });
}

/** Cuts a byte stream that begins at `options.start` into elements. */
export function readElements(bytes: AsyncIterable<Uint8Array>, options: InputOptions): InputReader {
  const start = options.start ?? INPUT_START;
  let format = options.format;
  return {
    get format(): InputFormat {
      return format ?? 'ndjson';
    },
    async *elements() {
      let splitter: ElementSplitter | null = null;
      let head: Uint8Array = new Uint8Array(0);
      for await (const chunk of bytes) {
        if (splitter !== null) {
          yield* splitter.push(chunk);
          continue;
        }
        // Blank bytes before the first character, and a mark that may be cut by a chunk border, are kept until it is known.
        head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
        const first = start.offset === 0 ? firstCharacter(head) : (head[0] ?? null);
        if (first === null) continue;
        format ??= first === BYTE.openBracket ? 'array' : 'ndjson';
        splitter = createSplitter(format, options.elementBytesMax, start);
        yield* splitter.push(blankMark(head, start));
      }
      splitter ??= createSplitter(format ?? 'ndjson', options.elementBytesMax, start);
      yield* splitter.finish();
    },
  };
}

function createSplitter(format: InputFormat, elementBytesMax: number, start: InputPosition): ElementSplitter {
  return format === 'array' ? new ArraySplitter(elementBytesMax, start) : new LineSplitter(elementBytesMax, start);
}

function hasMark(head: Uint8Array): boolean {
  return BYTE_ORDER_MARK.every((byte, index) => head[index] === byte);
}

function firstCharacter(head: Uint8Array): number | null {
  if (head[0] === BYTE_ORDER_MARK[0] && head.length < BYTE_ORDER_MARK.length) return null;
  const text = hasMark(head) ? head.subarray(BYTE_ORDER_MARK.length) : head;
  return text.find((byte) => !isBlank(byte)) ?? null;
}

/** Overwrites a mark with spaces, so that offsets stay those of the file. */
function blankMark(head: Uint8Array, start: InputPosition): Uint8Array {
  if (start.offset !== 0 || !hasMark(head)) return head;
  return Buffer.concat([Buffer.alloc(BYTE_ORDER_MARK.length, BYTE.space), head.subarray(BYTE_ORDER_MARK.length)]);
}

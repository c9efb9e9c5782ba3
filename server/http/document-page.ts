/**
 * @module
 * Owns how a page of documents is put together: stored bytes are copied and not parsed, unless parts of them are asked for.
 */
import type { JsonObject } from '../../crdt/index.ts';
import { projectDocument, type parseFields } from './projection.ts';

export interface PageItem {
  readonly id: string;
  readonly etag: string;
  /** Canonical JSON, UTF-8. */
  readonly json: Uint8Array;
}

/** More than stands around an id and its document. */
const HEAD_BYTES = 80;
const QUOTE = 0x22;

/**
 * `{"items":[{"id","etag","doc"}],…}`
 *
 * @param fields - What to keep of each document; null = all.
 * @param rest - The members after the items, each with its comma.
 */
export function writePage(
  items: readonly PageItem[],
  fields: ReturnType<typeof parseFields> | null,
  rest: string,
): Buffer {
  const documents = fields === null ? null : items.map(({ json }) => project(json, fields));
  const end = `${items.length === 0 ? '{"items":[' : '}'}]${rest}}`;
  // Room enough, whatever an id holds: it is cut afterwards.
  let room = HEAD_BYTES + Buffer.byteLength(end);
  for (const [i, { id, json }] of items.entries()) room += HEAD_BYTES + 6 * id.length + (documents?.[i] ?? json).length;
  const page = Buffer.allocUnsafe(room);
  let start = '{"items":[{"id":';
  let at = 0;
  for (let i = 0; i < items.length; i++) {
    const { id, etag, json } = items[i]!;
    at = writeAscii(page, start, at);
    if (isPlain(id)) {
      page[at++] = QUOTE;
      at = writeAscii(page, id, at);
      page[at++] = QUOTE;
    } else at += page.write(JSON.stringify(id), at);
    at = writeAscii(page, ',"etag":"\\', at);
    // A tag is base64url in quotes: the second one has its own stroke.
    at = writeAscii(page, etag, at) - 1;
    at = writeAscii(page, '\\"","doc":', at);
    const document = documents === null ? json : documents[i]!;
    page.set(document, at);
    at += document.length;
    start = '},{"id":';
  }
  at += page.write(end, at);
  return page.subarray(0, at);
}

/** Does JSON show it as it is, a byte for each character? */
function isPlain(id: string): boolean {
  for (let i = 0; i < id.length; i++) {
    const code = id.charCodeAt(i);
    if (code < 0x20 || code > 0x7e || code === 0x22 || code === 0x5c) return false;
  }
  return true;
}

/** For a few dozen bytes a call out of the engine would cost more. */
function writeAscii(page: Buffer, text: string, at: number): number {
  for (let i = 0; i < text.length; i++) page[at++] = text.charCodeAt(i);
  return at;
}

function project(json: Uint8Array, fields: ReturnType<typeof parseFields>): Buffer {
  // Canonical JSON that this node wrote: the plain parser is safe, and keeps `__proto__` as an own member.
  return Buffer.from(JSON.stringify(projectDocument(JSON.parse(Buffer.from(json).toString()) as JsonObject, fields)));
}

/**
 * @module
 * Owns how a page of documents is put together: stored bytes are copied once and not parsed, unless parts of them are asked for.
 */
import type { JsonObject } from '../../crdt/index.ts';
import { projectDocument, type parseFields } from './projection.ts';

export interface PageItem {
  readonly id: string;
  readonly etag: string;
  /** Canonical JSON, UTF-8. */
  readonly json: Uint8Array;
}

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
  const heads: string[] = [];
  const documents: Uint8Array[] = [];
  const end = `${items.length === 0 ? '{"items":[' : '}'}]${rest}}`;
  let length = Buffer.byteLength(end);
  for (const { id, etag, json } of items) {
    const start = heads.length === 0 ? '{"items":[' : '},';
    const head = `${start}{"id":${JSON.stringify(id)},"etag":${JSON.stringify(etag)},"doc":`;
    const document = fields === null ? json : project(json, fields);
    heads.push(head);
    documents.push(document);
    length += Buffer.byteLength(head) + document.length;
  }
  const page = Buffer.allocUnsafe(length);
  let at = 0;
  for (const [i, document] of documents.entries()) {
    at += page.write(heads[i]!, at);
    page.set(document, at);
    at += document.length;
  }
  page.write(end, at);
  return page;
}

function project(json: Uint8Array, fields: ReturnType<typeof parseFields>): Buffer {
  // Canonical JSON that this node wrote: the plain parser is safe, and keeps `__proto__` as an own member.
  return Buffer.from(JSON.stringify(projectDocument(JSON.parse(Buffer.from(json).toString()) as JsonObject, fields)));
}

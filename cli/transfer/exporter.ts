/**
 * @module
 * Owns the text of an export: one document per line, or one JSON array, with the id in a field of its own. SPEC.md CL16.
 */
import type { JsonObject, ReadDocument } from '../client.ts';
import { CliError } from '../exit-code.ts';
import type { InputFormat } from './element-splitter.ts';

/** Characters handed on at once. */
const CHUNK_SIZE = 256 * 1024;

export interface ExportFormat {
  readonly format: InputFormat;
  /** Field that carries the id; null leaves the id out. */
  readonly idField: string | null;
}

export interface ExportChunk {
  readonly text: string;
  /** Documents up to the end of this chunk. */
  readonly documents: number;
}

/** Encodes documents into chunks of text; memory holds one chunk. */
export async function* encodeExport(
  items: AsyncIterable<ReadDocument>,
  options: ExportFormat,
): AsyncGenerator<ExportChunk, void, undefined> {
  const isArray = options.format === 'array';
  let text = isArray ? '[' : '';
  let documents = 0;
  for await (const item of items) {
    const line = JSON.stringify(withId(item, options.idField));
    if (isArray) text += `${documents === 0 ? '\n' : ',\n'}${line}`;
    else text += `${line}\n`;
    documents += 1;
    if (text.length < CHUNK_SIZE) continue;
    yield { text, documents };
    text = '';
  }
  yield { text: isArray ? `${text}\n]\n` : text, documents };
}

function withId({ id, doc }: ReadDocument, field: string | null): JsonObject {
  if (field === null) return doc;
  if (Object.hasOwn(doc, field) && doc[field] !== id) {
    throw new CliError(
      'CLI_INPUT_INVALID',
      `document ${JSON.stringify(id)} has a field ${JSON.stringify(field)} of its own, which the id would replace`,
      {
        hint: 'name another field for the id with --id FIELD, and use the same with import --id FIELD --drop-id',
      },
    );
  }
  // An array of entries keeps a key such as `__proto__` an ordinary one.
  return Object.fromEntries([[field, id], ...Object.entries(doc)]);
}

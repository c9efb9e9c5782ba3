/**
 * @module
 * Owns `atoll doc`: reading and writing single documents.
 */
import { readFile } from 'node:fs/promises';
import {
  ClientError,
  type CollectionClient,
  type IntentLine,
  type JsonObject,
  type WriteCallOptions,
  type WriteResult,
} from '../client.ts';
import { parseCollection, parseDocument, type CommandContext } from '../context.ts';
import { CliError } from '../exit-code.ts';
import { parseInput } from '../json-input.ts';

export async function getDocument(context: CommandContext, target: string): Promise<void> {
  const { collection, id } = documentOf(context, target);
  const found = await collection.get(id);
  if (found === null) throw missingDocument(target);
  const modified = found.modifiedMs === null ? null : new Date(found.modifiedMs).toISOString();
  await context.output.result({ id, etag: found.etag, modified, conflicts: found.conflicts, doc: found.doc }, () =>
    JSON.stringify(found.doc, null, 2),
  );
  if (found.conflicts > 0)
    context.output.message(`${found.conflicts} conflicting values are kept: atoll doc conflicts ${target}`);
}

export interface WriteOptions {
  readonly file?: string;
  readonly ifMatch?: string;
  readonly ifNew?: boolean;
}

export async function putDocument(
  context: CommandContext,
  target: string,
  text: string | undefined,
  options: WriteOptions,
): Promise<void> {
  const { database, collection, id } = parseDocument(target);
  const client = context.client().database(database).collection(collection);
  const document = requireObject(parseJsonInput(await readInput(context, text, options.file)));
  const result = id === null ? await client.create(document) : await client.put(id, document, preconditions(options));
  await reportWrite(context, result);
}

export interface PatchOptions extends WriteOptions {
  readonly type: 'merge' | 'json' | 'ops';
}

export async function patchDocument(
  context: CommandContext,
  target: string,
  text: string | undefined,
  options: PatchOptions,
): Promise<void> {
  const { collection, id } = documentOf(context, target);
  const patch = parseJsonInput(await readInput(context, text, options.file));
  await reportWrite(context, await sendPatch(collection, id, patch, options));
}

async function sendPatch(
  collection: CollectionClient,
  id: string,
  patch: unknown,
  options: PatchOptions,
): Promise<WriteResult> {
  switch (options.type) {
    case 'merge':
      return collection.mergePatch(id, requireObject(patch), preconditions(options));
    case 'json':
      return collection.jsonPatch(id, requireArray(patch) as JsonObject[], preconditions(options));
    case 'ops':
      return collection.apply(id, requireArray(patch) as IntentLine[], preconditions(options));
  }
}

export async function removeDocument(context: CommandContext, target: string, options: WriteOptions): Promise<void> {
  const { collection, id } = documentOf(context, target);
  if (!(await collection.delete(id, preconditions(options)))) throw missingDocument(target);
  await context.output.result({ id, removed: true }, () => `${id} removed`);
}

export async function showConflicts(context: CommandContext, target: string): Promise<void> {
  const { collection, id } = documentOf(context, target);
  const conflicts = await collection.conflicts(id);
  await context.output.result({ conflicts }, () => {
    if (conflicts.length === 0) context.output.message('no conflicting values');
    const rows = conflicts.flatMap(({ path, shown, others }) => [
      [path === '' ? '(document)' : path, 'shown', shown === undefined ? '(deleted)' : JSON.stringify(shown), '', ''],
      ...others.map((other) => [path, 'lost', JSON.stringify(other.value), other.at, other.replica]),
    ]);
    return context.output.table({ columns: ['PATH', '', 'VALUE', 'WRITTEN', 'NODE'], rows });
  });
}

export interface ListOptions {
  readonly prefix?: string;
  readonly fields?: string;
  readonly limit: number;
}

/** One line per document, as it arrives: `{"id","etag","doc"}` with `--json` or in a pipe, id and document on a terminal. */
export async function listDocuments(context: CommandContext, target: string, options: ListOptions): Promise<void> {
  const { database, collection } = parseCollection(target);
  const { output } = context;
  let remaining = options.limit === 0 ? Infinity : options.limit;
  const list = context
    .client()
    .database(database)
    .collection(collection)
    .list({
      limit: Math.min(remaining, 100),
      ...(options.prefix === undefined ? {} : { prefix: options.prefix }),
      ...(options.fields === undefined ? {} : { fields: options.fields.split(',') }),
    });
  for await (const item of list) {
    if (remaining === 0) {
      output.message(`more documents follow; show them with --limit 0 (all)`);
      return;
    }
    remaining -= 1;
    await output.result(item, () => `${output.paint('bold', item.id)}\t${JSON.stringify(item.doc)}`);
  }
}

function documentOf(context: CommandContext, target: string): { collection: CollectionClient; id: string } {
  const { database, collection, id } = parseDocument(target);
  if (id === null)
    throw new CliError('CLI_USAGE', `${target} names a collection; add the id of a document: ${target}/ID`);
  return { collection: context.client().database(database).collection(collection), id };
}

function missingDocument(target: string): ClientError {
  return new ClientError('SYNC_DOCUMENT_NOT_FOUND', `there is no document ${target}`, { status: 404 });
}

async function reportWrite(context: CommandContext, result: WriteResult): Promise<void> {
  await context.output.result(
    result,
    () => `${result.id} ${result.created ? 'created' : 'written'}, version ${result.etag}`,
  );
}

function preconditions(options: WriteOptions): WriteCallOptions {
  return {
    ...(options.ifMatch === undefined ? {} : { ifMatch: options.ifMatch }),
    ...(options.ifNew === true ? { ifNoneMatch: '*' } : {}),
  };
}

/** The argument, else `--file`, else standard input (also as `-`). */
async function readInput(context: CommandContext, text: string | undefined, file: string | undefined): Promise<Buffer> {
  if (text !== undefined && text !== '-') return Buffer.from(text);
  if (file !== undefined && file !== '-') {
    try {
      return await readFile(file);
    } catch (error) {
      throw new CliError('CLI_FILE', `cannot read ${file}: ${(error as Error).message}`, { cause: error });
    }
  }
  if (text === undefined && file === undefined && context.io.stdin.isTTY === true) {
    throw new CliError('CLI_USAGE', 'no JSON given: pass it as an argument, with --file, or on standard input');
  }
  const chunks: Buffer[] = [];
  for await (const chunk of context.io.stdin) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

function parseJsonInput(bytes: Uint8Array): unknown {
  try {
    return parseInput(bytes);
  } catch (error) {
    throw new CliError('CLI_INPUT_INVALID', (error as Error).message, {
      cause: error,
      hint: `quote it for the shell, for example '{"name":"Ada"}'`,
    });
  }
}

function requireObject(value: unknown): JsonObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw new CliError('CLI_INPUT_INVALID', 'expected a JSON object, for example {"name":"Ada"}');
}

function requireArray(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  throw new CliError(
    'CLI_INPUT_INVALID',
    'expected a JSON array of operations, for example [{"op":"increment","path":"/visits","value":1}]',
  );
}

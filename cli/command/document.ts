/**
 * @module
 * Owns `atoll doc`: reading and writing single documents.
 */
import {
  ClientError,
  type CollectionClient,
  type IntentLine,
  type JsonObject,
  type WriteCallOptions,
  type WriteResult,
} from '../client.ts';
import { parseCollection, parseDocument, requireDocument, type CommandContext } from '../context.ts';
import { parseJsonInput, readInput, requireArray, requireObject } from '../text-input.ts';

export async function getDocument(context: CommandContext, target: string): Promise<void> {
  const { collection, id } = requireDocument(context, target);
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
  const { collection, id } = requireDocument(context, target);
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
  const { collection, id } = requireDocument(context, target);
  if (!(await collection.delete(id, preconditions(options)))) throw missingDocument(target);
  await context.output.result({ id, removed: true }, () => `${id} removed`);
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

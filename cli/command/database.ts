/**
 * @module
 * Owns `atoll db` and `atoll collection`.
 */
import type { CollectionRequest, JsonObject } from '../client.ts';
import { parseCollection, type CommandContext } from '../context.ts';
import { CliError, EXIT, type ExitCode } from '../exit-code.ts';
import { formatCount } from '../progress.ts';
import { parseJsonInput, readInput, requireObject } from '../text-input.ts';

const FIELD_TYPES = ['text', 'set', 'array', 'counter'] as const;
type FieldType = (typeof FIELD_TYPES)[number];

export async function listDatabases(context: CommandContext): Promise<void> {
  const client = context.client();
  const databases = [];
  for (const name of await client.databases()) databases.push(await client.database(name).info());
  const summary = databases.map(({ name, documents, bytes, collections }) => ({
    name,
    collections: collections.length,
    documents,
    bytes,
  }));
  await context.output.result(summary, () => {
    if (summary.length === 0) context.output.message('no databases yet; create one with: atoll db create app');
    return context.output.table({
      columns: ['DATABASE', 'COLLECTIONS', 'DOCUMENTS', 'BYTES'],
      rows: summary.map((row) => [row.name, String(row.collections), String(row.documents), String(row.bytes)]),
    });
  });
}

export async function createDatabase(context: CommandContext, name: string): Promise<void> {
  const created = await context.client().database(name).create();
  await context.output.result({ name, created }, () => `${name} ${created ? 'created' : 'exists already'}`);
}

export async function showDatabase(context: CommandContext, name: string): Promise<void> {
  const info = await context.client().database(name).info();
  await context.output.result(info, () => {
    const lines = [
      `database   ${info.name}`,
      `documents  ${formatCount(info.documents)}`,
      `bytes      ${formatCount(info.bytes)}`,
      `digest     ${info.digest}`,
    ];
    for (const { name: collection, documents } of info.collections)
      lines.push(`collection ${collection}  ${formatCount(documents)} documents`);
    return lines.join('\n');
  });
}

export async function removeDatabase(context: CommandContext, name: string): Promise<void> {
  const database = context.client().database(name);
  const { documents } = await database.info();
  await context.confirm(`delete database ${name} with ${formatCount(documents)} documents on every node`, name);
  await database.drop();
  await context.output.result({ name, removed: true }, () => `${name} removed`);
}

export async function listCollections(context: CommandContext, database: string): Promise<void> {
  const { collections } = await context.client().database(database).info();
  await context.output.result(collections, () =>
    context.output.table({
      columns: ['COLLECTION', 'DOCUMENTS'],
      rows: collections.map(({ name, documents }) => [name, String(documents)]),
    }),
  );
}

export interface CollectionSetOptions {
  readonly deletePolicy?: 'update-wins' | 'delete-wins';
  /** `/path=type`. */
  readonly type?: readonly string[];
  /** File with a JSON Schema. */
  readonly schema?: string;
}

export async function setCollection(
  context: CommandContext,
  target: string,
  options: CollectionSetOptions,
): Promise<void> {
  const { database, collection } = parseCollection(target);
  const settings: CollectionRequest = {
    ...(options.deletePolicy === undefined ? {} : { deletePolicy: options.deletePolicy }),
    ...(options.type === undefined ? {} : { types: parseTypes(options.type) }),
    ...(options.schema === undefined ? {} : { schema: await readSchema(context, options.schema) }),
  };
  const client = context.client().database(database).collection(collection);
  await client.configure(settings);
  await context.output.result(await client.info(), () => `${target} configured`);
}

async function readSchema(context: CommandContext, file: string): Promise<JsonObject> {
  return requireObject(parseJsonInput(await readInput(context, undefined, file)));
}

/** One line per document and place. */
export async function listViolations(context: CommandContext, target: string): Promise<ExitCode> {
  const { database, collection } = parseCollection(target);
  const { output } = context;
  let count = 0;
  for await (const item of context.client().database(database).collection(collection).violations()) {
    count++;
    await output.result(item, () =>
      item.errors
        .map(({ pointer, detail }) => `${output.paint('bold', item.id)}\t${pointer || '(document)'}\t${detail}`)
        .join('\n'),
    );
  }
  output.message(
    count === 0 ? 'every document satisfies the schema' : `${formatCount(count)} documents do not satisfy the schema`,
  );
  return count === 0 ? EXIT.ok : EXIT.degraded;
}

function parseTypes(declarations: readonly string[]): Record<string, FieldType> {
  const types: Record<string, FieldType> = {};
  for (const declaration of declarations) {
    const at = declaration.lastIndexOf('=');
    const type = FIELD_TYPES.find((name) => name === declaration.slice(at + 1));
    if (at < 1 || !declaration.startsWith('/') || type === undefined) {
      throw new CliError(
        'CLI_USAGE',
        `--type ${declaration}: write /path=TYPE with TYPE one of ${FIELD_TYPES.join(', ')}, for example /tags=set`,
      );
    }
    types[declaration.slice(0, at)] = type;
  }
  return types;
}

export async function showCollection(context: CommandContext, target: string): Promise<void> {
  const { database, collection } = parseCollection(target);
  const info = await context.client().database(database).collection(collection).info();
  await context.output.result(info, () => {
    const lines = [
      `collection     ${target}`,
      `documents      ${formatCount(info.documents)}`,
      `delete policy  ${info.deletePolicy ?? 'update-wins'}`,
    ];
    if (info.bytes !== undefined) lines.push(`bytes          ${formatCount(info.bytes)}`);
    if (info.schema) lines.push(`schema         ${JSON.stringify(info.schema)}`);
    for (const [path, type] of Object.entries(info.types ?? {})) lines.push(`type           ${path} is a ${type}`);
    return lines.join('\n');
  });
}

export async function removeCollection(context: CommandContext, target: string): Promise<void> {
  const { database, collection } = parseCollection(target);
  const client = context.client().database(database).collection(collection);
  const { documents } = await client.info();
  await context.confirm(
    `delete collection ${target} with ${formatCount(documents)} documents on every node`,
    collection,
  );
  await client.drop();
  await context.output.result({ name: target, removed: true }, () => `${target} removed`);
}

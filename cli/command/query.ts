/**
 * @module
 * Owns `atoll query`: documents that match a filter. SPEC.md CL29.
 */
import type { JsonObject, Query, QueryExplanation } from '../client.ts';
import { parseCollection, type CommandContext } from '../context.ts';
import { parsePathOrder } from '../path-order.ts';
import { formatCount } from '../progress.ts';
import { parseJsonInput, readInput, requireObject } from '../text-input.ts';

/** Documents per request. */
const PAGE = 100;

export interface QueryOptions {
  /** `population:desc,name` */
  readonly sort?: string;
  readonly fields?: string;
  /** Documents in all; 0 = every one. */
  readonly limit: number;
  readonly explain?: boolean;
  readonly file?: string;
}

/** One line per document, as it arrives, or how the first page came about. */
export async function queryDocuments(
  context: CommandContext,
  target: string,
  text: string | undefined,
  options: QueryOptions,
): Promise<void> {
  const { database, collection } = parseCollection(target);
  const { output } = context;
  const hasFilter = text !== undefined || options.file !== undefined;
  const filter = hasFilter ? requireObject(parseJsonInput(await readInput(context, text, options.file))) : {};
  let left = options.limit === 0 ? Infinity : options.limit;
  const query: Query = {
    filter,
    limit: Math.min(left, PAGE),
    ...(options.sort !== undefined && { sort: parseSort(options.sort) }),
    ...(options.fields !== undefined && { fields: options.fields.split(',') }),
  };
  const documents = context.client().database(database).collection<JsonObject>(collection);
  if (options.explain === true) {
    const { explain } = await documents.queryPage({ ...query, explain: true });
    await output.result(explain ?? null, () => (explain === undefined ? '' : describe(explain)));
    return;
  }
  for await (const item of documents.query(query)) {
    if (left === 0) {
      output.message('more documents match; show them with --limit 0 (all)');
      return;
    }
    left -= 1;
    await output.result(item, () => `${output.paint('bold', item.id)}\t${JSON.stringify(item.doc)}`);
  }
}

function describe({ index, sort, keysExamined, documentsExamined, returned }: QueryExplanation): string {
  return [
    `index      ${index ?? 'none: every document of the collection is looked at'}`,
    `order      ${sort === 'index' ? 'that of the index' : sort === 'memory' ? 'made in memory' : 'none asked for'}`,
    `keys       ${formatCount(keysExamined)} looked at`,
    `documents  ${formatCount(documentsExamined)} looked at, ${formatCount(returned)} returned`,
  ].join('\n');
}

function parseSort(text: string): Record<string, 1 | -1> {
  const parts = text.split(',').map(parsePathOrder);
  return Object.fromEntries(parts.map(({ path, order }) => [path, order === 'desc' ? -1 : 1]));
}

/**
 * @module
 * Owns `atoll doc conflicts` and `atoll doc resolve`: values that lost against concurrent writes, and choosing one. SPEC.md CL33.
 */
import type { ConflictAnswer, ConflictChoiceRequest } from '../client.ts';
import { parseCollection, parseDocument, requireDocument, type CommandContext } from '../context.ts';
import { CliError } from '../exit-code.ts';
import { parseJsonInput } from '../text-input.ts';

/** The conflicts of a document, numbered as `resolve --restore` takes them; of a collection, the documents that have some. */
export async function showConflicts(context: CommandContext, target: string): Promise<void> {
  const { id } = parseDocument(target);
  if (id === null) return listConflicted(context, target);
  const { collection } = requireDocument(context, target);
  const conflicts = await collection.conflicts(id);
  await context.output.result({ conflicts }, () => {
    if (conflicts.length === 0) context.output.message('no conflicting values');
    const rows = conflicts.flatMap(({ path, shown, shownBy, others }) => [
      [placeOf(path), 'shown', textOf(shown), shownBy?.at ?? '', shownBy?.replica ?? ''],
      ...others.map((other, at) => [path, `lost ${at + 1}`, textOf(other.value), other.at, other.replica]),
    ]);
    return context.output.table({ columns: ['PATH', '', 'VALUE', 'WRITTEN', 'NODE'], rows });
  });
  if (conflicts.length > 0)
    context.output.message(`settle one with: atoll doc resolve ${target} PATH --keep    or: --restore 1, --value JSON`);
}

async function listConflicted(context: CommandContext, target: string): Promise<void> {
  const { output } = context;
  const { database, collection } = parseCollection(target);
  let count = 0;
  for await (const item of context.client().database(database).collection(collection).conflicted()) {
    count++;
    const paths = item.conflicts.map(({ path }) => placeOf(path)).join(' ');
    await output.result(
      item,
      () => `${output.paint('bold', item.id)}\t${item.deleted ? 'deleted' : 'exists'}\t${paths}`,
    );
  }
  if (count === 0) output.message('no document has conflicting values');
}

export interface ResolveOptions {
  readonly keep?: boolean;
  /** Number of the losing value, from 1. */
  readonly restore?: number;
  /** JSON. */
  readonly value?: string;
  readonly ifMatch?: string;
}

/** Settles the conflict at one path, or with `--keep` and no path all of them. */
export async function resolveConflict(
  context: CommandContext,
  target: string,
  path: string | undefined,
  options: ResolveOptions,
): Promise<void> {
  const { keep = false, restore, value, ifMatch } = options;
  const { collection, id } = requireDocument(context, target);
  if ([keep, restore !== undefined, value !== undefined].filter(Boolean).length !== 1)
    throw new CliError('CLI_USAGE', 'say one of --keep, --restore NUMBER and --value JSON');
  if (path === undefined && !keep)
    throw new CliError('CLI_USAGE', 'name the path of the conflict; "" is the document itself');
  const conflicts = await collection.conflicts(id);
  const found = conflicts.filter((conflict) => path === undefined || conflict.path === path);
  if (found.length === 0) {
    const where = path === undefined ? '' : ` at ${placeOf(path)}`;
    throw new CliError('CLI_USAGE', `${target} has no conflicting values${where}`, {
      hint: `see them with: atoll doc conflicts ${target}`,
    });
  }
  const choices = found.map((conflict) => choose(conflict, options));
  const { etag } = await collection.resolve(id, choices, ifMatch === undefined ? {} : { ifMatch });
  await context.output.result(
    { id, etag, paths: found.map((conflict) => conflict.path) },
    () => `${id} settled at ${found.map((conflict) => placeOf(conflict.path)).join(', ')}`,
  );
}

function choose({ path, others }: ConflictAnswer, { restore, value }: ResolveOptions): ConflictChoiceRequest {
  if (value !== undefined) return { path, value: parseJsonInput(Buffer.from(value)) };
  if (restore === undefined) return { path, keep: 'shown' };
  const other = others[restore - 1];
  if (other !== undefined) return { path, restore: other };
  throw new CliError(
    'CLI_USAGE',
    `${placeOf(path)} has ${others.length} losing values, so there is no number ${restore}`,
  );
}

function placeOf(path: string): string {
  return path === '' ? '(document)' : path;
}

function textOf(value: unknown): string {
  return value === undefined ? '(deleted)' : JSON.stringify(value);
}

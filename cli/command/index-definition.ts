/**
 * @module
 * Owns `atoll index`: what makes queries fast, and how far a node has got with building it. SPEC.md CL30.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { IndexAnswer, IndexClient } from '../client.ts';
import { parseCollection, type CommandContext } from '../context.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { parsePathOrder } from '../path-order.ts';
import { formatCount, Progress } from '../progress.ts';

const POLL_MS = 200;

export interface IndexCreateOptions {
  readonly sparse?: boolean;
  /** Return at once instead of when the node has built it. */
  readonly wait: boolean;
}

export async function createIndex(
  context: CommandContext,
  target: string,
  name: string,
  paths: readonly string[],
  { sparse = false, wait }: IndexCreateOptions,
): Promise<ExitCode> {
  const indexes = indexesOf(context, target);
  await indexes.define(name, { paths: paths.map(parsePathOrder), ...(sparse && { sparse }) });
  const state = wait ? await awaitIndex(context, indexes, name) : await indexes.get(name);
  await context.output.result(state, () => `${name} ${describe(state)}`);
  if (state.state === 'building') context.output.message('queries use it when it is ready; see: atoll index ls');
  return state.state === 'failed' ? EXIT.degraded : EXIT.ok;
}

export async function listIndexes(context: CommandContext, target: string): Promise<void> {
  const indexes = await indexesOf(context, target).list();
  await context.output.result({ indexes }, () => {
    if (indexes.length === 0)
      context.output.message(`no indexes; make one with: atoll index create ${target} by-name name`);
    const rows = indexes.map((index) => [
      index.name,
      index.paths.map(({ path, order }) => (order === 'desc' ? `${path}:desc` : path)).join(', '),
      index.sparse ? 'sparse' : '',
      describe(index),
    ]);
    return context.output.table({ columns: ['NAME', 'PATHS', '', 'STATE'], rows });
  });
}

export async function removeIndex(context: CommandContext, target: string, name: string): Promise<void> {
  const indexes = indexesOf(context, target);
  await indexes.get(name);
  await context.confirm(`drop the index ${name} of ${target} on every node; queries that need it get slow`, name);
  await indexes.drop(name);
  await context.output.result({ name, removed: true }, () => `${name} removed`);
}

async function awaitIndex({ output }: CommandContext, indexes: IndexClient, name: string): Promise<IndexAnswer> {
  let state = await indexes.get(name);
  const progress = new Progress({
    label: `building ${name}`,
    total: state.progress.total,
    write: output.quiet ? null : (text) => output.raw(text),
    redraw: output.isInteractive,
  });
  while (state.state === 'building') {
    progress.update(state.progress.documents, state.progress.documents);
    await delay(POLL_MS);
    state = await indexes.get(name);
  }
  progress.clear();
  return state;
}

function describe({ state, progress, error }: IndexAnswer): string {
  if (state === 'building')
    return `is being built: ${formatCount(progress.documents)} of about ${formatCount(progress.total)} documents`;
  return state === 'failed' ? `could not be built: ${error ?? 'see the log of the node'}` : 'is ready';
}

function indexesOf(context: CommandContext, target: string): IndexClient {
  const { database, collection } = parseCollection(target);
  return context.client().database(database).collection(collection).indexes;
}

/**
 * @module
 * Owns `atoll doc history`: who wrote what, when. SPEC.md CL35.
 */
import type { HistoryChange } from '../client.ts';
import { requireDocument, type CommandContext } from '../context.ts';

/** Changes per request. */
const PAGE = 100;

export async function showHistory(
  context: CommandContext,
  target: string,
  { limit }: { readonly limit: number },
): Promise<void> {
  const { output } = context;
  const { collection, id } = requireDocument(context, target);
  const changes: HistoryChange[] = [];
  let hasMore = false;
  for await (const change of collection.history(id, { limit: limit === 0 ? PAGE : Math.min(limit + 1, PAGE) })) {
    hasMore = limit > 0 && changes.length === limit;
    if (hasMore) break;
    changes.push(change);
  }
  await output.result({ changes }, () =>
    output.table({
      columns: ['WRITTEN', 'NODE', 'WHAT', 'PATHS'],
      rows: changes.map((change) => [change.at, change.replica, kindOf(change), pathsOf(change)]),
    }),
  );
  if (hasMore) output.message('there is more; show it with --limit 0 (all that is known)');
  if (changes.some(({ partial }) => partial))
    output.message(
      '"partly" known: the log does not hold the write any more, and what it set has partly been replaced',
    );
}

function kindOf({ created, deleted, partial }: HistoryChange): string {
  const kind = deleted ? 'deleted' : created ? 'created' : 'written';
  return partial ? `${kind}, partly` : kind;
}

/** `/city` was set, `-/age` taken away. */
function pathsOf({ paths, removed }: HistoryChange): string {
  return [...paths, ...removed.map((path) => `-${path}`)].join(' ');
}

/**
 * @module
 * Owns `atoll watch`: what changes, one line each, for as long as somebody looks. SPEC.md CL28.
 */
import type { Change } from '../client.ts';
import { parseTarget, type CommandContext } from '../context.ts';
import { EXIT } from '../exit-code.ts';
import { StopRequest } from '../stop-request.ts';

export interface WatchOptions {
  /** A cursor, `now` or `start`. */
  readonly since: string;
  readonly doc?: boolean;
  readonly conflicts?: boolean;
  readonly onlyConflicts?: boolean;
  /** End when everything there is has been shown. */
  readonly once?: boolean;
  /** End after so many changes; 0 = never. */
  readonly limit: number;
}

export async function watchChanges(context: CommandContext, target: string, options: WatchOptions): Promise<void> {
  const { database, collection } = parseTarget(target);
  const { output } = context;
  const stop = new StopRequest(() => process.exit(EXIT.error));
  const abort = new AbortController();
  void stop.requested.then(() => abort.abort());
  let cursor: string | null = null;
  try {
    const source = context.client().database(database);
    const changes = (collection === null ? source : source.collection(collection)).changes({
      ...(options.since === 'start' ? {} : { since: options.since }),
      include: [
        ...(options.doc === true ? ['doc' as const] : []),
        ...(options.conflicts === true ? ['conflicts' as const] : []),
      ],
      ...(options.onlyConflicts === true && { only: 'conflicts' }),
      follow: options.once !== true,
      onConnect: (endpoint) => output.message(`following ${target} at ${endpoint}`),
      signal: abort.signal,
    });
    let left = options.limit === 0 ? Infinity : options.limit;
    for await (const change of changes) {
      await output.result(change, () => describe(context, change, options));
      ({ cursor } = change);
      if (--left === 0) break;
    }
  } catch (error) {
    if (!abort.signal.aborted) throw error;
  } finally {
    stop.dispose();
  }
  if (cursor !== null) output.message(`go on from here, on any node, with: --since ${cursor}`);
}

function describe({ output }: CommandContext, change: Change, options: WatchOptions): string {
  const cells = [
    `${change.collection}/${change.id}`,
    change.deleted ? output.paint('red', 'deleted') : output.paint('green', 'written'),
    change.etag ?? '',
    ...(options.doc === true ? [change.doc === undefined ? '' : JSON.stringify(change.doc)] : []),
    ...(options.conflicts === true ? [JSON.stringify(change.conflicts ?? [])] : []),
  ];
  return cells.join('\t');
}

/**
 * @module
 * Owns replicas of one document of which the first compacts it now and then, as the first member of a cluster does.
 */
import { isCompaction, withoutHistory } from '../../crdt/index.ts';
import type { DocumentReplica } from './crdt-replicas.ts';

/** Compacts the document of a replica, and notes that for the others. */
export function compact(replica: DocumentReplica): void {
  const { document, client } = replica;
  const update = withoutHistory(document, client);
  document.apply(update);
  replica.record(update);
}

/** May it be compacted again: is the last compaction everywhere, and what was written without it at the first replica? */
export function mayCompact(replicas: readonly DocumentReplica[]): boolean {
  const [first, ...others] = replicas as [DocumentReplica, ...DocumentReplica[]];
  if (!first.document.view().exists) return false;
  const last = first.log.findLastIndex(({ update }) => isCompaction(update)) + 1;
  return others.every(({ index, log, applied }) => {
    const unheard = log.findLastIndex(({ deps }) => (deps[0] as number) < last) + 1;
    return last === 0 || ((applied[0] as number) >= last && (first.applied[index] as number) >= unheard);
  });
}

/**
 * @module
 * Owns the faults that make two processes, or two moments of one, bear the same name. But for new epochs they are not drawn at
 * random: what only one of the two wrote before anybody noticed is lost to the other, which no oracle of ordinary runs expects.
 */
import { originKey } from '../../sync/key.ts';
import type { MemoryStore } from '../../sync/store/memory-store.ts';
import type { Backup, Cluster } from './cluster.ts';
import type { SimNode } from './sim-node.ts';

export type IdentityFault =
  /** Copies the directory of a stopped node to another machine and runs both. */
  | { readonly type: 'copy-directory'; readonly node: number; readonly to: number }
  /** Copies a machine while it runs: two processes with one node id, origin and boot nonce. */
  | { readonly type: 'copy-machine'; readonly node: number; readonly to: number }
  /** A machine that runs on from a state it had `agoMs` before. */
  | { readonly type: 'set-back'; readonly node: number; readonly afterMs: number }
  /** The process takes a new epoch while it writes. */
  | { readonly type: 'new-epoch'; readonly node: number };

export function isIdentityFault(fault: { readonly type: string }): fault is IdentityFault {
  return ['copy-directory', 'copy-machine', 'set-back', 'new-epoch'].includes(fault.type);
}

export function injectIdentityFault(cluster: Cluster, fault: IdentityFault): void {
  const node = cluster.nodes[fault.node]!;
  switch (fault.type) {
    case 'copy-directory': {
      const { content } = cluster.backUp(fault.node, 100);
      const copy = cluster.nodes[fault.to]!;
      cluster.replaced.add(copy.index);
      copy.disk.replace(content);
      cluster.time.after(200, () => copy.start());
      return;
    }
    case 'copy-machine':
      return freeze(cluster, node, ({ content }) => {
        const copy = cluster.nodes[fault.to]!;
        thaw(node, content, node);
        cluster.replaced.add(copy.index);
        thaw(copy, content, node);
      });
    case 'set-back':
      return freeze(cluster, node, (backup) => {
        thaw(node, backup.content, node);
        cluster.time.after(fault.afterMs, () => {
          cluster.restore(fault.node, backup, NEVER_MS);
          thaw(node, backup.content, node);
        });
      });
    case 'new-epoch': {
      const { replica } = node;
      replica?.engine.handleForeignEpoch('', replica.origin, 0);
    }
  }
}

/** Beyond every run. */
const NEVER_MS = 1e9;

/**
 * Stops a machine at a moment to which it can be set back. A process that starts from this disk with the same randomness is the
 * process it was: for that the disk must not say that its origin was used.
 */
function freeze(cluster: Cluster, node: SimNode, use: (backup: Backup) => void): void {
  if (node.replica === null) return;
  const { origin } = node.replica;
  const backup = cluster.backUp(node.index, NEVER_MS);
  backup.content.batch([{ type: 'del', key: originKey(origin) }], { sync: true }).then(
    () => use(backup),
    (error: unknown) => cluster.complain(`no copy of disk ${node.index}: ${String(error)}`),
  );
}

function thaw(node: SimNode, content: MemoryStore, process: SimNode): void {
  node.disk.replace(content);
  node.repeatStartOf(process);
  node.start();
}

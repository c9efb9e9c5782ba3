/**
 * @module
 * Owns the faults: what each kind does to a running cluster, and how it ends.
 */
import { MemoryStore } from '../../sync/store/memory-store.ts';
import type { Cluster } from './cluster.ts';
import { injectDamageFault } from './damage-fault.ts';
import type { DamageFault } from './damage-fault.ts';
import { injectIdentityFault } from './identity-fault.ts';
import type { IdentityFault } from './identity-fault.ts';
import type { Fault } from './plan.ts';

export function injectFault(cluster: Cluster, fault: Fault | IdentityFault | DamageFault): void {
  const { network, time, nodes } = cluster;
  switch (fault.type) {
    case 'partition':
    case 'one-way':
    case 'swizzle':
    case 'flap':
      for (const { direction, afterMs, forMs } of fault.cuts) {
        time.after(afterMs, () => {
          if (!cluster.isHealed) network.cut(...direction);
        });
        time.after(afterMs + forMs, () => network.mend(...direction));
      }
      return;
    case 'slow-link':
      for (const direction of fault.directions) {
        network.path(...direction).slowdown = fault.factor;
        time.after(fault.forMs, () => {
          network.path(...direction).slowdown = 1;
        });
      }
      return;
    case 'crash':
      return cluster.crash(fault.node, fault.isPowerLoss, fault.unsyncedKept, fault.forMs);
    case 'crash-after-reply':
      cluster.armed.set(fault.node, fault.forMs);
      return;
    case 'crash-all':
      for (const node of nodes) cluster.crash(node.index, true, fault.unsyncedKept, fault.forMs);
      return;
    case 'restore': {
      const backup = fault.isEmpty
        ? { content: new MemoryStore(), takenAt: 0 }
        : cluster.backUp(fault.node, fault.forMs);
      time.after(fault.afterMs, () => {
        if (!cluster.isHealed) cluster.restore(fault.node, backup, fault.forMs);
      });
      return;
    }
    case 'stop':
      cluster
        .stop(fault.node, fault.forMs)
        .catch((error: unknown) => cluster.complain(`a clean stop failed: ${String(error)}`));
      return;
    case 'pause': {
      const host = nodes[fault.node]!.process?.host;
      if (host !== undefined) host.pausedUntil = Math.max(host.pausedUntil, time.now + fault.forMs);
      return;
    }
    case 'slow-disk':
      nodes[fault.node]!.disk.slowdown = fault.factor;
      time.after(fault.forMs, () => {
        nodes[fault.node]!.disk.slowdown = 1;
      });
      return;
    case 'disk-failure':
      nodes[fault.node]!.disk.isBroken = true;
      return;
    case 'remove':
      return cluster.remove(fault.node, fault.by);
    case 'clock-jump':
      return nodes[fault.node]!.jumpClock(fault.byMs);
    case 'copy-directory':
    case 'copy-machine':
    case 'set-back':
    case 'new-epoch':
      return injectIdentityFault(cluster, fault);
    case 'bit-flip':
    case 'lost-documents':
    case 'other-content':
      return injectDamageFault(cluster, fault);
  }
}

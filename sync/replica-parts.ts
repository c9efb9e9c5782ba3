/**
 * @module
 * Owns what of a replica is opened before it is put together.
 */
import { Catalog } from './catalog.ts';
import { DatabaseSet } from './database-set.ts';
import { GroupCommit } from './group-commit.ts';
import { HybridClock } from './hybrid-clock.ts';
import { Epoch, loadIdentity } from './identity.ts';
import { MemberProgress } from './member-progress.ts';
import type { JoinToken } from './protocol/admission.ts';
import { chooseSecret, pauseOf } from './replica-options.ts';
import type { ReplicaOptions } from './replica-options.ts';
import { Schemas } from './schema.ts';
import { portableSha256 } from './sha256.ts';
import { WorkTurns } from './work-turns.ts';

const CACHE_BYTES_MAX_DEFAULT = 32 * 1024 * 1024;

export interface ReplicaParts {
  readonly set: DatabaseSet;
  readonly catalog: Catalog;
  readonly commit: GroupCommit;
  readonly owners: Map<number, string>;
  readonly epoch: Epoch;
  readonly progress: MemberProgress;
  readonly clock: HybridClock;
  readonly secret: Uint8Array | JoinToken;
}

/** @throws StorageError */
export async function openParts(options: ReplicaOptions): Promise<ReplicaParts> {
  const { store, clock, random } = options;
  const { nodeId, origin, owners, lastStamp, secret } = await loadIdentity(store, random);
  const epoch = new Epoch(nodeId, origin);
  const hybridClock = new HybridClock(clock, lastStamp);
  const catalog = new Catalog();
  const commit = new GroupCommit(store, (error) => options.onFailure?.(error), options.timers.soon);
  const set = await DatabaseSet.open({
    store,
    catalog,
    commit,
    turns: new WorkTurns(options.timers),
    epoch,
    clock: hybridClock,
    sha256: options.sha256 ?? portableSha256,
    schemas: new Schemas(options.compileSchema ?? null),
    pause: pauseOf(options.timers),
    cacheBytesMax: options.cacheBytesMax ?? CACHE_BYTES_MAX_DEFAULT,
    ...(options.lateBytesMin !== undefined && { lateBytesMin: options.lateBytesMin }),
    growth: options.compaction,
    ...(options.limits && { limits: options.limits }),
  });
  owners.set(origin, nodeId);
  const progress = await MemberProgress.open(store);
  return {
    set,
    catalog,
    commit,
    owners,
    epoch,
    progress,
    clock: hybridClock,
    secret: chooseSecret(options, secret),
  };
}

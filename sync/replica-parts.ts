/**
 * @module
 * Owns what of a replica is opened before it is put together.
 */
import type { Catalog } from './catalog.ts';
import type { DatabaseSet } from './database-set.ts';
import type { GroupCommit } from './group-commit.ts';
import type { HybridClock } from './hybrid-clock.ts';
import type { Epoch } from './identity.ts';
import type { MemberProgress } from './member-progress.ts';
import type { JoinToken } from './protocol/admission.ts';

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

/**
 * @module
 * Owns what a replica reports about itself and its cluster. JSON-ready; `GET /v1/_cluster` shows it.
 */
import type { Catalog, MemberEntry, MemberState } from './catalog.ts';
import type { Database } from './database.ts';
import type { CompactionStatus } from './compactor.ts';
import type { DatabaseSet } from './database-set.ts';
import type { SnapshotProgress } from './engine.ts';
import { countMissing } from './horizon.ts';
import type { Horizon } from './horizon.ts';
import { Expansion } from './lineage.ts';
import type { Incident } from './incident.ts';
import type { PeersStatus } from './link/status.ts';
import type { EpochStatus } from './log.ts';
import type { Membership } from './membership.ts';
import type { Alarm } from './alarm.ts';
import type { Proof } from './proof.ts';
import type { Replica } from './replica.ts';
import type { StableView } from './stable-view.ts';
import type { Upkeep } from './upkeep.ts';

export interface MemberLag {
  /** Log records held here that it is not known to hold. */
  readonly entries: number;
  /** Best effort. */
  readonly bytes: number;
  /** At most: since it was last seen, for a member that is away. */
  readonly seconds: number;
}

export interface MemberStatus {
  readonly node: string;
  readonly name: string;
  readonly url: string | null;
  readonly state: MemberState;
  /** Names of the databases it holds; null = all. */
  readonly databases: readonly string[] | null;
  readonly self: boolean;
  /** A live link to it exists now. */
  readonly linked: boolean;
  /** By its last word, also of one that is away; null for ourselves and removed members. */
  readonly lag: MemberLag | null;
  /** Wall clock, ms, when it was last known to live; null = never. */
  readonly lastSeen: number | null;
}

/** What keeps a database from forgetting: see `Horizon`. */
export interface HorizonStatus {
  /** Records that some member is not known to hold. */
  readonly entries: number;
  readonly blockers: readonly {
    readonly node: string;
    readonly name: string;
    readonly entries: number;
    readonly seconds: number;
  }[];
}

/** Deleted documents of which a trace is kept until every member has seen the delete. */
export interface TombstoneStatus {
  /** At the last look. */
  readonly kept: number;
  /** Forgotten since the start. */
  readonly collected: number;
  /** Since when some have been kept without a break, wall clock, ms; null = none is. */
  readonly since: number | null;
  /** Members they wait for: `silent` has not said what it holds, of `ahead` something is on its way here, `behind` lacks something. */
  readonly waitsFor: readonly {
    readonly node: string;
    readonly name: string;
    readonly reason: 'silent' | 'ahead' | 'behind';
  }[];
}

export interface DatabaseStatus {
  readonly name: string;
  readonly documents: number;
  readonly bytes: number;
  readonly digest: string;
  /** Origin → sequence held. What follows from these is not listed. */
  readonly vector: Readonly<Record<string, number>>;
  /** A snapshot on its way in; `null` when there is none. */
  readonly snapshot: SnapshotProgress | null;
  /** Bytes of history kept. */
  readonly logBytes: number;
  /** A snapshot is being merged: some documents are newer than the vector says, and the digest proves nothing. */
  readonly merging: boolean;
  readonly horizon: HorizonStatus;
  readonly epochs: EpochStatus;
  readonly tombstones: TombstoneStatus;
  readonly compaction: CompactionStatus;
}

export interface ReplicaStatus extends PeersStatus {
  readonly node: string;
  readonly name: string;
  readonly url: string | null;
  /** Origin of what is written now. */
  readonly origin: number;
  readonly members: readonly MemberStatus[];
  readonly databases: readonly DatabaseStatus[];
  /** What was noticed about identities since the start. */
  readonly incidents: readonly Incident[];
  /** What was found to be wrong with stored documents since the start, oldest first. */
  readonly alarms: readonly Alarm[];
  /** Documents out of use because they cannot be read. */
  readonly quarantined: number;
  /** Code of the storage error that stopped this node, if one did. */
  readonly failure: string | null;
}

export interface ReplicaView {
  readonly replica: Replica;
  readonly catalog: Catalog;
  readonly set: DatabaseSet;
  readonly peers: PeersStatus;
  readonly membership: Membership;
  readonly incidents: readonly Incident[];
  readonly proof: Proof;
  readonly nowMs: number;
}

/** Assumed size of a record that a member lacks. */
const RECORD_BYTES_ESTIMATE = 100;

export function describeReplica(view: ReplicaView): ReplicaStatus {
  const { replica, catalog, set, peers, incidents, proof } = view;
  const members = [...catalog.members].map(([node, entry]) => describeMember(view, node, entry));
  return {
    node: replica.nodeId,
    name: replica.name,
    url: replica.advertise,
    origin: replica.origin,
    members,
    databases: replica.databases().flatMap((name) => {
      const database = set.get(catalog.liveKey(name)!);
      if (database === undefined) return [];
      const horizon = describeHorizon(replica.horizon(database.key), members);
      const tombstones = describeTombstones(replica, catalog, database);
      return [
        {
          name,
          bytes: database.bytes,
          logBytes: database.parts.log.bytes,
          merging: database.isMerging,
          snapshot: database.snapshot,
          ...database.digest(),
          horizon,
          epochs: database.parts.log.epochs,
          tombstones,
          compaction: replica.upkeep.compactor.status(database),
        },
      ];
    }),
    ...peers,
    incidents,
    alarms: proof.alarms.list(),
    quarantined: set.keys().reduce((sum, key) => sum + (set.get(key)?.quarantine.size ?? 0), 0),
    failure: replica.failure?.code ?? null,
  };
}

function describeMember(view: ReplicaView, node: string, { name, url, state, databases }: MemberEntry): MemberStatus {
  const { replica, peers, membership, nowMs } = view;
  const self = node === replica.nodeId;
  const link = peers.links.find((each) => each.node === node && each.state === 'live');
  const lastSeen = self || link !== undefined ? nowMs : membership.lastSeen(node);
  const common = { node, name, url, state, databases, self, linked: self || link !== undefined, lastSeen };
  if (self || state === 'removed') return { ...common, lag: null };
  if (link !== undefined) return { ...common, lag: link.lag };
  const holdings = membership.holdingsOf(node);
  let entries = 0;
  for (const key of replica.engine.databases()) {
    if (!view.catalog.isPlaced(node, key)) continue;
    const vector = replica.engine.vector(key);
    entries += countMissing(vector, new Expansion(vector, holdings.get(key) ?? new Map()));
  }
  const seconds = entries === 0 || lastSeen === null ? 0 : Math.max(0, nowMs - lastSeen) / 1000;
  return { ...common, lag: { entries, bytes: entries * RECORD_BYTES_ESTIMATE, seconds } };
}

function describeHorizon({ entries, blockers }: Horizon, members: readonly MemberStatus[]): HorizonStatus {
  const byNode = new Map(members.map((member) => [member.node, member]));
  return {
    entries,
    blockers: blockers.map((blocker) => {
      const member = byNode.get(blocker.node);
      return { ...blocker, name: member?.name ?? '', seconds: member?.lag?.seconds ?? 0 };
    }),
  };
}

export function describeTombstones(
  { upkeep, stable }: { readonly upkeep: Upkeep; readonly stable: StableView },
  catalog: Catalog,
  database: Database,
): TombstoneStatus {
  const { kept, collected, since } = upkeep.collector.status(database);
  if (kept === 0) return { kept, collected, since, waitsFor: [] };
  const { waitsFor } = stable.stability(database.key);
  const told = new Set(waitsFor.map(({ node }) => node));
  const behind = stable.horizon(database.key).blockers.filter(({ node }) => !told.has(node));
  const all = [...waitsFor, ...behind.map(({ node }) => ({ node, reason: 'behind' as const }))];
  const nameOf = (node: string): string => catalog.members.get(node)?.name ?? '';
  return { kept, collected, since, waitsFor: all.map(({ node, reason }) => ({ node, name: nameOf(node), reason })) };
}

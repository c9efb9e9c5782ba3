/**
 * @module
 * Owns what a replica reports about itself and its cluster. JSON-ready; `GET /v1/_cluster` shows it.
 */
import type { Catalog } from './catalog.ts';
import type { DatabaseSet } from './database-set.ts';
import type { PeersStatus } from './link/status.ts';
import type { Replica } from './replica.ts';

export interface MemberStatus {
  readonly node: string;
  readonly name: string;
  readonly url: string | null;
  readonly self: boolean;
  /** A live link to it exists now. */
  readonly linked: boolean;
}

export interface DatabaseStatus {
  readonly name: string;
  readonly documents: number;
  readonly bytes: number;
  readonly digest: string;
  /** Origin → sequence held. */
  readonly vector: Readonly<Record<string, number>>;
  /** A snapshot is being merged: some documents are newer than the vector says, and the digest proves nothing. */
  readonly merging: boolean;
}

export interface ReplicaStatus extends PeersStatus {
  readonly node: string;
  readonly name: string;
  readonly url: string | null;
  /** Origin of this start. */
  readonly origin: number;
  readonly members: readonly MemberStatus[];
  readonly databases: readonly DatabaseStatus[];
  /** Code of the storage error that stopped this node, if one did. */
  readonly failure: string | null;
}

export function describeReplica(
  replica: Replica,
  catalog: Catalog,
  set: DatabaseSet,
  peers: PeersStatus,
): ReplicaStatus {
  const linked = new Set(peers.links.filter(({ state }) => state === 'live').map(({ node }) => node));
  return {
    node: replica.nodeId,
    name: replica.name,
    url: replica.advertise,
    origin: replica.origin,
    members: [...catalog.members].map(([node, { name, url }]) => {
      const self = node === replica.nodeId;
      return { node, name, url, self, linked: self || linked.has(node) };
    }),
    databases: replica.databases().flatMap((name) => {
      const database = set.get(catalog.liveKey(name)!);
      return database ? [{ name, bytes: database.bytes, merging: database.isMerging, ...database.digest() }] : [];
    }),
    ...peers,
    failure: replica.failure?.code ?? null,
  };
}

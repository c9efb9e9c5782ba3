/**
 * @module
 * Owns the shapes that cross the HTTP API, as a client sees them. Answers may carry more members than are named here.
 */
import type { JsonObject, JsonValue } from '../../crdt/json-value.ts';
import type {
  AccessRoleName,
  AccessTokenAnswer,
  AccessTokenList,
  BatchResult,
  BatchWrite,
  BulkAnswerLine,
  BulkLine,
  CollectionAnswer,
  CollectionRequest,
  ConflictAnswer,
  ConflictChoiceRequest,
  ConflictedList,
  DatabaseAnswer,
  DigestAnswer,
  DoctorAnswer,
  HistoryAnswer,
  HistoryChange,
  IndexAnswer,
  IndexList,
  IndexRequest,
  IntentLine,
  JoinTokenAnswer,
  Limits,
  MemberAnswer,
  MemberList,
  MemberStateName,
  NewAccessTokenAnswer,
  NewAccessTokenRequest,
  QueryExplanation,
  UnsentLine,
  ViolationAnswer,
  ViolationList,
} from '../../server/api/index.ts';

export type {
  AccessRoleName,
  AccessTokenAnswer,
  AccessTokenList,
  BatchResult,
  BatchWrite,
  BulkAnswerLine,
  BulkLine,
  CollectionAnswer,
  CollectionRequest,
  ConflictAnswer,
  ConflictChoiceRequest,
  ConflictedList,
  DatabaseAnswer,
  DigestAnswer,
  DoctorAnswer,
  HistoryAnswer,
  HistoryChange,
  IndexAnswer,
  IndexList,
  IndexRequest,
  IntentLine,
  JoinTokenAnswer,
  JsonObject,
  JsonValue,
  Limits,
  MemberAnswer,
  MemberList,
  MemberStateName,
  NewAccessTokenAnswer,
  NewAccessTokenRequest,
  QueryExplanation,
  UnsentLine,
  ViolationAnswer,
  ViolationList,
};

/** Taken by every call. */
export interface CallOptions {
  /** Ends the call with an `AbortError`. */
  readonly signal?: AbortSignal | undefined;
  /** Replaces the time limit of the client: milliseconds, retries included; 0 = none. */
  readonly timeoutMs?: number | undefined;
}

export interface ReadCallOptions extends CallOptions {
  /** How long a node may wait until it has what this session has seen; whole seconds. Default: the node's, 2. */
  readonly waitSeconds?: number | undefined;
}

export interface WriteCallOptions extends ReadCallOptions {
  /** Write only if the document still has this ETag; `*` = only if it exists. Checked on the node that accepts the write. */
  readonly ifMatch?: string;
  /** `*` = only if the document does not exist yet. */
  readonly ifNoneMatch?: string;
  /** Nodes that are to have the write on disk before the answer; `waitSeconds` says how long that may take. */
  readonly replicas?: number | undefined;
  /** Replaces the generated key, so that another process can repeat this write and it is applied once; null = none. */
  readonly idempotencyKey?: string | null | undefined;
}

export interface BulkCallOptions extends CallOptions {
  /** Makes every line one that is done once, by its number. Default null: lines may have a `key` of their own. */
  readonly idempotencyKey?: string | null | undefined;
}

/** How many nodes have a write on disk. Fewer than asked for: the write stands and goes on spreading. */
export interface ReplicaCount {
  /** Nodes that are known to have it. */
  readonly durable: number;
  /** Nodes that are to have it in the end. */
  readonly members: number;
  /** As many as asked for, in time. */
  readonly isReached: boolean;
}

/** A document with its version. */
export interface ReadDocument<T = JsonObject> {
  readonly id: string;
  readonly doc: T;
  /** Strong ETag, quoted. Equal on replicas that hold the same writes. */
  readonly etag: string;
}

export interface FetchedDocument<T = JsonObject> extends ReadDocument<T> {
  /** Last modification, milliseconds since the Unix epoch; null when the node did not say. */
  readonly modifiedMs: number | null;
  /** Paths at which losing values are kept: see `conflicts()`. */
  readonly conflicts: number;
}

export interface WriteResult {
  readonly id: string;
  readonly etag: string;
  /** Not said when fewer replicas than asked for have it: false then. */
  readonly created: boolean;
  /** Present when `replicas` was asked for. */
  readonly replicas?: ReplicaCount;
}

export interface PageOptions extends ReadCallOptions {
  /** Items per request. Default: the node's. */
  readonly limit?: number;
}

export interface ListOptions extends PageOptions {
  /** Only ids that start with this. */
  readonly prefix?: string;
  /** Top-level fields to return; default all. */
  readonly fields?: readonly string[];
  /** Continue after a page: its `cursor`. */
  readonly cursor?: string;
}

export interface DocumentPage<T = JsonObject> {
  readonly items: readonly ReadDocument<T>[];
  /** Give it to the next `page()`; null at the end. */
  readonly cursor: string | null;
}

export interface ChangeOptions {
  /** The cursor of a change, from any node: only what came after it. `now`: only what comes. Left out: first all documents. */
  readonly since?: string;
  /** What comes with a change besides its id and version. */
  readonly include?: readonly ('doc' | 'conflicts')[];
  /** `conflicts`: only changes of documents that have losing values. */
  readonly only?: 'conflicts';
  /** `false`: end when everything there is has been read. Default: go on for ever. */
  readonly follow?: boolean;
  /** Called with the node that the feed is read from, whenever it is another stream. */
  readonly onConnect?: (endpoint: string) => void;
  /** Ends the feed with an `AbortError`. */
  readonly signal?: AbortSignal | undefined;
}

/** A document as it is after a change. Changes of one document come in order, every one at least once, several perhaps as one. */
export interface Change<T = JsonObject> {
  /** Where to go on, on any node. */
  readonly cursor: string;
  readonly collection: string;
  readonly id: string;
  readonly etag?: string;
  readonly deleted: boolean;
  /** With `include: ['doc']`, unless it is deleted. */
  readonly doc?: T;
  /** With `include: ['conflicts']`. */
  readonly conflicts?: readonly ConflictAnswer[];
}

/** What to look for. */
export interface Query {
  /** As in MongoDB: `{country: 'PT', population: {$gte: 1000000}}`. Default: all documents. */
  readonly filter?: JsonObject;
  /** Path → 1 or -1, in this order; paths are names joined by dots. */
  readonly sort?: Readonly<Record<string, 1 | -1>>;
  /** Fields to return; default all. */
  readonly fields?: readonly string[];
  /** Documents per request. Default: the node's. */
  readonly limit?: number;
  /** Continue after a page: its `cursor`, with the same filter and sort. */
  readonly cursor?: string;
  /** Say how the page came about. */
  readonly explain?: boolean;
}

export interface QueryPage<T = JsonObject> extends DocumentPage<T> {
  /** With `explain`: which index was used, how many documents were looked at. */
  readonly explain?: QueryExplanation;
}

/** What a batch did. */
export interface BatchOutcome {
  /** In the order of the writes. */
  readonly results: readonly BatchResult[];
  /** Present when `replicas` was asked for. */
  readonly replicas?: ReplicaCount;
}

/** A link of the answering node to a peer. */
export interface ClusterLink {
  /** Node id; null until the peer has said it. */
  readonly node: string | null;
  readonly name: string | null;
  readonly url: string | null;
  readonly direction: 'dialed' | 'accepted';
  /** `live` when data flows. */
  readonly state: string;
  readonly lagging: boolean;
  /** What the peer is not known to hold: log records, bytes, age of the oldest. */
  readonly lag: { readonly entries: number; readonly bytes: number; readonly seconds: number };
  /** Bytes held in memory because of this peer. */
  readonly heldBytes: number;
  /** Batches from the peer that were news here, and that were not. */
  readonly applied: number;
  readonly duplicates: number;
  /** Changes from it that wait for others they build on. */
  readonly waiting: number;
  readonly roundTripMs: number | null;
  readonly lastError: string | null;
}

/** An address the answering node keeps a link to. */
export interface ClusterDial {
  readonly url: string;
  readonly node: string | null;
  /** `resting`: not needed, because other links are enough. */
  readonly state: 'linked' | 'dialing' | 'waiting' | 'stopped' | 'resting';
  readonly attempts: number;
  readonly lastError: string | null;
}

/** A node of the cluster, by the replicated member list. */
export type ClusterMember = MemberAnswer;

/** Something the answering node noticed about identities. */
export interface ClusterIncident {
  readonly kind: string;
  readonly subject: string;
  readonly message: string;
  /** Milliseconds since the Unix epoch: first and last time. */
  readonly since: number;
  readonly at: number;
  readonly count: number;
}

/** A database as the answering node holds it. */
export interface ClusterSnapshot {
  readonly phase: 'receiving' | 'merging';
  /** Received or merged. */
  readonly documents: number;
  /** To be expected; an estimate while receiving. */
  readonly documentsTotal: number;
  /** Bytes received. */
  readonly bytes: number;
}

export interface ClusterTombstones {
  readonly kept: number;
  /** Forgotten since the start of the node. */
  readonly collected: number;
  /** Milliseconds since the Unix epoch, since when some have been kept without a break; null = none is. */
  readonly since: number | null;
  /** Members they wait for. */
  readonly waitsFor: readonly {
    readonly node: string;
    readonly name: string;
    readonly reason: 'silent' | 'ahead' | 'behind';
  }[];
}

export interface ClusterDatabase {
  readonly name: string;
  readonly documents: number;
  readonly bytes: number;
  readonly digest: string;
  /** A snapshot on its way in. Absent in answers of older nodes. */
  readonly snapshot?: ClusterSnapshot | null;
  /** Deleted documents of which a trace is kept until every member has seen the delete. Absent in answers of older nodes. */
  readonly tombstones?: ClusterTombstones;
  /** Process starts that wrote: how many tokens and cursors list, and how many follow from those. Absent in answers of older nodes. */
  readonly epochs?: { readonly listed: number; readonly folded: number };
  /** Documents much larger than what they show, and what the node has compacted. Absent in answers of older nodes. */
  readonly compaction?: {
    readonly grown: number;
    readonly compacted: number;
    readonly savedBytes: number;
  };
  /** What keeps it from forgetting: records that some member is not known to hold, and which members. */
  readonly horizon: {
    readonly entries: number;
    readonly blockers: readonly {
      readonly node: string;
      readonly name: string;
      readonly entries: number;
      readonly seconds: number;
    }[];
  };
}

/** The cluster as one node sees it. */
export interface ClusterStatus {
  /** Id of the answering node. */
  readonly node: string;
  readonly name: string;
  readonly url: string | null;
  readonly members: readonly ClusterMember[];
  readonly links: readonly ClusterLink[];
  readonly dials: readonly ClusterDial[];
  readonly databases: readonly ClusterDatabase[];
  readonly incidents: readonly ClusterIncident[];
  /** Documents of the answering node that are out of use because they cannot be read. Absent in answers of older nodes. */
  readonly quarantined?: number;
  /** Code of the storage error that stopped the node, if one did. */
  readonly failure: string | null;
  /** The node serves clients of other machines without tokens. */
  readonly insecure: boolean;
}

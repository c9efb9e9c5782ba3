/**
 * @module
 * Owns the shapes of what a node says about itself: limits, liveness, readiness. Types only.
 */

/** Answer to GET `/v1/_limits`. Exceeding one is a 4xx that names it. */
export interface Limits {
  /** Bytes of a request body; bulk bodies have no bound, their lines do. */
  readonly bodyBytes: number;
  /** Bytes of a document's canonical JSON. */
  readonly documentBytes: number;
  /** Levels of nesting in a document. */
  readonly depth: number;
  /** UTF-8 bytes of one key of an object. */
  readonly keyBytes: number;
  /** UTF-8 bytes of a document id. */
  readonly idBytes: number;
  /** Bytes of one line of a bulk request. */
  readonly bulkLineBytes: number;
  /** Bulk writes in flight per request. */
  readonly bulkInflight: number;
  /** Writes that are applied as one. Their bytes are bounded by `bodyBytes`. */
  readonly batchWrites: number;
  /** Documents per page of a list. */
  readonly listItems: number;
  /** Bytes of documents per page of a list, after which the page ends early. */
  readonly listBytes: number;
  /** Documents that a page of a query looks at, after which it ends early. */
  readonly queryExamined: number;
  /** Documents that a query sorts without an index. */
  readonly querySortDocuments: number;
  /** Indexes of one collection. */
  readonly indexesPerCollection: number;
  /** Bytes of one websocket message between nodes. */
  readonly frameBytes: number;
  /** One message of a client of shared documents, and such a document. */
  readonly sharedBytes: number;
  /** Milliseconds in which a request must have arrived. */
  readonly requestMs: number;
  /** Open client connections. */
  readonly connections: number;
  /** Requests per second of a token, unless it has a rate of its own; 0 = any number. */
  readonly requestsPerSecond: number;
  /** Requests served at a time, feeds not counted; more are 503. */
  readonly inflight: number;
  /** Milliseconds by which the node may be late before requests are 503. */
  readonly lagMs: number;
  /** Bytes of request bodies held at a time; more are 503. */
  readonly inflightBytes: number;
  /** Open change feeds. */
  readonly feeds: number;
}

/** Change feeds of a node, in GET `/v1/_cluster`. */
export interface FeedsAnswer {
  readonly open: number;
  /** Bytes that wait for readers. */
  readonly bufferedBytes: number;
}

/** A leaf that is connected, in GET `/v1/_cluster`. */
export interface LeafAnswer {
  /** Stays the same for as long as the leaf keeps its data. */
  readonly leaf: string;
  /** Id of its token. */
  readonly token: string;
  readonly subscriptions: number;
  /** Bytes that were sent and are not stored by the leaf yet. */
  readonly unacknowledgedBytes: number;
  readonly editsTaken: number;
  /** ISO 8601. */
  readonly since: string;
}

/** Answer to GET `/livez` and `/readyz`. */
export interface HealthAnswer {
  readonly status: 'live' | 'ready';
}

/** Something that somebody with the role `admin` did, or was refused. */
export interface AuditEntry {
  /** ISO 8601. */
  readonly at: string;
  readonly requestId: string;
  /** Id of the token; `file` for that of `--admin-token-file`, `local` without tokens. */
  readonly by: string;
  /** Address of the client. */
  readonly from: string | null;
  readonly method: string;
  /** Path of the request. */
  readonly target: string;
  /** 0 when the client did not wait for the answer. */
  readonly status: number;
}

/** Answer to GET `/v1/_admin/audit`: what this node was told to do since it started, newest first. */
export interface AuditList {
  readonly entries: readonly AuditEntry[];
}

/** Answer to GET `/v1/_admin/diagnostics`: the process as it is now. */
export interface DiagnosticsAnswer {
  readonly node: string;
  readonly name: string;
  readonly version: string;
  readonly runtime: { readonly node: string; readonly platform: string; readonly arch: string; readonly pid: number };
  readonly uptimeSeconds: number;
  /** Bytes. */
  readonly memory: {
    readonly rss: number;
    readonly heapUsed: number;
    readonly heapTotal: number;
    readonly external: number;
    readonly arrayBuffers: number;
  };
  readonly cpuSeconds: { readonly user: number; readonly system: number };
  readonly eventLoopLagMs: number;
  /** `lasting`: of those in flight, feeds and streams that wait for something to happen. */
  readonly requests: { readonly inFlight: number; readonly lasting: number };
  /** What keeps the process running, by kind. */
  readonly handles: Readonly<Record<string, number>>;
}

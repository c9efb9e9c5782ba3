/**
 * @module
 * Owns the numbers that bound what a node takes in, derived from its options. Served at `/v1/_limits`. SPEC.md HT6.
 */
import { DEFAULT_LIMITS, type Limits as DocumentLimits } from '../crdt/index.ts';
import { DOCUMENT_ID_BYTES_MAX, GROUP_WRITES_MAX, INDEXES_PER_COLLECTION_MAX } from '../sync/index.ts';
import type { Limits } from './api/index.ts';
import type { NodeOptions } from './option.ts';

/** A bulk line holds a document and the few bytes around it. */
const LINE_ENVELOPE_BYTES = 4096;
/** A feed whose reader stands still holds a page of changes. */
const FEEDS_MAX = 1000;

/** Bodies of requests being served, all together: connections times their limit would be more than a machine has. */
const INFLIGHT_BYTES = 268_435_456;

type LimitOptions = Pick<
  NodeOptions,
  'bodyBytes' | 'documentBytes' | 'depth' | 'requestMs' | 'connections' | 'requestsPerSecond' | 'inflight' | 'lagMs'
>;

export function limitsOf(options: LimitOptions): Limits {
  const { bodyBytes, documentBytes, depth, requestMs, connections, requestsPerSecond, inflight, lagMs } = options;
  return {
    bodyBytes,
    documentBytes,
    depth,
    keyBytes: DEFAULT_LIMITS.keyBytesMax,
    idBytes: DOCUMENT_ID_BYTES_MAX,
    bulkLineBytes: documentBytes + LINE_ENVELOPE_BYTES,
    bulkInflight: 1024,
    batchWrites: GROUP_WRITES_MAX,
    listItems: 1000,
    listBytes: 8_388_608,
    queryExamined: 200_000,
    querySortDocuments: 10_000,
    indexesPerCollection: INDEXES_PER_COLLECTION_MAX,
    frameBytes: 1_048_576,
    sharedBytes: 16_777_216,
    requestMs,
    connections,
    requestsPerSecond,
    feeds: FEEDS_MAX,
    inflight,
    lagMs,
    inflightBytes: INFLIGHT_BYTES,
  };
}

/** The part that the document layer checks. */
export function documentLimitsOf({ documentBytes, depth, keyBytes }: Limits): DocumentLimits {
  return { depthMax: depth, documentBytesMax: documentBytes, keyBytesMax: keyBytes };
}

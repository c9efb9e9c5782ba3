/**
 * @module
 * Owns every magnitude of the benchmarks: how much, how long, how often, and which targets a number is held against.
 */

export interface BenchConfig {
  /** Everything random comes from it. */
  readonly seed: number;
  readonly http: {
    readonly connections: number;
    readonly documents: number;
    /** More than the node's cache of open documents holds. */
    readonly coldDocuments: number;
    readonly documentBytes: number;
    readonly rounds: number;
    readonly roundMs: number;
    readonly warmUpMs: number;
  };
  readonly bulk: { readonly documents: number; readonly rounds: number };
  readonly propagation: { readonly writes: number; readonly perSecond: number };
  readonly feed: {
    readonly perSecond: number;
    readonly seconds: number;
    readonly feeds: number;
    /** With that many feeds. */
    readonly manyPerSecond: number;
  };
  readonly catchUp: { readonly documents: number; readonly rounds: number; readonly updates: number };
  readonly crdt: {
    readonly documents: number;
    readonly overwrites: number;
    readonly rounds: number;
    readonly roundMs: number;
  };
  readonly store: { readonly batches: number; readonly rounds: number };
  readonly replication: {
    readonly documents: number;
    readonly meshWrites: number;
    readonly stuckBytes: number;
  };
  readonly heal: {
    readonly partitionSeconds: number;
    /** On each side. */
    readonly perSecond: number;
  };
  readonly editors: {
    /** On each node. */
    readonly clients: number;
    /** Characters of each. */
    readonly perSecond: number;
    readonly seconds: number;
    readonly rounds: number;
    readonly idleConnections: number;
    readonly settleMs: number;
    readonly historyOperations: number;
  };
  readonly memory: { readonly documents: number; readonly settleMs: number };
  readonly repair: { readonly documents: number };
  readonly query: {
    readonly documents: number;
    readonly connections: number;
    readonly rounds: number;
    readonly roundMs: number;
    readonly warmUpMs: number;
  };
}

export const CONFIG: BenchConfig = {
  seed: 20_261_122,
  http: {
    connections: 32,
    documents: 1_000,
    coldDocuments: 20_000,
    documentBytes: 1_024,
    rounds: 3,
    roundMs: 4_000,
    warmUpMs: 3_000,
  },
  bulk: { documents: Number.POSITIVE_INFINITY, rounds: 3 },
  propagation: { writes: 1_000, perSecond: 50 },
  feed: { perSecond: 3_000, seconds: 15, feeds: 200, manyPerSecond: 500 },
  catchUp: { documents: 20_000, rounds: 3, updates: 200 },
  crdt: { documents: 1_000, overwrites: 100_000, rounds: 5, roundMs: 1_000 },
  store: { batches: 200, rounds: 5 },
  replication: {
    documents: 100_000,
    meshWrites: 20_000,
    stuckBytes: 20_000_000,
  },
  heal: { partitionSeconds: 60, perSecond: 500 },
  editors: {
    clients: 50,
    perSecond: 10,
    seconds: 20,
    rounds: 3,
    idleConnections: 1_000,
    settleMs: 5_000,
    historyOperations: 250_000,
  },
  memory: { documents: 100_000, settleMs: 15_000 },
  repair: { documents: 1_000_000 },
  query: { documents: Number.POSITIVE_INFINITY, connections: 32, rounds: 3, roundMs: 4_000, warmUpMs: 3_000 },
};

/** For development: shows that everything runs; its numbers mean little. */
export const QUICK_CONFIG: BenchConfig = {
  ...CONFIG,
  http: { ...CONFIG.http, coldDocuments: 5_000, rounds: 3, roundMs: 1_500, warmUpMs: 1_500 },
  bulk: { documents: 20_000, rounds: 1 },
  propagation: { writes: 150, perSecond: 50 },
  feed: { perSecond: 1_000, seconds: 4, feeds: 50, manyPerSecond: 200 },
  catchUp: { documents: 20_000, rounds: 1, updates: 50 },
  crdt: { documents: 200, overwrites: 100_000, rounds: 3, roundMs: 300 },
  store: { batches: 40, rounds: 3 },
  replication: {
    documents: 20_000,
    meshWrites: 5_000,
    stuckBytes: 5_000_000,
  },
  heal: { partitionSeconds: 5, perSecond: 200 },
  editors: { ...CONFIG.editors, clients: 20, seconds: 5, rounds: 1, idleConnections: 200, historyOperations: 50_000 },
  memory: { documents: 20_000, settleMs: 15_000 },
  repair: { documents: 20_000 },
  query: { documents: 20_000, connections: 32, rounds: 3, roundMs: 1_000, warmUpMs: 1_000 },
};

/** The same with nodes cut off from each other for another time. */
export function withPartition(config: BenchConfig, partitionSeconds: number): BenchConfig {
  return { ...config, heal: { ...config.heal, partitionSeconds } };
}

/** Bounds promised by the project. Rates per second, sizes in bytes, times in milliseconds. */
export const TARGET = {
  getRatioMin: 0.75,
  putRatioMin: 0.5,
  patchRatioMin: 0.5,
  bulkPerSecondMin: 8_000,
  propagationP50MsMax: 5,
  propagationP99MsMax: 20,
  feedP99MsMax: 100,
  catchUpPerSecondMin: 20_000,
  catchUpBytesRatioMax: 1.5,
  stateRatioMax: 1.5,
  updateBytesMax: 64,
  overwrittenBytesMax: 1_024,
  coldWritesPerSecondMin: 5_000,
  hotWritesPerSecondMin: 20_000,
  joinPerSecondMin: 30_000,
  reconnectionBytesMax: 300,
  payloadCopiesMax: 1.05,
  stuckPeerMebibytesMax: 1.1,
  healSecondsMax: 15,
  healP99RatioMax: 2,
  editorP50MsMax: 15,
  editorP99MsMax: 100,
  idleEditorsMegabytesMax: 100,
  historyRatioMax: 1.2,
  idleMegabytesMax: 300,
  find10BytesMax: 1_000,
  find1000BytesMax: 40_000,
  findRoundTripsMax: 2,
  digestMicrosecondsMax: 5,
  queryPerSecondMin: 5_000,
  indexBuildPerSecondMin: 50_000,
  indexedWriteRatioMin: 0.8,
  sessionGetRatioMin: 0.65,
  sessionPutRatioMin: 0.45,
  keyedCostRatioMax: 1.5,
} as const;

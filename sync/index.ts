/**
 * @module
 * The public surface of the replication engine, `atolldb/sync`.
 */
export { createReplica } from './create-replica.ts';
export type { EmbedOptions } from './create-replica.ts';
export { createLeaf } from './leaf/create-leaf.ts';
export type { LeafOptions } from './leaf/create-leaf.ts';
export { Leaf } from './leaf/leaf.ts';
export type { LeafParts } from './leaf/leaf.ts';
export { LeafCollection } from './leaf/leaf-collection.ts';
export type { HeldDocument, LeafCollectionParts } from './leaf/leaf-collection.ts';
export type { LeafEvent, LeafStatus } from './leaf/leaf-event.ts';
export type { LinkState } from './leaf/leaf-link.ts';
export { leafQueries } from './leaf/leaf-queries.ts';
export type { LeafQueries, LeafQuery } from './leaf/leaf-query.ts';
export type { LeafSubscription } from './leaf/subscription.ts';
export { LeafHost } from './host/leaf-host.ts';
export type { LeafHostOptions } from './host/leaf-host.ts';
export type { LeafAuthorise, LeafGrant } from './host/leaf-grant.ts';
export type { LeafSessionStatus } from './host/leaf-session.ts';
export { Replica } from './replica.ts';
export type { ReplicaOptions } from './replica-options.ts';
export type { Alarm, AlarmKind } from './alarm.ts';
export type { DoctorCheck, DoctorReport } from './proof.ts';
export type { QuarantinedDocument } from './quarantine.ts';
export type { ScrubStatus } from './scrub.ts';
export type { DatabaseStatus, HorizonStatus, MemberLag, MemberStatus, ReplicaStatus } from './replica-status.ts';
export type { MemberState } from './catalog.ts';
export { accessTokenId, AccessTokens } from './access-token.ts';
export { watchArrivals } from './arrival.ts';
export type { AccessRole, AccessTokenEntry, AccessTokenRequest } from './access-token.ts';
export type { Incident, IncidentKind } from './incident.ts';
export type { PeersEvent } from './link/peers.ts';
export type { UnsentDocument } from './unsent.ts';
export { describeCloseCode, isPermanent } from './protocol/close-code.ts';
export { Database } from './database.ts';
export type { DatabaseInfo, ListOptions, ListPage } from './database.ts';
export type { Operation } from './operation.ts';
export { GROUP_WRITES_MAX, RefusedWrite } from './write.ts';
export type { GroupWrite, Preconditions, WriteOptions, WriteOutcome } from './write.ts';
export { listConflicted, resolutionsOf } from './conflict.ts';
export { SharedDocument } from './shared-document.ts';
export type { DocumentWatcher } from './document-table.ts';
export { Presence } from './presence.ts';
export type { PresenceEntry, PresenceOutlet, PresenceRoom } from './presence.ts';
export type {
  ConflictAuthor,
  ConflictChoice,
  ConflictedDocument,
  ConflictPage,
  ConflictReport,
  LosingValue,
} from './conflict.ts';
export { readHistory } from './history.ts';
export type { HistoryEntry, HistoryPage, HistoryPosition } from './history.ts';
export type { StoredDocument } from './document-record.ts';
export { parseCollectionConfig } from './collection-config.ts';
export type { CollectionConfig, DeletePolicy } from './collection-config.ts';
export { defineIndex, describeIndex, describeIndexes, dropIndex } from './query/index-admin.ts';
export type { IndexInfo } from './query/index-admin.ts';
export { INDEXES_PER_COLLECTION_MAX } from './query/index-definition.ts';
export type { IndexPath } from './query/index-definition.ts';
export { PatternCostError, compilePattern } from './pattern/pattern.ts';
export type { Pattern } from './pattern/pattern.ts';
export { listViolations } from './schema.ts';
export type { SchemaCheck, SchemaCompiler, SchemaFault, Violation, ViolationPage } from './schema.ts';
export { PreparedQuery } from './query/prepared-query.ts';
export { peekPrepared, runPrepared, runQuery } from './query/query.ts';
export type { PageOptions, QueryRequest } from './query/query.ts';
export type { QueryExplanation, QueryPage } from './query/query-page.ts';
export type { QueryLimits } from './query/query-scan.ts';
export { StorageError, SyncError } from './errors.ts';
export type { StorageErrorCode, SyncErrorCode } from './errors.ts';
export type { CollectionInfo } from './collection.ts';
export { measureReplica } from './measure.ts';
export type { CacheName, ReplicaMeasures } from './measure.ts';
export type { CacheUsage } from './byte-cache.ts';
export { DOCUMENT_ID_BYTES_MAX, validateCollectionName, validateDatabaseName, validateDocumentId } from './names.ts';
export { assert } from '../crdt/index.ts';
export type * from './port.ts';
export { MemoryStore } from './store/memory-store.ts';
export type { MemoryStoreOptions, StoreAccess } from './store/memory-store.ts';
export { IndexedDbStore } from './store/indexeddb-store.ts';
export type { IndexedDbOptions } from './store/indexeddb-store.ts';
export { createMemoryChannels, MemoryNetwork } from './transport/memory.ts';
export type { MemoryChannelOptions } from './transport/memory.ts';
export { createBrowserWebSocketDialer } from './transport/browser-websocket.ts';
export type { WebSocketConstructor, WebSocketLike } from './transport/browser-websocket.ts';
export type { SocketPath } from './transport/socket-url.ts';
export { createMessagePortChannel, createMessagePortDialer } from './transport/message-port.ts';
export type { MessagePortLike } from './transport/message-port.ts';
export { decodeToken, encodeToken } from './token.ts';
export type { Positions, SeenPosition } from './token.ts';
export { ChangeFeed } from './feed/change-feed.ts';
export type { FeedOptions } from './feed/change-feed.ts';
export type { DocumentVersion, FeedChange, FeedPage } from './feed/feed-change.ts';

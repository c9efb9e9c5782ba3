/**
 * @module
 * Owns the inspection of what a node has on disk: after every crash, and of all nodes at the end. It reads the stored bytes
 * themselves, so that it does not depend on the code that keeps them consistent.
 */
import * as Y from 'yjs';
import { GenerationalDocument } from '../../crdt/index.ts';
import { decodeBatch, lastSeqOf, verifyChain } from '../../sync/batch.ts';
import { SYSTEM_KEY } from '../../sync/catalog.ts';
import { DigestSum } from '../../sync/digest.ts';
import { decodeView, isCounted, statePartsOf } from '../../sync/document-record.ts';
import { Forgotten } from '../../sync/forgotten.ts';
import {
  changeOf,
  databaseKey,
  databaseNameOf,
  digestKey,
  documentOf,
  documentOfName,
  floorKey,
  intentionKey,
  logKey,
  rangeOf,
  baseOriginOf,
  vectorOriginOf,
  viewKey,
} from '../../sync/key.ts';
import { decodePosition } from '../../sync/log.ts';
import type { Store, StoreEntry } from '../../sync/port.ts';
import { portableSha256 } from '../../sync/sha256.ts';
import { decodeIntention } from '../../sync/snapshot-intake.ts';
import { GENESIS_CHAIN, decodeBase, sequenceOf } from '../../sync/version-vector.ts';
import type { VersionVector } from '../../sync/version-vector.ts';

export interface DocumentOnDisk {
  readonly vector: ReadonlyMap<number, number>;
  readonly exists: boolean;
  /** The digest counts it. */
  readonly isCounted: boolean;
}

export interface DatabaseOnDisk {
  readonly vector: ReadonlyMap<number, number>;
  /** `collection/id` → document. */
  readonly documents: ReadonlyMap<string, DocumentOnDisk>;
  readonly forgotten: ReadonlyMap<number, number>;
}

export interface DiskAudit {
  readonly databases: ReadonlyMap<string, DatabaseOnDisk>;
  readonly problems: readonly string[];
}

/** The vector, and what it will be joined with because a snapshot is being merged. */
interface Covered {
  readonly vector: ReadonlyMap<number, number>;
  readonly intended: VersionVector;
}

interface Entry {
  readonly origin: number;
  readonly seq: number;
  readonly chain: Uint8Array;
}

export interface AuditOptions {
  readonly store: Store;
  /** Called with every batch of the log. */
  readonly onBatch: (database: string, bytes: Uint8Array) => void;
  /** Called with every log that was cut. */
  readonly onCut: () => void;
  /** The chain at a position up to which a snapshot may stand for the log; undefined where none can. */
  readonly snapshotChain: (database: string, origin: number, seq: number) => Uint8Array | undefined;
  /** Loads every document too: pending structs, views that are not what the state says. Slow. */
  readonly isDeep: boolean;
}

export async function auditDisk(options: AuditOptions): Promise<DiskAudit> {
  const databases = new Map<string, DatabaseOnDisk>();
  const problems: string[] = [];
  for (const [key, value] of await readAll(options.store, rangeOf('n'))) {
    const name = databaseNameOf(key);
    const db = new DataView(value.buffer, value.byteOffset).getUint32(0);
    // What was dropped is cleared kind by kind; a crash in between leaves a part of it for the next start.
    if (await isDropped(options.store, name)) continue;
    const complain = (problem: string): void => void problems.push(`${name}: ${problem}`);
    databases.set(name, await auditDatabase(options, name, db, complain));
  }
  return { databases, problems };
}

async function auditDatabase(
  options: AuditOptions,
  name: string,
  db: number,
  complain: (problem: string) => void,
): Promise<DatabaseOnDisk> {
  const vector = new Map<number, number>();
  const entries: Entry[] = [];
  for (const [key, value] of await readAll(options.store, rangeOf('v', db))) {
    const origin = vectorOriginOf(key);
    const { seq, chain } = decodePosition(value);
    vector.set(origin, seq);
    entries.push({ origin, seq, chain });
  }
  const intention = await options.store.get(intentionKey(db));
  const covered = { vector, intended: intention === undefined ? new Map() : decodeIntention(intention).vector };
  const changes = await readChangeIndex(options.store, db);
  for (const [key, value] of await readAll(options.store, rangeOf('h', db))) {
    for (const [origin, seq] of decodeBase(value)) {
      if (isCovered(covered, origin, seq)) continue;
      complain(`[GC10] ${name} has the epoch ${baseOriginOf(key)}, which began with ${origin}:${seq}, and not that`);
    }
  }
  for (const entry of entries) await auditLog(options, { name, db, covered, changes }, entry, complain);
  const documents = await auditDocuments(options, db, complain);
  auditChangeIndex(changes, documents, complain);
  for (const [key, document] of documents) {
    for (const [origin, seq] of document.vector) {
      if (!isCovered(covered, origin, seq)) complain(`[I3] ${key} has ${origin}:${seq}, the vector does not`);
    }
  }
  const { vector: forgotten } = await Forgotten.open(options.store, db);
  return { vector, documents, forgotten };
}

/** Invariant I7: a peer that lacks the last change of a document finds the document, by the log or by the index. */
function auditChangeIndex(
  changes: ReadonlySet<string>,
  documents: ReadonlyMap<string, DocumentOnDisk>,
  complain: (problem: string) => void,
): void {
  for (const [key, { vector }] of documents) {
    for (const [origin, seq] of vector) {
      if (!changes.has(`${origin}:${seq} ${key}`))
        complain(`[I7] neither log nor index says that ${origin}:${seq} changed ${key}`);
    }
  }
}

/** `origin:seq collection/id` of every entry. */
async function readChangeIndex(store: Store, db: number): Promise<Set<string>> {
  const changes = new Set<string>();
  for (const [key, value] of await readAll(store, rangeOf('x', db))) {
    const { origin, seq } = changeOf(key);
    const { collection, id } = documentOfName(value);
    changes.add(`${origin}:${seq} ${collection}/${id}`);
  }
  return changes;
}

/** Invariants I3 and I6: the log is contiguous up to the vector, chained, and every batch stands on what it depends on. */
async function auditLog(
  options: AuditOptions,
  { name, db, covered, changes }: { name: string; db: number; covered: Covered; changes: Set<string> },
  entry: Entry,
  complain: (problem: string) => void,
): Promise<void> {
  const range = { gte: logKey(db, entry.origin, 0), lt: logKey(db, entry.origin, 2 ** 48 - 1) };
  const floor = await options.store.get(floorKey(db, entry.origin));
  const cut = floor === undefined ? { seq: 0, chain: GENESIS_CHAIN } : decodePosition(floor);
  if (cut.seq > 0) options.onCut();
  let next = cut.seq + 1;
  let previousChain = cut.chain;
  const skip = (seq: number): void => {
    if (seq === next - 1) return;
    const chain = options.snapshotChain(name, entry.origin, seq);
    if (chain === undefined)
      complain(`[I3] the log of ${entry.origin} has nothing from ${next} to ${seq}, and no snapshot stands for it`);
    next = seq + 1;
    previousChain = chain ?? previousChain;
  };
  for (const [, bytes] of await readAll(options.store, range)) {
    const header = decodeBatch(bytes);
    options.onBatch(name, bytes);
    header.records.forEach((record, i) => {
      if (record.kind === 'update')
        changes.add(`${entry.origin}:${header.firstSeq + i} ${record.collection}/${record.id}`);
    });
    for (const [origin, seq] of header.deps) {
      if (!isCovered(covered, origin, seq))
        complain(`[I6] batch ${entry.origin}:${header.firstSeq} needs ${origin}:${seq}`);
    }
    skip(header.firstSeq - 1);
    if (!verifyChain(bytes, previousChain, portableSha256))
      complain(`[I2] the chain of ${entry.origin} breaks at ${header.firstSeq}`);
    next = lastSeqOf(header) + 1;
    previousChain = header.chain;
  }
  skip(entry.seq);
  if (Buffer.compare(previousChain, entry.chain) !== 0)
    complain(`[I3] the chain of ${entry.origin} differs in vector and log`);
}

async function auditDocuments(
  options: AuditOptions,
  db: number,
  complain: (problem: string) => void,
): Promise<Map<string, DocumentOnDisk>> {
  const documents = new Map<string, DocumentOnDisk>();
  const states = new Map((await readAll(options.store, rangeOf('y', db))).map(([key, value]) => [keyOf(key), value]));
  const tombstones = new Set((await readAll(options.store, rangeOf('z', db))).map(([key]) => keyOf(key)));
  const sum = new DigestSum();
  for (const [key, value] of await readAll(options.store, rangeOf('j', db))) {
    const name = keyOf(key);
    const view = decodeView(value);
    const state = states.get(name);
    if (isCounted(view)) sum.add(view.element);
    documents.set(name, { vector: view.vector, exists: view.exists, isCounted: isCounted(view) });
    if (tombstones.has(name) === isCounted(view))
      complain(`${name} is a tombstone and not listed, or the other way round`);
    tombstones.delete(name);
    if (state === undefined && !view.isFirst) complain(`${name} has neither a base nor the view of a first write`);
    else if (options.isDeep) auditDocument(name, state, view, complain);
    states.delete(name);
  }
  for (const name of tombstones) complain(`${name} is listed as a tombstone and is not there`);
  for (const name of states.keys()) complain(`${name} has a base and no view`);
  const stored = await options.store.get(digestKey(db));
  if (stored !== undefined && new DigestSum(stored).toHex() !== sum.toHex())
    complain('[I9] the stored digest is not the sum over the documents');
  return documents;
}

/** Invariant I6: no pending structs; and the view is what the state says. */
function auditDocument(
  name: string,
  base: Uint8Array | undefined,
  view: ReturnType<typeof decodeView>,
  complain: (problem: string) => void,
): void {
  const parts = statePartsOf(view, base);
  const doc = new Y.Doc({ guid: '' });
  const document = GenerationalDocument.load(...parts);
  for (const part of document.coreParts()) Y.applyUpdate(doc, part);
  if (doc.store.pendingStructs !== null || doc.store.pendingDs !== null) complain(`[I6] ${name} has pending structs`);
  doc.destroy();
  const loaded = document.view();
  if (loaded.exists !== view.exists || loaded.json !== new TextDecoder().decode(view.json)) {
    complain(
      `${name}: the stored view ${new TextDecoder().decode(view.json)} is not what its state says: ${loaded.json}`,
    );
  }
}

function isCovered({ vector, intended }: Covered, origin: number, seq: number): boolean {
  return seq <= Math.max(vector.get(origin) ?? 0, sequenceOf(intended, origin));
}

function keyOf(key: Uint8Array): string {
  const { collection, id } = documentOf(key);
  return `${collection}/${id}`;
}

async function readAll(store: Store, range: { gte: Uint8Array; lt: Uint8Array }): Promise<StoreEntry[]> {
  const result: StoreEntry[] = [];
  for await (const entries of store.range(range)) result.push(...entries);
  return result;
}

/** The system database on this disk says that the database is gone. */
async function isDropped(store: Store, key: string): Promise<boolean> {
  const number = await store.get(databaseKey(SYSTEM_KEY));
  if (number === undefined) return false;
  const split = key.lastIndexOf('.');
  const system = new DataView(number.buffer, number.byteOffset).getUint32(0);
  const value = await store.get(viewKey(system, 'databases', key.slice(0, split)));
  if (value === undefined) return false;
  const { exists, json } = decodeView(value);
  const { dropped = {} } = exists ? (JSON.parse(new TextDecoder().decode(json)) as { dropped?: object }) : {};
  return Object.hasOwn(dropped, key.slice(split + 1));
}

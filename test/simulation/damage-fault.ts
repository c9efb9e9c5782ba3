/**
 * @module
 * Owns the faults of a disk that no write reports: entries that cannot be read any more, and documents that are as they were
 * before, or gone, while the log says otherwise. They are not drawn at random: until they are repaired a node breaks promises that
 * ordinary runs check all the time.
 */
import { GenerationalDocument, normaliseState } from '../../crdt/index.ts';
import { DigestSum } from '../../sync/digest.ts';
import { decodeView, encodeBase, encodeDocumentVector, encodeView, statePartsOf } from '../../sync/document-record.ts';
import type { ViewRecord } from '../../sync/document-record.ts';
import { portableSha256 } from '../../sync/sha256.ts';
import { compareBytes, digestKey, documentOf, rangeOf, stateKey, statsKey } from '../../sync/key.ts';
import type { StoreEntry, StoreOperation } from '../../sync/port.ts';
import type { MemoryStore } from '../../sync/store/memory-store.ts';
import type { Cluster } from './cluster.ts';
import type { SimNode } from './sim-node.ts';

export type DamageFault =
  /** Flips bits in entries of some documents of a running node. */
  | {
      readonly type: 'bit-flip';
      readonly node: number;
      readonly database: string;
      readonly documents: number;
      readonly parts: readonly ('view' | 'state' | 'log')[];
    }
  /**
   * Crashes a node, and takes documents off its disk without a trace: not in the digest either (`isCounted` false), or still
   * counted there.
   */
  | {
      readonly type: 'lost-documents';
      readonly node: number;
      readonly database: string;
      readonly documents: number;
      readonly isCounted: boolean;
    }
  /** Crashes a node and puts other content under the version of a document, as a client id that is used twice does. */
  | { readonly type: 'other-content'; readonly node: number; readonly database: string };

export function injectDamageFault(cluster: Cluster, fault: DamageFault): void {
  const node = cluster.nodes[fault.node]!;
  const database = node.replica?.database(fault.database);
  if (database === undefined) return cluster.complain('there is nothing to damage');
  const { db } = database.parts;
  cluster.damaged.add(fault.node);
  const run = (): Promise<void> => {
    if (fault.type === 'bit-flip') return flip(cluster, node, db, fault);
    return fault.type === 'lost-documents' ? lose(cluster, node, db, fault) : forge(cluster, node, db);
  };
  run().catch((error: unknown) => cluster.complain(`no damage: ${String(error)}`));
}

async function flip(
  cluster: Cluster,
  node: SimNode,
  db: number,
  { documents, parts }: Extract<DamageFault, { type: 'bit-flip' }>,
): Promise<void> {
  const content = node.disk.peek();
  const views = await someViews(content, db, documents);
  const keys: Uint8Array[] = [];
  for (const [key] of views) {
    const { collection, id } = documentOf(key);
    const base = stateKey(db, collection, id);
    if (parts.includes('view')) keys.push(key);
    if (parts.includes('state') && (await content.get(base)) !== undefined) keys.push(base);
  }
  if (parts.includes('log')) {
    for await (const entries of content.range(rangeOf('l', db))) keys.push(...entries.map(([key]) => key));
  }
  node.disk.damage(keys);
  cluster.trace.count('bits flipped', keys.length);
}

async function lose(
  cluster: Cluster,
  node: SimNode,
  db: number,
  { documents, isCounted }: Extract<DamageFault, { type: 'lost-documents' }>,
): Promise<void> {
  cluster.crash(node.index, false, 0, 1e9);
  const content = node.disk.copy();
  const views = await someViews(content, db, documents);
  const operations: StoreOperation[] = [];
  const sum = new DigestSum(await content.get(digestKey(db)));
  for (const [key, value] of views) {
    const { collection, id } = documentOf(key);
    const { element, exists, bytes } = decodeView(value);
    operations.push({ type: 'del', key }, { type: 'del', key: stateKey(db, collection, id) });
    if (isCounted) continue;
    sum.subtract(element);
    if (exists) operations.push(await uncount(content, statsKey(db, collection), bytes, operations));
  }
  operations.push({ type: 'put', key: digestKey(db), value: sum.toBytes() });
  await content.batch(operations, { sync: true });
  node.disk.replace(content);
  cluster.trace.count('documents lost', views.length);
  node.start();
}

async function forge(cluster: Cluster, node: SimNode, db: number): Promise<void> {
  cluster.crash(node.index, false, 0, 1e9);
  const content = node.disk.copy();
  const [[key, value]] = (await someViews(content, db, 1)) as [StoreEntry];
  const record = decodeView(value);
  const { collection, id } = documentOf(key);
  const base = stateKey(db, collection, id);
  const genuine = GenerationalDocument.load(...statePartsOf(record, await content.get(base)));
  const state = forgeState(record, hashContent(genuine));
  const json = new TextEncoder().encode(GenerationalDocument.load(state).view().json);
  const view = encodeView({ ...record, json, isFirst: false, updates: [] }, encodeDocumentVector(record.vector));
  await content.batch(
    [
      { type: 'put', key, value: view },
      { type: 'put', key: base, value: encodeBase(state) },
    ],
    { sync: true },
  );
  node.disk.replace(content);
  node.start();
}

/** Of two contents the one with the greater hash is kept: what is forged here must be the other one, or the oracles complain. */
function forgeState({ vector, modified }: ViewRecord, genuine: Uint8Array): Uint8Array {
  const [client] = vector.keys() as MapIterator<number>;
  for (let forged = 0; ; forged++) {
    const document = GenerationalDocument.create();
    document.change(
      { kind: 'replace', value: { forged } },
      { client: client!, stamp: modified, deletePolicy: 'update-wins' },
    );
    if (compareBytes(hashContent(document), genuine) < 0) return document.encode();
  }
}

function hashContent(document: GenerationalDocument): Uint8Array {
  return portableSha256(normaliseState(document.encode())).slice(0, 8);
}

/** Documents of one collection are counted with what the operations before have left. */
async function uncount(
  store: MemoryStore,
  key: Uint8Array,
  bytes: number,
  operations: readonly StoreOperation[],
): Promise<StoreOperation> {
  const last = operations.findLast((each) => each.type === 'put' && String(each.key) === String(key));
  const stats = last?.type === 'put' ? last.value.slice() : (await store.get(key))!.slice();
  const view = new DataView(stats.buffer, stats.byteOffset);
  view.setFloat64(0, view.getFloat64(0) - 1);
  view.setFloat64(8, view.getFloat64(8) - bytes);
  return { type: 'put', key, value: stats };
}

/** Spread over the database. */
async function someViews(store: MemoryStore, db: number, count: number): Promise<StoreEntry[]> {
  const all: StoreEntry[] = [];
  for await (const entries of store.range(rangeOf('j', db))) all.push(...entries);
  return all.filter((_, i) => i % Math.max(1, Math.floor(all.length / count)) === 0).slice(0, count);
}

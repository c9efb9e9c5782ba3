/**
 * @module
 * Owns what the proof of equality costs: the bytes and round trips in which two replicas find the documents in which they differ
 * without anybody having noticed, and the share of a write that keeps the digest.
 */
import { hash } from 'node:crypto';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Replica, type Sha256, type Store, type StoreOperation } from '../../sync/index.ts';
import { RocksDbStore } from '../../server/index.ts';
import { TARGET } from '../config.ts';
import { CountingLink, type PassedFrame } from '../harness/counting-link.ts';
import type { Measure } from '../report.ts';
import type { Suite, SuiteContext } from './suite.ts';

/** Types of messages (PROTOCOL.md, "Messages"). */
const SKETCH = 21;
const SKETCH_REQUEST = 22;
const DIFFERENCES = 23;
const DOCUMENT_REQUEST = 24;
const DOCUMENTS = 26;
const WRITES_AT_ONCE = 2_000;
const HASHES = 200_000;
const REPAIR_MS_MAX = 300_000;
const BYTES_PER_SYMBOL = 8;

export const repairSuite: Suite = {
  name: 'repair',
  question:
    'With how many bytes do two replicas find the documents that one of them lost silently, and what does a write pay for it?',
  async run(context) {
    const [a, b] = [join(context.directory, 'a'), join(context.directory, 'b')];
    const measures: Measure[] = [await fill(a, context)];
    cpSync(a, b, { recursive: true });
    await rename(b);
    for (const count of [10, 1000]) measures.push(...(await measureFind(a, b, count, context)));
    return measures;
  },
};

/** As servers do for short inputs. */
const sha256: Sha256 = (...parts) => hash('sha256', Buffer.concat(parts), 'buffer');

function openReplica(store: Store, more: Partial<Parameters<typeof Replica.open>[0]> = {}): Promise<Replica> {
  return Replica.open({
    store,
    clock: Date,
    timers: {
      after: (delayMs, run) => {
        const timer = setTimeout(run, delayMs);
        return () => clearTimeout(timer);
      },
    },
    random: { bytes: (length) => crypto.getRandomValues(new Uint8Array(length)) },
    sha256,
    cacheBytesMax: 1_000_000,
    ...more,
  });
}

/** Writes the documents, and measures the hash that each of them paid for the digest. */
async function fill(directory: string, { config, progress }: SuiteContext): Promise<Measure> {
  const { documents } = config.repair;
  let element: readonly Uint8Array[] = [];
  const seen: Sha256 = (...parts) => {
    // Elements are the only hashes of four parts.
    if (parts.length === 4) element = parts;
    return sha256(...parts);
  };
  const replica = await openReplica(await RocksDbStore.open(directory), { sha256: seen });
  await replica.createDatabase('app');
  const database = replica.database('app');
  const startMs = performance.now();
  for (let from = 0; from < documents; from += WRITES_AT_ONCE) {
    const ids = Array.from({ length: Math.min(WRITES_AT_ONCE, documents - from) }, (_, i) => from + i);
    await Promise.all(ids.map((n) => database.write('c', `d${n}`, { kind: 'replace', value: { n } })));
    if (from % 100_000 === 0) progress(`${from} of ${documents} documents`);
  }
  const seconds = (performance.now() - startMs) / 1000;
  await replica.close();
  const startMicroseconds = process.cpuUsage().user;
  for (let i = 0; i < HASHES; i++) sha256(...element);
  return {
    name: 'hash that keeps the digest, processor time per write',
    value: (process.cpuUsage().user - startMicroseconds) / HASHES,
    unit: 'µs',
    target: { of: 'value', atMost: TARGET.digestMicrosecondsMax },
    detail: `sums and bucket add about 0.5 µs; ${Math.round(documents / seconds).toLocaleString('en-US')} writes/s in process`,
  };
}

/** A copied directory bears the name of its original: this one gets another. */
async function rename(directory: string): Promise<void> {
  const store = await RocksDbStore.open(directory);
  await store.batch([{ type: 'del', key: Buffer.from('mnode') }], { sync: true });
  await store.close();
}

/** Takes `count` documents off each of two equal disks: as many symbols as `count` changed documents are. */
async function measureFind(a: string, b: string, count: number, context: SuiteContext): Promise<Measure[]> {
  const { documents } = context.config.repair;
  context.progress(`${count} differences`);
  const stores = [await RocksDbStore.open(a), await RocksDbStore.open(b)] as const;
  await lose(stores[0], count, 1, documents);
  await lose(stores[1], count, 2, documents);
  const link = new CountingLink();
  const replicas = [await openReplica(stores[0], { dialer: link.dialer }), await openReplica(stores[1])] as const;
  const startMs = performance.now();
  link.connect(...replicas);
  const deadline = startMs + REPAIR_MS_MAX;
  while (replicas.some((replica) => repairedBy(replica) < count) || !isEqual(replicas)) {
    if (performance.now() > deadline)
      throw new Error(`not repaired: ${JSON.stringify(replicas.map((each) => each.doctor().alarms))}`);
    await delay(100);
  }
  const seconds = (performance.now() - startMs) / 1000;
  await Promise.all(replicas.map((replica) => replica.close()));
  return describe(link.frames, count, documents, seconds);
}

/** Views and states of some documents, spread over the collection; the digest still counts them. */
async function lose(store: Store, count: number, offset: number, documents: number): Promise<void> {
  const lost = new Set(Array.from({ length: count }, (_, i) => `d${Math.floor((documents / count) * i) + offset}`));
  const operations: StoreOperation[] = [];
  for (const kind of ['j', 'y']) {
    const gte = Buffer.from(kind);
    for await (const entries of store.range({ gte, lt: Buffer.from([kind.charCodeAt(0) + 1]), values: false })) {
      for (const [key] of entries) {
        const [collection, id] = Buffer.from(key.subarray(5)).toString().split('\0');
        if (collection === 'c' && lost.has(id ?? '')) operations.push({ type: 'del', key });
      }
    }
  }
  await store.batch(operations, { sync: true });
}

function repairedBy(replica: Replica): number {
  return replica.doctor().alarms.reduce((sum, { kind, repaired }) => sum + (kind === 'difference' ? repaired : 0), 0);
}

function isEqual(replicas: readonly Replica[]): boolean {
  return new Set(replicas.map((replica) => replica.database('app').digest().digest)).size === 1;
}

function describe(frames: readonly PassedFrame[], count: number, documents: number, seconds: number): Measure[] {
  const finding = frames.filter(({ type }) => [SKETCH, SKETCH_REQUEST, DIFFERENCES].includes(type));
  const bytesOf = (some: readonly PassedFrame[]): number => some.reduce((sum, { bytes }) => sum + bytes, 0);
  // A round trip ends when somebody can decode, which the first DIFFERENCES tells.
  const before = finding.slice(
    0,
    finding.findIndex(({ type }) => type === DIFFERENCES),
  );
  const turns = before.filter((frame, i) => i === 0 || before[i - 1]!.from !== frame.from).length;
  const of = `${count.toLocaleString('en-US')} changes in ${documents.toLocaleString('en-US')} documents`;
  const fetched = frames.filter(({ type }) => type === DOCUMENT_REQUEST || type === DOCUMENTS);
  return [
    {
      name: `find ${of}, bytes both ways`,
      value: bytesOf(finding),
      unit: 'B',
      yardstick: { name: '8 B each side', value: count * 2 * BYTES_PER_SYMBOL },
      target: { of: 'value', atMost: count === 10 ? TARGET.find10BytesMax : TARGET.find1000BytesMax },
      detail: `exchange of the documents: ${bytesOf(fetched).toLocaleString('en-US')} B; ${seconds.toFixed(1)} s from link to equality, counting included`,
    },
    {
      name: `find ${of}, round trips`,
      value: Math.ceil(turns / 2),
      unit: '',
      target: { of: 'value', atMost: TARGET.findRoundTripsMax },
    },
  ];
}

import { afterEach, expect, test } from 'vitest';
import type { Equality } from '../../../sync/equality.ts';
import { encodeFrame } from '../../../sync/protocol/frame.ts';
import type { Message } from '../../../sync/protocol/message.ts';
import { portableSha256 } from '../../../sync/sha256.ts';
import { Sketch, SymbolHash, shortSymbolName } from '../../../sync/sketch.ts';
import type { Symbol56 } from '../../../sync/sketch.ts';
import { FakeCluster } from './link-fixture.ts';

const DATABASE = 'app.0';
const utf8 = new TextEncoder();
let cluster: FakeCluster;

afterEach(() => cluster?.close());

/** Documents as a map from id to version, where the higher version wins. */
class FakeEquality implements Equality {
  readonly documents = new Map<number, number>();
  readonly concluded: { repaired: number; atPeer: number }[] = [];
  #fingerprint: { vector: Uint8Array; digest: Uint8Array } | null = null;
  readonly #busy = new Set<string>();

  set(id: number, version: number): void {
    this.documents.set(id, version);
    this.#fingerprint = null;
  }

  fingerprint(): { vector: Uint8Array; digest: Uint8Array } {
    const text = (): string => JSON.stringify([...this.documents].toSorted(([a], [b]) => a - b));
    this.#fingerprint ??= { vector: new Uint8Array(8), digest: portableSha256(utf8.encode(text())).slice(0, 8) };
    return this.#fingerprint;
  }

  noteCompared(): void {}

  isSuspect = false;

  suspects(): readonly string[] {
    return this.isSuspect ? [DATABASE] : [];
  }

  begin(database: string): boolean {
    if (this.#busy.has(database)) return false;
    this.#busy.add(database);
    return true;
  }

  end(database: string): void {
    this.#busy.delete(database);
  }

  async index(_: string, salt: Uint8Array, buckets: { first: number; count: number }): Promise<FakeIndex> {
    const isWithin = (id: number): boolean => {
      const bucket = Math.imul(id, 40_503) & 0xffff;
      return bucket >= buckets.first && bucket < buckets.first + buckets.count;
    };
    return new FakeIndex(
      [...this.documents].filter(([id]) => isWithin(id)),
      new SymbolHash(salt),
    );
  }

  async read(_: string, index: FakeIndex, symbols: readonly Symbol56[]): Promise<{ rows: Uint8Array; done: number }> {
    const some = symbols.slice(0, 300);
    return { rows: utf8.encode(JSON.stringify(some.map((symbol) => index.find(symbol)))), done: some.length };
  }

  async merge(_: string, rows: Uint8Array): Promise<{ repaired: number; examples: string[] }> {
    let repaired = 0;
    for (const [id, version] of JSON.parse(new TextDecoder().decode(rows)) as [number, number][]) {
      if ((this.documents.get(id) ?? 0) >= version) continue;
      this.set(id, version);
      repaired++;
    }
    return { repaired, examples: [] };
  }

  conclude(_: string, _index: object, _peer: string, { repaired }: { repaired: number }, atPeer: number): void {
    this.isSuspect = false;
    this.concluded.push({ repaired, atPeer });
  }

  noteLogDamage(): void {}

  noteDamage(): void {}

  quarantined(): readonly { collection: string; id: string }[] {
    return [];
  }

  sample(): null {
    return null;
  }

  async compare(): Promise<readonly []> {
    return [];
  }

  async readNamed(): Promise<null> {
    return null;
  }

  async replace(): Promise<void> {}
}

class FakeIndex {
  readonly #symbols: readonly Symbol56[];
  readonly #names = new Map<string, readonly [number, number]>();

  constructor(documents: readonly (readonly [number, number])[], hash: SymbolHash) {
    this.#symbols = documents.map((document) => {
      const symbol = hash.of(portableSha256(utf8.encode(document.join())));
      this.#names.set(shortSymbolName(symbol), document);
      return symbol;
    });
  }

  get documents(): number {
    return this.#symbols.length;
  }

  async sketch(cells: number): Promise<Sketch> {
    const sketch = new Sketch(cells);
    for (const symbol of this.#symbols) sketch.add(symbol);
    return sketch;
  }

  find(symbol: Symbol56): readonly [number, number] {
    return this.#names.get(shortSymbolName(symbol))!;
  }
}

async function createPair(documents: number): Promise<readonly [FakeEquality, FakeEquality]> {
  cluster = new FakeCluster(['a', 'b']);
  const pair = [new FakeEquality(), new FakeEquality()] as const;
  for (const [i, id] of ['a', 'b'].entries()) Object.assign(cluster.get(id).engine, { equality: pair[i]! });
  for (const each of pair) for (let id = 0; id < documents; id++) each.documents.set(id, 1);
  await cluster.link('a', 'b');
  // Something must have been written for the database to be there.
  cluster.get('a').engine.write(DATABASE);
  await cluster.time.until(() => cluster.isConverged(DATABASE));
  cluster.network.passed.length = 0;
  return pair;
}

const isEqual = ([a, b]: readonly FakeEquality[]): boolean =>
  String(a!.fingerprint().digest) === String(b!.fingerprint().digest);

function messagesOf(...types: readonly Message['type'][]): Message[] {
  return cluster.network.passed.map(({ message }) => message).filter(({ type }) => types.includes(type));
}

const sizeOf = (messages: readonly Message[]): number =>
  messages.reduce((sum, message) => sum + encodeFrame(message).length, 0);

test('[EQ3] [EQ5] ten documents that differ silently are found within 1 KB and put right on both sides', async () => {
  const pair = await createPair(3000);
  for (let i = 0; i < 5; i++) {
    pair[0].set(i * 100, 2);
    pair[1].set(i * 100 + 7, 2);
  }
  await cluster.time.until(() => isEqual(pair), 30_000);
  expect(sizeOf(messagesOf('digest', 'sketch', 'sketch-request', 'differences'))).toBeLessThanOrEqual(1024);
  expect(messagesOf('sketch')).toHaveLength(1);
  await cluster.time.advance(5000);
  expect(pair[0].concluded).toEqual([{ repaired: 5, atPeer: 5 }]);
  expect(pair[1].concluded).toEqual([{ repaired: 5, atPeer: 5 }]);
});

test('[EQ3] a thousand documents that differ are found within 40 KB and two round trips', async () => {
  const pair = await createPair(5000);
  for (let i = 0; i < 1000; i++) pair[i % 2]!.set(i * 5, 2);
  await cluster.time.until(() => isEqual(pair), 60_000);
  expect(sizeOf(messagesOf('sketch', 'sketch-request'))).toBeLessThanOrEqual(40_000);
  // First cells, an answer with as many as seem to be needed, and at most once more.
  expect(messagesOf('sketch').length).toBeLessThanOrEqual(3);
  expect(messagesOf('sketch-request').length).toBeLessThanOrEqual(1);
});

test('[EQ5] documents that only one side has come to the other, whichever it is', async () => {
  for (const owner of [0, 1]) {
    const pair = await createPair(100);
    for (let id = 1000; id < 1400; id++) pair[owner]!.set(id, 1);
    await cluster.time.until(() => isEqual(pair), 30_000);
    expect(pair[1 - owner]!.documents.size).toBe(500);
    cluster.close();
  }
});

test('[EQ5] equal replicas say so once and are silent about it afterwards, and never read their documents', async () => {
  await createPair(100);
  await cluster.time.advance(60_000);
  expect(messagesOf('digest')).toHaveLength(2);
  expect(messagesOf('sketch', 'differences', 'document-request')).toHaveLength(0);
});

test('[EQ5] the loss of any message of a comparison delays it and does no harm', async () => {
  const types = ['digest', 'sketch', 'sketch-request', 'differences', 'document-request', 'documents', 'repair-end'];
  for (const lost of types) {
    const pair = await createPair(1200);
    for (let i = 0; i < 1000; i++) pair[i % 2]!.set(i, 2);
    let isLost = false;
    cluster.network.filter = ({ message }) => {
      const isIt = !isLost && message.type === lost;
      isLost ||= isIt;
      return !isIt;
    };
    await cluster.time.until(() => isEqual(pair), 600_000);
    expect(isLost, lost).toBe(true);
    // And it can be compared again, which needs the turn of both.
    await cluster.time.advance(300_000);
    pair[0].set(7777, 1);
    await cluster.time.until(() => isEqual(pair), 600_000);
    cluster.close();
  }
});

test('[EQ5] more differences than one sketch can tell apart are found part by part', async () => {
  const pair = await createPair(10);
  for (let id = 100; id < 60_100; id++) pair[0].documents.set(id, 1);
  pair[0].set(1, 2);
  await cluster.time.until(() => pair[1].documents.size === 60_010 && isEqual(pair), 600_000);
  expect(
    new Set(messagesOf('sketch').map((message) => message.type === 'sketch' && message.firstBucket)).size,
  ).toBeGreaterThan(1);
}, 60_000);

test('[EQ5] two sides that begin to compare at once end up with one comparison', async () => {
  const pair = await createPair(500);
  for (let i = 0; i < 20; i++) pair[i % 2]!.set(i, 2);
  for (const each of pair) each.isSuspect = true;
  await cluster.time.until(() => isEqual(pair), 30_000);
  await cluster.time.advance(2000);
  expect(pair.map(({ concluded }) => concluded.length)).toEqual([1, 1]);
  // One of them began: two sketches that cross would be twice the bytes.
  expect(messagesOf('sketch')).toHaveLength(1);
});

test('[EQ5] a side that has lost something begins to compare when the other has no reason to', async () => {
  for (const suspect of [0, 1]) {
    const pair = await createPair(500);
    // Digests are as ever: what was lost is still counted.
    pair[suspect]!.documents.delete(1);
    pair[suspect]!.isSuspect = true;
    await cluster.time.until(() => pair[suspect]!.documents.size === 500, 30_000);
    cluster.close();
  }
});

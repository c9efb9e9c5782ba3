import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BucketDigest, BucketHash, bucketTotalOf } from '../../sync/bucket-digest.ts';
import { DigestSum } from '../../sync/digest.ts';
import { portableSha256 } from '../../sync/sha256.ts';

const RUNS = { seed: 20261123 };
const HASH = new BucketHash(portableSha256, Uint8Array.of(1));
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const elementOf = (document: number, version: number): Uint8Array => portableSha256(bytesOf(`${document}/${version}`));
const bucketOf = (document: number): number => HASH.of(bytesOf(`c\0${document}`));

const write = fc.record({ document: fc.nat(3000), version: fc.nat(5) });

function digestOf(writes: readonly { document: number; version: number }[]): {
  buckets: BucketDigest;
  total: DigestSum;
} {
  const buckets = new BucketDigest();
  const total = new DigestSum();
  const held = new Map<number, Uint8Array>();
  for (const { document, version } of writes) {
    const before = held.get(document);
    const after = elementOf(document, version);
    if (before) {
      buckets.subtract(bucketOf(document), before);
      total.subtract(before);
    }
    buckets.add(bucketOf(document), after);
    total.add(after);
    held.set(document, after);
  }
  return { buckets, total };
}

test('[EQ1] any order of writes with the same outcome gives the same buckets, and they add up to the digest', () => {
  fc.assert(
    fc.property(fc.array(write, { maxLength: 300 }), fc.array(write, { maxLength: 300 }), (first, last) => {
      const { buckets, total } = digestOf([...first, ...last]);
      const final = new Map([...first, ...last].map((each) => [each.document, each]));
      const direct = digestOf([...final.values()].toReversed());
      expect(direct.buckets.differences(buckets)).toEqual([]);
      expect(buckets.total()).toBe(bucketTotalOf(total.toBytes()));
      expect(direct.total.toHex()).toBe(total.toHex());
    }),
    { ...RUNS, numRuns: 40 },
  );
});

test('[EQ1] pages written now and then are the buckets, and one missed page shows in the total', () => {
  const { buckets, total } = digestOf(Array.from({ length: 4000 }, (_, document) => ({ document, version: 1 })));
  const pages = new Map(buckets.takeDirtyPages());
  buckets.add(bucketOf(9999), elementOf(9999, 1));
  total.add(elementOf(9999, 1));
  const later = buckets.takeDirtyPages();
  expect(later).toHaveLength(1);
  const load = (all: ReadonlyMap<number, Uint8Array>): BucketDigest => {
    const loaded = new BucketDigest();
    for (const [page, bytes] of all) loaded.loadPage(page, bytes);
    return loaded;
  };
  expect(load(pages).total()).not.toBe(bucketTotalOf(total.toBytes()));
  expect(load(pages).differences(buckets)).toEqual([bucketOf(9999)]);
  for (const [page, bytes] of later) pages.set(page, bytes);
  expect(load(pages).total()).toBe(bucketTotalOf(total.toBytes()));
  expect(load(pages).differences(buckets)).toEqual([]);
  expect(load(pages).dirtyPages).toBe(0);
});

test('[EQ1] documents spread evenly over the buckets, and a database of few documents takes little memory', () => {
  const counts = new Map<number, number>();
  for (let i = 0; i < 65_536; i++) counts.set(bucketOf(i), (counts.get(bucketOf(i)) ?? 0) + 1);
  // Of 65,536 balls in as many bins, 63.2 % of the bins get one, and the fullest about eight.
  expect(counts.size / 65_536).toBeCloseTo(0.632, 2);
  expect(Math.max(...counts.values())).toBeLessThan(13);
  expect(digestOf([{ document: 1, version: 1 }]).buckets.memoryBytes).toBeLessThan(200);
});

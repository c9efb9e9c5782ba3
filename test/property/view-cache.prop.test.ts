/**
 * @module
 * Packed views against a model: what is found is what was kept last, whatever else came, was used or left meanwhile.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { etagOf } from '../../sync/document-record.ts';
import type { StoredDocument } from '../../sync/document-record.ts';
import { ViewCache } from '../../sync/view-cache.ts';

interface Version {
  readonly element: Uint8Array;
  readonly document: StoredDocument;
}

let serial = 0;

/** No two are alike, and any byte may occur. */
function versionOf(length: number): Version {
  const element = Uint8Array.from({ length: 32 }, (_, i) => (serial * 7 + i * 31) & 0xff);
  const json = Uint8Array.from({ length }, (_, i) => (serial + i) & 0xff);
  serial++;
  const modifiedMs = 1.7e12 + serial * 1e6;
  return { element, document: { json, etag: etagOf(element), modifiedMs, conflicts: serial % 3 } };
}

function restOf({ etag, modifiedMs, conflicts }: StoredDocument): unknown {
  return { etag, modifiedMs, conflicts };
}

const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ keep: fc.nat(300), length: fc.oneof(fc.nat(60), fc.nat(3000)) }) },
  { weight: 5, arbitrary: fc.record({ get: fc.nat(300) }) },
  { weight: 1, arbitrary: fc.record({ remove: fc.nat(300) }) },
);
/** Of both widths, and some that differ late. */
const nameOf = (n: number): string => `${n % 3 === 0 ? 'ö' : n % 3 === 1 ? 'шч' : 'c'}\0document-${n}`;

test('[ST16][QU71] a view is found as it was kept last or not at all, and all of them stay within the limit', () => {
  let found = 0;
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 200, maxLength: 600, size: 'max' }),
      fc.constantFrom(0, 6_000, 20_000, 1_000_000),
      (steps, bytesMax) => {
        const cache = new ViewCache(bytesMax);
        const model = new Map<string, Version>();
        const handed: [StoredDocument, Uint8Array][] = [];
        const expectLatest = (name: string): void => {
          const view = cache.get(name);
          const known = model.get(name)?.document;
          if (view === undefined) {
            if (bytesMax === 1_000_000) expect(known).toBeUndefined();
            return;
          }
          found++;
          const { json } = view;
          expect([restOf(view), Buffer.compare(json, known!.json)]).toEqual([restOf(known!), 0]);
          handed.push([view, json.slice()]);
        };
        for (const each of steps) {
          if ('get' in each) expectLatest(nameOf(each.get));
          else if ('remove' in each) {
            const name = nameOf(each.remove);
            if (cache.delete(name)) expect(model.has(name)).toBe(true);
            model.delete(name);
          } else {
            const version = versionOf(each.length);
            model.set(nameOf(each.keep), version);
            cache.keep(nameOf(each.keep), version);
          }
          if (cache.usage().bytes > bytesMax) expect(cache.usage().bytes).toBeLessThanOrEqual(bytesMax);
        }
        for (let n = 0; n <= 300; n++) expectLatest(nameOf(n));
        // What was handed out is not written over.
        expect(handed.findIndex(([view, json]) => Buffer.compare(view.json, json) !== 0)).toBe(-1);
        cache.clear();
        expect([cache.usage().bytes, cache.usage().entries, cache.get(nameOf(1))]).toEqual([0, 0, undefined]);
      },
    ),
    { numRuns: 30, seed: 16 },
  );
  expect(found).toBeGreaterThan(1000);
}, 60_000);

test('[ST16] views that are used stay when others leave, and a deleted document is not kept', () => {
  const cache = new ViewCache(100_000);
  for (let n = 0; n < 5_000; n++) {
    cache.keep(`c\0${n}`, versionOf(40));
    for (let hot = 0; hot < 20; hot++) cache.get(`c\0${hot}`);
  }
  const left = Array.from({ length: 5_000 }, (_, n) => n).filter((n) => cache.get(`c\0${n}`) !== undefined);
  expect(left.slice(0, 20)).toEqual(Array.from({ length: 20 }, (_, n) => n));
  expect(left.length).toBeLessThan(1_200);
  expect(left.at(-1)).toBe(4_999);
  cache.keep('c\x004999', { element: versionOf(0).element, document: null });
  expect(cache.get('c\x004999')).toBeUndefined();
});

/**
 * A feed that wanders between nodes, under any order of writes, deliveries, cuts and resumptions, ends up with what the nodes hold.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bring, cutLog, FeedReader, openFeedNode, versionsOf } from '../unit/sync/feed-fixture.ts';
import type { FeedNode } from '../unit/sync/feed-fixture.ts';

const NODES = 3;
const node = fc.nat({ max: NODES - 1 });

type Step =
  | { readonly do: 'write'; readonly at: number; readonly ids: readonly number[]; readonly deletes: boolean }
  | { readonly do: 'bring'; readonly from: number; readonly to: number }
  | { readonly do: 'cut'; readonly at: number }
  | { readonly do: 'read'; readonly pages: number; readonly taken: number }
  | { readonly do: 'attach'; readonly at: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('write' as const),
      at: node,
      ids: fc.array(fc.nat({ max: 11 }), { minLength: 1, maxLength: 6 }),
      deletes: fc.boolean(),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('bring' as const), from: node, to: node }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cut' as const), at: node }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('read' as const), pages: fc.integer({ min: 1, max: 3 }), taken: fc.nat(4) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('attach' as const), at: node }) },
);

async function openNodes(): Promise<readonly FeedNode[]> {
  const first = await openFeedNode();
  const nodes = [first];
  while (nodes.length < NODES) nodes.push(await openFeedNode(first));
  return nodes;
}

async function run(
  nodes: readonly FeedNode[],
  readers: readonly FeedReader[],
  at: Step,
  counter: number,
): Promise<void> {
  if (at.do === 'write') {
    const { database } = nodes[at.at]!;
    const writes = at.ids.map((id, i) => {
      const collection = id % 3 === 0 ? 'x' : 'y';
      const held = at.deletes && i === 0;
      const change = held
        ? ({ kind: 'delete' } as const)
        : ({ kind: 'replace', value: { n: counter * 10 + i } } as const);
      return database.write(collection, `d${id}`, change).catch((error: { code?: string }) => {
        if (error.code !== 'SYNC_DOCUMENT_NOT_FOUND') throw error;
      });
    });
    await Promise.all(writes);
  } else if (at.do === 'bring') {
    if (at.from !== at.to) await bring(nodes[at.from]!, nodes[at.to]!);
  } else if (at.do === 'cut') {
    await cutLog(nodes[at.at]!);
  } else {
    for (const reader of readers) {
      // The rest of a page that was not taken note of is lost with its connection.
      if (at.do === 'attach') reader.attach(nodes[at.at]!);
      else await readPages(reader, at.pages, at.taken);
    }
  }
}

async function readPages(reader: FeedReader, pages: number, taken: number): Promise<void> {
  for (let i = 1; i <= pages; i++) {
    const isLast = i === pages;
    const page = await reader.page(isLast ? taken : Infinity);
    if (page === null) return;
  }
  reader.isTorn = true;
}

test('[FE2] a feed that goes on at other nodes, whatever they hold and have cut, loses nothing', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), node, async (steps, last) => {
      const nodes = await openNodes();
      const readers = [new FeedReader(), new FeedReader('x')];
      for (const reader of readers) reader.attach(nodes[0]!);
      for (const [counter, at] of steps.entries()) {
        for (const reader of readers) if (reader.isTorn) reader.reattach();
        await run(nodes, readers, at, counter);
      }
      for (const from of nodes) if (from !== nodes[last]) await bring(from, nodes[last]!);
      for (const reader of readers) {
        reader.attach(nodes[last]!);
        await reader.drain();
        expect(reader.mirror).toEqual(await versionsOf(nodes[last]!, reader.collection ?? undefined));
        reader.close();
      }
      await Promise.all(nodes.map(({ replica }) => replica.close()));
    }),
    { seed: 20_261_123, numRuns: 150 },
  );
});

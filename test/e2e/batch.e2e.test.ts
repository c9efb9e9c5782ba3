import { afterAll, expect, test } from 'vitest';
import { eventually, Leftovers } from './cli-process.ts';
import { request, startDevNodes } from './dev-nodes.ts';

const leftovers = new Leftovers();
afterAll(() => leftovers.clear());

const IDS = Array.from({ length: 40 }, (_, i) => `d${String(i).padStart(2, '0')}`);

test('[SE9] no node shows a part of a batch while nodes write, are cut off, killed and catch up', async () => {
  const nodes = await startDevNodes(leftovers);
  await nodes.ready();
  const [first] = nodes.urls as [string];
  let isOver = false;
  let looks = 0;
  const torn: unknown[] = [];
  /** One list is of one moment: all documents of the batches are in it, of one batch. */
  const observe = async (url: string): Promise<void> => {
    while (!isOver) {
      const answer = await request(url, 'GET', '/v1/app/c/docs?limit=100').catch(() => null);
      if (answer?.status !== 200) continue;
      const { items } = answer.body as { items: { doc: { n: number } }[] };
      looks++;
      const values = new Set(items.map(({ doc }) => doc.n));
      if (values.size > 1 || (items.length > 0 && items.length < IDS.length)) torn.push([...values, items.length]);
    }
  };
  const observers = nodes.urls.map(observe);
  let acknowledged = 0;
  const write = async (n: number): Promise<void> => {
    const writes = IDS.map((id) => ({ collection: 'c', id, doc: { n } }));
    const answer = await request(first, 'POST', '/v1/app/_batch', { writes }).catch(() => null);
    if (answer?.status === 200) acknowledged = n;
  };
  for (let n = 1; n <= 20; n++) await write(n);
  await nodes.command('cut n1 n2');
  for (let n = 21; n <= 40; n++) await write(n);
  await nodes.command('kill n3');
  const killing = nodes.command('kill n1');
  for (let n = 41; n <= 60; n++) await write(n);
  await killing;
  for (const command of ['heal n1 n2', 'start n1', 'start n3']) await nodes.command(command);
  await eventually(async () => {
    const found = await Promise.all(nodes.urls.map((url) => request(url, 'GET', '/v1/app/c/docs/d00')));
    return new Set(found.map(({ body }) => JSON.stringify(body))).size === 1;
  }, 60_000);
  isOver = true;
  await Promise.all(observers);
  expect(torn).toEqual([]);
  expect(looks).toBeGreaterThan(50);
  const { body } = await request(first, 'GET', '/v1/app/c/docs/d39');
  expect((body as { n: number }).n).toBeGreaterThanOrEqual(acknowledged);
});

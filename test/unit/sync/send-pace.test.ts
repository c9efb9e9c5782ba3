/**
 * How a link sends what was missed, and what requests get of that.
 */
import { expect, test } from 'vitest';
import { FakeCluster } from './link-fixture.ts';

const DATABASE = 'app.0';

test('[AE42] requests are taken between two full messages', async () => {
  const cluster = new FakeCluster(['a', 'b'], { link: { snapshotRecordsMin: 1e9 } });
  for (let i = 0; i < 1000; i++) cluster.get('a').engine.write(DATABASE, 4, 400);
  await cluster.time.advance(10);
  let inOneGo = 0;
  const counts: number[] = [];
  cluster.network.filter = (passing) => {
    if (passing.to !== 'b' || passing.message.type !== 'data') return true;
    counts.push(++inOneGo);
    queueMicrotask(() => (inOneGo = 0));
    return true;
  };
  await cluster.link('a', 'b');
  await cluster.time.until(() => cluster.isConverged(DATABASE));
  expect(counts.length).toBeGreaterThan(5);
  expect(Math.max(...counts)).toBe(1);
  cluster.close();
});

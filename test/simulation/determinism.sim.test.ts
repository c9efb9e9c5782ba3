/**
 * @module
 * The simulation itself: it repeats, it depends on its seed, and its parts do what they say.
 */
import { expect, test } from 'vitest';
import { describePlan, makePlan } from './plan.ts';
import { runPlan } from './run-plan.ts';
import { SeededRandom } from './seeded-random.ts';
import { VirtualTime } from './virtual-time.ts';

test('one seed has one trace: every event, every byte on the wire, every outcome', async () => {
  for (const seed of [3, 14, 159]) {
    const [a, b] = [await runPlan(makePlan(seed)), await runPlan(makePlan(seed))];
    expect(a.problems).toEqual([]);
    expect(b.digest).toBe(a.digest);
    expect(b.counters).toEqual(a.counters);
  }
});

test('seeds differ, also neighbouring ones', async () => {
  expect(describePlan(makePlan(1))).not.toBe(describePlan(makePlan(2)));
  const streams = [1, 2, 3].map((seed) => new SeededRandom(seed).fork('plan').bytes(16).join());
  expect(new Set(streams).size).toBe(3);
});

test('virtual time runs events in order and lets promise chains of any length finish between them', async () => {
  const time = new VirtualTime();
  const seen: string[] = [];
  const chain = async (): Promise<void> => {
    for (let i = 0; i < 1000; i++) await Promise.resolve();
    seen.push(`chain done at ${time.now}`);
  };
  time.after(20, () => seen.push('second'));
  const cancel = time.after(15, () => seen.push('cancelled'));
  time.after(10, () => {
    seen.push('first');
    cancel();
    void chain();
  });
  time.after(30, () => seen.push('too late'));
  expect(await time.run(25)).toBe(false);
  expect(seen).toEqual(['first', 'chain done at 10', 'second']);
  expect(time.now).toBe(25);
});

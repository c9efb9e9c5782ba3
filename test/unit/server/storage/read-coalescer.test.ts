import { expect, test } from 'vitest';
import { ReadCoalescer } from '../../../../server/storage/read-coalescer.ts';

test('reads issued together travel together, and those issued meanwhile travel next', async () => {
  const trips: string[][] = [];
  const coalescer = new ReadCoalescer<string, string>(async (keys) => {
    trips.push([...keys]);
    await Promise.resolve();
    return keys.map((key) => key.toUpperCase());
  });
  expect(await Promise.all(['a', 'b', 'a'].map((key) => coalescer.get(key)))).toEqual(['A', 'B', 'A']);
  expect(trips).toEqual([['a', 'b', 'a']]);
  expect(await coalescer.get('c')).toBe('C');
  expect(trips.length).toBe(2);
});

test('a key that cannot be read fails its own reader only; a failed trip fails all of its readers and no later one', async () => {
  let isBroken = false;
  const coalescer = new ReadCoalescer<string, string>(async (keys) => {
    if (isBroken) throw new Error('trip failed');
    return keys.map((key) => (key === 'bad' ? new Error('key failed') : key));
  });
  const settled = await Promise.allSettled(['x', 'bad', 'y'].map((key) => coalescer.get(key)));
  expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  isBroken = true;
  await expect(Promise.all([coalescer.get('x'), coalescer.get('y')])).rejects.toThrow('trip failed');
  isBroken = false;
  expect(await coalescer.get('x')).toBe('x');
});

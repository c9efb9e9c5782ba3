/**
 * @module
 * Owns work done by several hands.
 */

/** Runs `body` for every item, `width` at a time; the first failure ends it. */
export async function forEachConcurrently<T>(
  items: Iterable<T>,
  width: number,
  body: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.iterator]();
  const work = async (): Promise<void> => {
    for (let next = iterator.next(); next.done !== true; next = iterator.next()) await body(next.value);
  };
  await Promise.all(Array.from({ length: width }, work));
}

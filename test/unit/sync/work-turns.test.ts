/**
 * Whose turn it is: the order of kinds of work, and what clients that wait get of it.
 */
import { expect, test } from 'vitest';
import { PATIENCE_MS, PORTION_DOCUMENTS, WorkTurns } from '../../../sync/work-turns.ts';
import type { WorkKind } from '../../../sync/work-turns.ts';

/** Turns of an event loop that moves on only in `turn`, and of a clock that does in `pass`. */
function start() {
  const waiting: (() => void)[] = [];
  const timers = new Set<{ leftMs: number; run: () => void }>();
  const turns = new WorkTurns({
    soon: (run) => void waiting.push(run),
    after: (leftMs, run) => {
      const timer = { leftMs, run };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
  });
  const done: string[] = [];
  const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));
  return {
    done,
    timers,
    work: (name: string, kind: WorkKind, documents: number) =>
      void turns.next(kind, documents).then(() => done.push(name)),
    /** A write of a client; returns what ends it. */
    write: (): (() => Promise<void>) => {
      let end!: () => void;
      void turns.serve(() => new Promise<void>((resolve) => (end = resolve)));
      return () => {
        end();
        return settle();
      };
    },
    turn: async () => {
      for (const run of waiting.splice(0)) run();
      await settle();
    },
    pass: async (ms: number) => {
      for (const timer of timers) if ((timer.leftMs -= ms) <= 0 && timers.delete(timer)) timer.run();
      await settle();
    },
    settle,
  };
}

test('[AE31] one portion is merged per turn of the event loop, batches before documents of a snapshot, upkeep last', async () => {
  const { work, done, turn, settle } = start();
  work('first', 'snapshot', 1);
  work('upkeep', 'upkeep', 2);
  work('second', 'snapshot', 1);
  work('batch', 'batches', 1);
  await settle();
  expect(done).toEqual(['first']);
  await turn();
  expect(done).toEqual(['first', 'batch']);
  await turn();
  expect(done).toEqual(['first', 'batch', 'second']);
  await turn();
  expect(done).toEqual(['first', 'batch', 'second', 'upkeep']);
});

test('[AE60] work is begun when as many documents as it has were merged before it, however much more there is', async () => {
  const { work, done, turn, settle } = start();
  for (let i = 0; i < 8; i++) work('batch', 'batches', 2);
  for (let i = 0; i < 3; i++) work('snapshot', 'snapshot', 4);
  for (let i = 0; i < 2; i++) work('upkeep', 'upkeep', 6);
  await settle();
  for (let i = 0; i < 12; i++) await turn();
  // The first batch was begun before anything else was there.
  const expected = 'batch batch batch snapshot upkeep batch batch snapshot upkeep batch batch snapshot batch';
  expect(done.join(' ')).toBe(expected);
});

test('[AE60] what was passed over while nothing of a kind waited does not count', async () => {
  const { work, done, turn } = start();
  for (let i = 0; i < 3; i++) work('batch', 'batches', 4);
  for (let i = 0; i < 3; i++) await turn();
  work('batch', 'batches', 1);
  work('upkeep', 'upkeep', 2);
  work('last', 'batches', 1);
  for (let i = 0; i < 3; i++) await turn();
  expect(done).toEqual(['batch', 'batch', 'batch', 'batch', 'last', 'upkeep']);
});

test('[AE40] a portion waits until no write of a client is under way, and those who were answered had a turn', async () => {
  const { work, write, done, turn, timers } = start();
  const endFirst = write();
  for (const name of ['a', 'b', 'c']) work(name, 'batches', PORTION_DOCUMENTS);
  await turn();
  expect(done).toEqual(['a']);
  const endSecond = write();
  await endFirst();
  await turn();
  expect(done).toEqual(['a']);
  await endSecond();
  // The client that was answered writes again at once.
  const endThird = write();
  await turn();
  expect(done).toEqual(['a']);
  await endThird();
  await turn();
  expect(done).toEqual(['a', 'b']);
  await turn();
  expect(done).toEqual(['a', 'b', 'c']);
  expect(timers.size).toBe(0);
});

test('[AE40] merging goes on however many clients write', async () => {
  const { work, write, done, turn, pass } = start();
  write();
  for (const name of ['a', 'b', 'c']) work(name, 'batches', PORTION_DOCUMENTS);
  await turn();
  await pass(PATIENCE_MS - 1);
  await turn();
  expect(done).toEqual(['a']);
  await pass(1);
  await turn();
  expect(done).toEqual(['a', 'b']);
  await turn();
  await pass(PATIENCE_MS);
  await turn();
  expect(done).toEqual(['a', 'b', 'c']);
});

test('[AE40] what is less than a portion does not wait for clients', async () => {
  const { work, write, done, turn } = start();
  write();
  for (const name of ['a', 'b', 'c']) work(name, 'batches', 1);
  for (let i = 0; i < 3; i++) await turn();
  expect(done).toEqual(['a', 'b', 'c']);
});

test('[AE40] a write that fails is not waited for', async () => {
  const turns = new WorkTurns({ after: () => () => undefined });
  await expect(turns.serve(() => Promise.reject(new Error('refused')))).rejects.toThrow('refused');
  await turns.next('batches', PORTION_DOCUMENTS);
  await turns.next('batches', PORTION_DOCUMENTS);
});

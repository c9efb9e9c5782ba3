/**
 * Whose turn it is: the order of kinds of work, and what clients that wait get of it.
 */
import { expect, test } from 'vitest';
import { GroupCommit } from '../../../sync/group-commit.ts';
import { MemoryStore } from '../../../sync/index.ts';
import { PORTION_DOCUMENTS, WorkTurns } from '../../../sync/work-turns.ts';

const NOTHING = { seal: () => ({ operations: [], durable: () => undefined }) };

/** Turns of an event loop that moves on only in `turn`, over a store whose writes wait for `persist`. */
function start() {
  const waiting: (() => void)[] = [];
  const writes: (() => void)[] = [];
  const soon = (run: () => void): void => void waiting.push(run);
  const store = new MemoryStore({
    intercept: (access) => (access.type === 'batch' ? new Promise<void>((resolve) => writes.push(resolve)) : undefined),
  });
  const commit = new GroupCommit(store, () => undefined, soon);
  const turns = new WorkTurns(commit, soon);
  const done: string[] = [];
  const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));
  return {
    commit,
    done,
    work: (name: string, kind: 'batches' | 'snapshot', documents: number) =>
      void turns.next(kind, documents).then(() => done.push(name)),
    turn: async () => {
      for (const run of waiting.splice(0)) run();
      await settle();
    },
    persist: async () => {
      for (const run of writes.splice(0)) run();
      await settle();
    },
    settle,
  };
}

test('[AE31] one portion is merged per turn of the event loop, batches before documents of a snapshot', async () => {
  const { work, done, turn, settle } = start();
  work('first', 'snapshot', 1);
  work('second', 'snapshot', 1);
  work('batch', 'batches', 1);
  await settle();
  expect(done).toEqual(['first']);
  await turn();
  expect(done).toEqual(['first', 'batch']);
  await turn();
  expect(done).toEqual(['first', 'batch', 'second']);
});

test('[AE31] while a client waits for a commit, the next portion goes with the commit after it', async () => {
  const { commit, work, done, turn, persist, settle } = start();
  void commit.join(NOTHING, 'client');
  await turn();
  for (const name of ['a', 'b', 'c']) work(name, 'batches', PORTION_DOCUMENTS);
  await settle();
  void commit.join(NOTHING, 'peer');
  await turn();
  // The client's group is in flight, and the one after it has its portion.
  expect(done).toEqual(['a']);
  await persist();
  await turn();
  expect(done).toEqual(['a', 'b']);
  await persist();
  // Nobody waits any more but peers.
  await turn();
  expect(done).toEqual(['a', 'b', 'c']);
});

test('[AE31] small portions share a commit with those of clients', async () => {
  const { commit, work, done, turn } = start();
  void commit.join(NOTHING, 'client');
  await turn();
  void commit.join(NOTHING, 'peer');
  for (const name of ['a', 'b', 'c']) work(name, 'batches', 1);
  for (let i = 0; i < 3; i++) await turn();
  expect(done).toEqual(['a', 'b', 'c']);
});

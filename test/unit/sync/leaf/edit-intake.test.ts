import { afterEach, beforeEach, expect, test } from 'vitest';
import { CrdtDocument } from '../../../../crdt/index.ts';
import { createReplica, SyncError, type Database, type Replica } from '../../../../sync/index.ts';
import { takeEdit } from '../../../../sync/host/edit-intake.ts';
import type { LeafOutcome } from '../../../../sync/leaf/message.ts';

const CLIENT = 2 ** 52 + 5;
const busy = new SyncError('SYNC_CLOSED', 'not now', { retryable: true });

let replica: Replica;
let database: Database;
beforeEach(async () => {
  replica = await createReplica();
  await replica.createDatabase('app');
  database = replica.database('app');
});
afterEach(() => replica.close());

function take(): Promise<LeafOutcome> {
  const author = { client: CLIENT, stamp: 1 };
  const update = CrdtDocument.create().change({ kind: 'replace', value: { by: 'leaf' } }, author)!;
  const place = { database, collection: 'todos', isBehind: false, writers: new Set([CLIENT]), bytesMax: 100_000 };
  return takeEdit(place, { subscription: 1, id: 't1', isBeginning: true, isAfterDelete: false, generation: 0, update });
}

test('[LF5] a database that takes no writes just now takes none of leaves, which send them again', async () => {
  database.refuseWrites(busy);
  expect(await take()).toEqual({ kind: 'later' });
  expect(await database.get('todos', 't1')).toBe(null);
  database.refuseWrites(null);
  expect(await take()).toEqual({ kind: 'taken' });
});

test('[LF5] … nor does one that is closed while the document is read', async () => {
  const taking = take();
  database.close();
  expect(await taking).toEqual({ kind: 'later' });
});

test('[LF5] … nor does a node that may not write any more', async () => {
  database.parts.epoch.end = busy;
  expect(await take()).toEqual({ kind: 'later' });
  database.parts.epoch.end = null;
  expect(await take()).toEqual({ kind: 'taken' });
});

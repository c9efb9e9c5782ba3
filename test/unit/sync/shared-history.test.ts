import { expect, test } from 'vitest';
import * as Y from 'yjs';
import { openDocument } from '../../../crdt/index.ts';
import { readHistory, SharedDocument } from '../../../sync/index.ts';
import { ReplicaCluster } from './replica-fixture.ts';

test('[YJ61] [YJ80] what clients sent one after another has entries of its own, with paths and the node that took it; what came together has one', async () => {
  const cluster = new ReplicaCluster();
  const { replica } = await cluster.start('a', []);
  await replica.createDatabase('app');
  const database = replica.database('app');
  const shared = new SharedDocument(database, 'c', 'd', () => undefined);
  await shared.open();
  const doc = new Y.Doc();
  const live = openDocument<{ title: string }>(doc, { now: () => cluster.time.now() });
  const send = async (): Promise<void> => {
    const update = Y.encodeStateAsUpdate(doc, shared.stateVector());
    expect(shared.merge([{ update, admission: { isReadOnly: false, bytesMax: 1_000_000 } }]).size).toBe(0);
    await shared.settled();
  };
  doc.getText('body').insert(0, 'hello');
  await send();
  doc.getText('body').delete(0, 1);
  await send();
  doc.getText('body').delete(0, 1);
  await send();
  live.set('/title', 'a');
  await send();
  const together = [new Y.Doc(), new Y.Doc()].map((other, index) => {
    Y.applyUpdate(other, Y.encodeStateAsUpdate(doc));
    const known = Y.encodeStateVector(other);
    other.getText(index === 0 ? 'body' : 'note').insert(0, 'x');
    const admission = { isReadOnly: false, bytesMax: 1_000_000 };
    return { update: Y.encodeStateAsUpdate(other, known), admission };
  });
  expect(shared.merge(together).size).toBe(0);
  await shared.settled();
  const page = await readHistory(database, 'c', 'd', { limit: 10 });
  expect(page!.entries.map(({ paths, replica: node }) => [node, paths])).toEqual(
    expect.arrayContaining([
      ['a', ['/body', '/note']],
      ['a', ['/title']],
      ['a', ['/body']],
      ['a', ['/body']],
      ['a', ['/body']],
    ]),
  );
  expect(page!.entries.filter(({ paths }) => paths[0] === '/body')).toHaveLength(4);
  // Pages join.
  const joined = [];
  let next = null;
  do {
    const each = await readHistory(database, 'c', 'd', { limit: 1, ...(next && { before: next }) });
    joined.push(...each!.entries);
    next = each!.next;
  } while (next !== null);
  expect(joined).toEqual(page!.entries);
  shared.close();
  await cluster.close();
});

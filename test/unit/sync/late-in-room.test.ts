/** Editors of a document that was compacted here, while somebody wrote elsewhere. */
import { expect, test } from 'vitest';
import * as Y from 'yjs';
import { SharedDocument } from '../../../sync/index.ts';
import { isLinked, ReplicaCluster } from './replica-fixture.ts';

const ADMISSION = { isReadOnly: false, bytesMax: 1_000_000 };

/** As room.ts does it: what is durable is told to who has the document open. */
test('[CP7] an editor that loaded a compacted document sees what comes late from another node', async () => {
  const cluster = new ReplicaCluster();
  const options = { compaction: { intervalMs: 1e9, quietMs: 0, bytesMin: 0, ratioMin: 0, shareMax: 100 } };
  const started = [await cluster.start('a', [], options)];
  started.push(await cluster.start('b', ['a'], options));
  await cluster.until(() => isLinked(started[0]!, started[1]!));
  // Whoever comes first compacts.
  const [one, two] = started.sort((x, y) => (x.replica.nodeId < y.replica.nodeId ? -1 : 1));
  await one!.replica.createDatabase('app');
  await cluster.until(() => two!.replica.status().databases.some(({ name }) => name === 'app'));
  const [here, there] = [one!.replica.database('app'), two!.replica.database('app')];
  const told: Uint8Array[] = [];
  const author = new Y.Doc();
  const at = async (database: typeof here, watcher: (updates: readonly Uint8Array[] | null) => void) => {
    const shared = new SharedDocument(database, 'c', 'd', watcher);
    await shared.open();
    return shared;
  };
  const send = async (shared: SharedDocument): Promise<void> => {
    const update = Y.encodeStateAsUpdate(author, shared.stateVector());
    expect(shared.merge([{ update, admission: ADMISSION }]).size).toBe(0);
    await shared.settled();
  };
  const first = await at(here, () => undefined);
  author.getText('t').insert(0, 'abc');
  await send(first);
  author.getText('t').delete(1, 1);
  await send(first);
  first.close();
  await cluster.time.advance(600_000);
  // An editor works at the other node, which hears of no compaction for a while.
  cluster.network.cut.add('a|b');
  const other = await at(there, () => undefined);
  await one!.replica.upkeep.compactor.compact();
  expect(one!.replica.status().databases.find(({ name }) => name === 'app')!.compaction.compacted).toBe(1);
  author.getText('t').insert(1, 'X');
  await send(other);
  // Another one opens the document here.
  const page = new Y.Doc();
  const again = await at(here, (updates) => told.push(...(updates ?? [])));
  Y.applyUpdate(page, again.diff(Y.encodeStateVector(page)));
  expect(page.getText('t').toString()).toBe('ac');
  cluster.network.cut.clear();
  await cluster.time.advance(120_000);
  for (const update of told) Y.applyUpdate(page, update);
  const server = new Y.Doc();
  Y.applyUpdate(server, again.diff(Y.encodeStateVector(server)));
  expect(server.getText('t').toString()).toBe('aXc');
  expect(page.getText('t').toString()).toBe('aXc');
  again.close();
  other.close();
  await cluster.close();
});

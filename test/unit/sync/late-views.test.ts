/**
 * @module
 * What is written of a large document while somebody types in it, and when its view is completed.
 */
import { afterEach, expect, test } from 'vitest';
import * as Y from 'yjs';
import { ChangeFeed, defineIndex, describeIndex, MemoryStore, SharedDocument } from '../../../sync/index.ts';
import type { Database, FeedChange, StoreAccess } from '../../../sync/index.ts';
import { decodeView } from '../../../sync/document-record.ts';
import { viewKey } from '../../../sync/key.ts';
import { idleTimers } from '../../helper/manual-ports.ts';
import { ReplicaCluster } from './replica-fixture.ts';

const ADMISSION = { isReadOnly: false, bytesMax: 16_777_216 };
const LENGTH = 1_000_000;
const clusters: ReplicaCluster[] = [];
afterEach(async () => {
  for (const cluster of clusters.splice(0)) await cluster.close();
});

/** A node with a large text that an editor has open. */
async function openLargeText(length: number = LENGTH): Promise<{
  readonly cluster: ReplicaCluster;
  readonly database: Database;
  /** Types one character, and resolves with the bytes that were written for it. */
  readonly type: () => Promise<number>;
  readonly isLate: () => Promise<boolean>;
  /** What the next batches wait for. */
  readonly delays: Promise<void>[];
}> {
  let written = 0;
  const delays: Promise<void>[] = [];
  const intercept = (access: StoreAccess): void | Promise<void> => {
    if (access.type !== 'batch') return;
    for (const operation of access.operations) if (operation.type === 'put') written += operation.value.length;
    return delays.shift();
  };
  const cluster = new ReplicaCluster();
  clusters.push(cluster);
  const store = new MemoryStore({ intercept });
  const { replica } = await cluster.start('a', [], { store });
  await replica.createDatabase('app');
  const database = replica.database('app');
  const shared = new SharedDocument(database, 'c', 'd', () => {});
  await shared.open();
  const editor = new Y.Doc();
  const merge = async (update: Uint8Array): Promise<void> => {
    expect(shared.merge([{ update, admission: ADMISSION }]).size).toBe(0);
    await shared.settled();
  };
  editor.getText('text').insert(0, 'x'.repeat(length));
  await merge(Y.encodeStateAsUpdate(editor));
  return {
    cluster,
    database,
    delays,
    type: async () => {
      const before = Y.encodeStateVector(editor);
      editor.getText('text').insert(length / 2, 'y');
      const bytes = written;
      await merge(Y.encodeStateAsUpdate(editor, before));
      return written - bytes;
    },
    isLate: async () => decodeView((await store.get(viewKey(database.parts.db, 'c', 'd')))!).json === null,
  };
}

const FOLLOW = { collection: 'c', documents: true, since: 'now', onChange: (): void => {} };

async function readAll(feed: ChangeFeed): Promise<FeedChange[]> {
  const changes: FeedChange[] = [];
  for (let page = await feed.read(); page !== null; page = await feed.read()) changes.push(...page.changes);
  return changes;
}

async function eventually(isSo: () => boolean): Promise<void> {
  for (let turn = 0; turn < 1000 && !isSo(); turn++) await Promise.resolve();
  expect(isSo()).toBe(true);
}

const lengthIn = (json: Uint8Array): number =>
  (JSON.parse(new TextDecoder().decode(json)) as { text: string }).text.length;

test('[YJ40] a character typed into a large text writes a character, not the text', async () => {
  const { type, isLate } = await openLargeText();
  for (let round = 0; round < 40; round++) expect(await type()).toBeLessThan(8_000);
  expect(await isLate()).toBe(true);
});

test('[YJ40] from 4 KiB of JSON on a text is not written whole', async () => {
  const around = '{"text":""}'.length;
  for (const [bytes, isLate] of [
    [4095, false],
    [4096, true],
  ] as const) {
    const text = await openLargeText(bytes - around);
    await text.type();
    expect(await text.isLate()).toBe(isLate);
  }
});

test('[YJ41] who reads it sees every character, and pays for the text once', async () => {
  const { type, database } = await openLargeText();
  for (let round = 1; round <= 3; round++) {
    await type();
    const stored = await database.get('c', 'd');
    expect(lengthIn(stored!.json)).toBe(LENGTH + round);
    expect(database.peek('c', 'd')).toBe(stored);
    const page = await database.list('c', { limit: 5 });
    expect(page.items.map(({ etag, json }) => [etag, lengthIn(json)])).toEqual([[stored!.etag, LENGTH + round]]);
  }
});

test('[YJ41] statistics count a text as it was when its JSON was last stored', async () => {
  const { type, database, cluster } = await openLargeText();
  const { bytes } = database;
  await type();
  expect(database.bytes).toBe(bytes);
  await cluster.time.advance(12_000);
  expect(database.bytes).toBe(bytes + 1);
});

test('[YJ40] the view is completed when nobody types, and not before', async () => {
  const { type, isLate, cluster } = await openLargeText();
  for (let second = 0; second < 12; second++) {
    await type();
    await cluster.time.advance(1000);
    expect(await isLate()).toBe(true);
  }
  await cluster.time.advance(10_000);
  expect(await isLate()).toBe(false);
});

test('[YJ40] while somebody follows a feed that sends documents, views are stored whole', async () => {
  const { type, isLate, database } = await openLargeText();
  const feed = ChangeFeed.open(database, idleTimers, FOLLOW);
  await type();
  expect(await isLate()).toBe(false);
  feed.close();
  await type();
  expect(await isLate()).toBe(true);
});

test('[YJ40] a feed without documents, or of another collection, tells of changes, and nothing is rendered for it', async () => {
  const { type, isLate, database } = await openLargeText();
  await type();
  const { collection, onChange } = FOLLOW;
  const feed = ChangeFeed.open(database, idleTimers, { collection, documents: false, onChange });
  const other = ChangeFeed.open(database, idleTimers, { ...FOLLOW, collection: 'others' });
  const told: FeedChange[] = [];
  for (let round = 0; round < 3; round++) {
    told.push(...(await readAll(feed)));
    expect(told.map(({ id, json }) => [id, json === null])).toEqual(Array(round + 1).fill(['d', false]));
    expect(await isLate()).toBe(true);
    expect(await type()).toBeLessThan(8_000);
  }
  // Who wants documents is given them, also of changes that the others have been told without.
  const whole = ChangeFeed.open(database, idleTimers, { ...FOLLOW, since: told.at(-1)!.cursor });
  const changes = (await readAll(whole)).map(({ json }) => lengthIn(json!));
  expect(changes).toEqual([LENGTH + 4]);
  const [last] = await readAll(feed);
  expect(last!.etag).toBe((await database.get('c', 'd'))!.etag);
  for (const each of [feed, other, whole]) each.close();
});

test('[YJ41] a feed that begins while a change without JSON is on its way tells it with its JSON', async () => {
  const { type, database, delays } = await openLargeText();
  const told: number[] = [];
  let open = (): void => {};
  delays.push(new Promise((resolve) => (open = resolve)));
  const typed = type();
  await eventually(() => delays.length === 0);
  const feed = ChangeFeed.open(database, idleTimers, FOLLOW);
  while ((await feed.read()) !== null);
  open();
  await typed;
  for (let page = await feed.read(); page !== null; page = await feed.read())
    for (const { json } of page.changes) told.push(json === null ? -1 : lengthIn(json));
  feed.close();
  expect(told).toEqual([LENGTH + 1]);
});

test('[YJ40] a collection with an index has whole views, also of what was changed before it had one', async () => {
  const { type, isLate, database, cluster } = await openLargeText();
  await type();
  expect(await isLate()).toBe(true);
  await defineIndex(database, 'c', 'i', { paths: ['/n'] });
  await cluster.until(() => describeIndex(database, 'c', 'i')?.state === 'ready');
  expect(await isLate()).toBe(false);
  await type();
  expect(await isLate()).toBe(false);
});

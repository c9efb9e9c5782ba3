/** Editors that are connected to a document, or come back to it, when it leaves its history behind. */
import { afterEach, expect, test } from 'vitest';
import * as Y from 'yjs';
import { CrdtError, generationClientOf, GenerationalDocument } from '../../../crdt/index.ts';
import { DocumentSlot } from '../../../sync/document-slot.ts';
import { SharedDocument } from '../../../sync/index.ts';
import { ReplicaCluster } from './replica-fixture.ts';
import type { Member } from './replica-fixture.ts';

const NEW = Uint8Array.of(0);
const EDITOR = { isReadOnly: false, bytesMax: 1_000_000 } as const;

/** One update of one editor. */
function merge(shared: SharedDocument, update: Uint8Array): void {
  for (const error of shared.merge([{ update, admission: EDITOR }]).values()) throw error;
}
let cluster: ReplicaCluster;

afterEach(() => cluster.close());

/** A node with a document that has grown, to be compacted by hand. */
async function start(): Promise<Member> {
  cluster = new ReplicaCluster();
  const node = await cluster.start('a', [], {
    compaction: { intervalMs: 1e9, bytesMin: 500, ratioMin: 2, quietMs: 0 },
  });
  await node.replica.createDatabase('app');
  const write = (...operations: readonly object[]): Promise<unknown> =>
    node.replica.database('app').write('c', 'd', { kind: 'operations', operations: operations as never });
  await write({ op: 'append', path: '/list', value: 'first' });
  const edits: object[] = [];
  for (let i = 0; i < 90; i++) {
    edits.push({ op: 'text-insert', path: '/text', index: i % 2, value: `${i % 10}` });
    if (i % 3 > 0) edits.push({ op: 'text-delete', path: '/text', index: (i * 7) % 2, length: 1 });
  }
  await write(...edits);
  return node;
}

const compact = ({ replica }: Member): Promise<void> => replica.upkeep.compactor.compact();
const compacted = ({ replica }: Member): number => replica.status().databases[0]!.compaction.compacted;

async function show({ replica }: Member): Promise<unknown> {
  return JSON.parse(new TextDecoder().decode((await replica.database('app').get('c', 'd'))!.json));
}

function refusalOf(run: () => unknown): { code: string; retryable: boolean } | null {
  try {
    run();
    return null;
  } catch (error) {
    if (!(error instanceof CrdtError)) throw error;
    return { code: error.code, retryable: error.retryable };
  }
}

test('[CR24] [GC33] who is connected is told to begin anew, and nothing made of what was is taken', async () => {
  const node = await start();
  const told: (readonly Uint8Array[] | null)[] = [];
  const shared = new SharedDocument(node.replica.database('app'), 'c', 'd', (updates) => void told.push(updates));
  await shared.open();
  const editor = new Y.Doc();
  Y.applyUpdate(editor, shared.diff(NEW));
  const known = Y.encodeStateVector(editor);
  await compact(node);
  // Nothing that concerns an editor.
  expect(told).toEqual([[]]);
  await compact(node);
  expect(compacted(node)).toBe(1);
  expect(told.at(-1)).toBe(null);
  // Who is here again brings what it has, and is refused before it is told anything.
  expect(refusalOf(() => shared.diff(known))).toEqual({ code: 'CRDT_UPDATE_FENCED', retryable: false });
  const fresh = new Y.Doc();
  Y.applyUpdate(fresh, shared.diff(NEW));
  fresh.getText('body').insert(0, 'typed');
  merge(shared, Y.encodeStateAsUpdate(fresh, shared.stateVector()));
  await shared.settled();
  expect(await show(node)).toMatchObject({ body: 'typed', list: ['first'] });
  shared.close();
});

test('[GC33] what comes between the compaction and the news of it is not taken either', async () => {
  const node = await start();
  const told: (readonly Uint8Array[] | null)[] = [];
  const shared = new SharedDocument(node.replica.database('app'), 'c', 'd', (updates) => void told.push(updates));
  await shared.open();
  const editor = new Y.Doc();
  Y.applyUpdate(editor, shared.diff(NEW));
  const known = Y.encodeStateVector(editor);
  await compact(node);
  const done = compact(node);
  const isCompacted = (): boolean => generationClientOf(Y.decodeStateVector(shared.stateVector()).keys()) !== 0;
  for (let turns = 0; !isCompacted() && turns < 10_000; turns++) await Promise.resolve();
  expect([isCompacted(), told.includes(null)]).toEqual([true, false]);
  // It names nothing of what nodes wrote.
  editor.getText('body').insert(0, 'typed');
  const update = Y.encodeStateAsUpdate(editor, known);
  const refused = { code: 'CRDT_UPDATE_FENCED', retryable: true };
  expect(refusalOf(() => merge(shared, update))).toEqual(refused);
  // Also when somebody else is shown the new one already.
  shared.diff(NEW);
  expect(refusalOf(() => merge(shared, update))).toEqual(refused);
  await done;
  expect(compacted(node)).toBe(1);
  expect(refusalOf(() => merge(shared, update))).toEqual(refused);
  expect(await show(node)).not.toHaveProperty('body');
  shared.close();
});

test('[GC33] what an editor types while a document is being compacted stays, and the compaction is given up', async () => {
  const node = await start();
  const shared = new SharedDocument(node.replica.database('app'), 'c', 'd', () => undefined);
  await shared.open();
  const editor = new Y.Doc();
  Y.applyUpdate(editor, shared.diff(NEW));
  await compact(node);
  const type = async (at: number, text: string): Promise<void> => {
    editor.getText('body').insert(at, text);
    merge(shared, Y.encodeStateAsUpdate(editor, shared.stateVector()));
    await shared.settled();
  };
  await type(0, 'typed');
  for (let i = 0; i < 3; i++) await compact(node);
  expect(compacted(node)).toBe(0);
  await type(5, ' on');
  expect(await show(node)).toMatchObject({ body: 'typed on', list: ['first'] });
  shared.close();
});

test('[GC33] editors are told Yjs updates only, also of a document that comes at once with its first write and a successor', () => {
  const document = GenerationalDocument.create();
  const client = 2 ** 33;
  const first = document.change({ kind: 'replace', value: { n: 1 } }, { client, stamp: 1 })!;
  const { json } = document.view();
  const prepared = document.prepare('x.1')!;
  const slot = new DocumentSlot('c', 1, 'c', 'd');
  slot.document = document;
  slot.unsaved = [{ json: new TextEncoder().encode(json), stamp: 1, client }, prepared];
  slot.seal();
  expect(slot.sealedUpdates()).toEqual([first]);
});

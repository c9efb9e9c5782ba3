import { describe, expect, expectTypeOf, test } from 'vitest';
import * as Y from 'yjs';
import { CrdtDocument, encodeStamp, openDocument, mergeClient } from '../../../crdt/index.ts';
import type { At, Author, Change, LiveDocument, LiveEvent, LiveOptions, Path } from '../../../crdt/index.ts';

const NODE = 2 ** 32 + 7;
const NOW = Date.UTC(2026, 0);

interface Task {
  title: string;
  done?: boolean;
  visits: number;
  tags: string[];
  steps: { text: string; done: boolean }[];
  body: string;
  'a/b~c': { deep: number };
}

let stamp = encodeStamp(NOW, 0);

/** A node with one document, and pages in step with it or not. */
class Node {
  document: CrdtDocument = CrdtDocument.create();
  readonly policy: Author['deletePolicy'];

  constructor(policy: Author['deletePolicy'] = 'update-wins') {
    this.policy = policy;
  }

  write(change: Change): void {
    this.document.change(change, this.#author());
  }

  patch(patch: object): void {
    this.write({ kind: 'merge-patch', patch: patch as never });
  }

  sync(doc: Y.Doc): void {
    const update = Y.encodeStateAsUpdate(doc, this.document.encodeStateVector());
    mergeClient(this.document, update, { isReadOnly: false, bytesMax: 1_000_000 }, this.#author());
    if (this.document.view().exists) Y.applyUpdate(doc, this.document.encodeDiff(Y.encodeStateVector(doc)), 'provider');
  }

  get json(): unknown {
    const { json } = this.document.view();
    return json === '' ? undefined : JSON.parse(json);
  }

  #author(): Author {
    stamp += 4096;
    return { client: NODE, stamp, ...(this.policy && { deletePolicy: this.policy }) };
  }
}

function page(options: LiveOptions = {}): { doc: Y.Doc; live: LiveDocument<Task>; events: LiveEvent[] } {
  const doc = new Y.Doc();
  const live = openDocument<Task>(doc, { now: () => NOW, ...options });
  const events: LiveEvent[] = [];
  live.observe((event) => events.push(event));
  return { doc, live, events };
}

describe('[VW1] a page has the JSON that REST has', () => {
  test('members, arrays, sets, texts, counters and what editors wrote', () => {
    const node = new Node();
    const { doc, live } = page();
    node.patch({ title: 'a', steps: [{ text: 'x', done: false }], 'a/b~c': { deep: 1 } });
    node.write({ kind: 'operations', operations: [{ op: 'increment', path: '/visits', value: 3 }] });
    node.write({ kind: 'operations', operations: [{ op: 'set-add', path: '/tags', value: 'red' }] });
    doc.getText('body').insert(0, 'Hello');
    node.sync(doc);
    expect(live.json).toEqual(node.json);
    expect(live.get('/steps/0/text')).toBe('x');
    expect(live.get('/a~1b~0c/deep')).toBe(1);
    expect(live.get('/done')).toBeUndefined();
    expect(live.text('/body')).toBe(doc.getText('body'));
    expect(live.text('/title')).toBeUndefined();
  });

  test('what it writes is what REST shows', () => {
    const node = new Node();
    const { doc, live } = page();
    live.set('/title', 'a');
    live.set('/a~1b~0c/deep', 2);
    live.increment('/visits', 2);
    live.setAdd('/tags', 'red');
    live.setAdd('/tags', 'blue');
    live.setRemove('/tags', 'red');
    live.append('/steps', { text: 'x', done: false });
    live.insert('/steps', 0, { text: 'w', done: false });
    live.append('/steps', { text: 'y', done: false });
    live.move('/steps', 2, 0);
    live.remove('/steps', 2);
    live.set('/steps/1/done', true);
    live.textInsert('/body', 0, 'Hello');
    live.textDelete('/body', 0, 1);
    live.set('/done', true);
    live.delete('/done');
    live.delete('/done');
    node.sync(doc);
    const expected = {
      'a/b~c': { deep: 2 },
      body: 'ello',
      steps: [
        { text: 'y', done: false },
        { text: 'w', done: true },
      ],
      tags: ['blue'],
      title: 'a',
      visits: 2,
    };
    expect(node.json).toEqual(expected);
    expect(live.json).toEqual(expected);
    live.set('', { ...expected, title: 'b' });
    node.sync(doc);
    expect(node.json).toEqual({ ...expected, title: 'b' });
  });

  test('conflicts are those of the node, and are settled from either side', () => {
    const node = new Node();
    const { doc, live } = page({ now: () => NOW + 1000 });
    node.patch({ title: 'a' });
    node.sync(doc);
    live.set('/title', 'page');
    node.patch({ title: 'node' });
    node.sync(doc);
    const [conflict] = live.conflicts;
    expect(conflict).toMatchObject({ path: '/title', shown: 'page', others: [{ value: 'node' }] });
    expect(live.conflicts).toEqual(node.document.conflicts());
    const { stamp: at, client } = conflict!.others[0]!;
    live.resolve({ path: '/title', restore: { stamp: at, client } });
    node.sync(doc);
    expect([live.json, live.conflicts, node.json, node.document.conflicts()]).toEqual([
      { title: 'node' },
      [],
      { title: 'node' },
      [],
    ]);
  });

  test('a later clock is shown, and a page follows the clock of others a little', () => {
    const node = new Node();
    const { doc, live } = page({ now: () => NOW - 30_000 });
    node.patch({ title: 'a' });
    node.sync(doc);
    live.set('/title', 'page');
    node.sync(doc);
    expect(node.document.view().modified).toBeGreaterThan(encodeStamp(NOW, 0));
  });

  test('… and not of one that is days ahead, which no node would take from it', () => {
    const node = new Node();
    const { doc, live } = page();
    const ahead = { client: NODE + 1, stamp: encodeStamp(NOW + 48 * 3_600_000, 0) };
    node.document.change({ kind: 'replace', value: { title: 'ahead' } }, ahead);
    node.sync(doc);
    live.set('/visits', 1);
    node.sync(doc);
    expect(node.json).toEqual({ title: 'ahead', visits: 1 });
  });
});

describe('[VW5] a page and a deleted document', () => {
  test('who had not seen the delete revives the whole document', () => {
    const node = new Node();
    const { doc, live } = page();
    node.patch({ title: 'a', visits: 1 });
    node.sync(doc);
    node.write({ kind: 'delete' });
    live.set('/done', true);
    node.sync(doc);
    expect(node.json).toEqual({ title: 'a', visits: 1, done: true });
  });

  test('or is a readable conflict, by the policy of the collection', () => {
    const node = new Node('delete-wins');
    const { doc, live } = page();
    node.patch({ title: 'a' });
    node.sync(doc);
    node.write({ kind: 'delete' });
    live.set('/done', true);
    node.sync(doc);
    expect(node.json).toBeUndefined();
    expect(node.document.conflicts()).toMatchObject([{ path: '', others: [{ value: { title: 'a', done: true } }] }]);
  });

  test('a new one that another page has gone on with is a new one, too', () => {
    const node = new Node();
    node.patch({ title: 'a' });
    node.write({ kind: 'delete' });
    const [first, second] = [page(), page()];
    first.live.set('/done', true);
    Y.applyUpdate(second.doc, Y.encodeStateAsUpdate(first.doc));
    second.live.set('/visits', 1);
    node.sync(second.doc);
    expect(node.json).toEqual({ done: true, visits: 1 });
  });

  test.each(['update-wins', 'delete-wins'] as const)('who was shown nothing begins a new one (%s)', (policy) => {
    const node = new Node(policy);
    node.patch({ title: 'a' });
    node.write({ kind: 'delete' });
    const { doc, live } = page();
    live.set('/done', true);
    node.sync(doc);
    expect(node.json).toEqual({ done: true });
    expect(live.json).toEqual({ done: true });
  });
});

describe('[VW6] observers', () => {
  test('are told once for each transaction, what changed and by whom', () => {
    const node = new Node();
    const { doc, live, events } = page();
    live.set('/title', 'a');
    expect(events).toEqual([
      { changes: [{ op: 'add', path: '', value: { title: 'a' } }], isLocal: true, origin: live },
    ]);
    doc.transact(() => {
      live.set('/title', 'b');
      live.append('/steps', { text: 'x', done: false });
      doc.getText('body').insert(0, 'Hi');
    }, 'mine');
    expect(events.slice(1)).toEqual([
      {
        changes: [
          { op: 'add', path: '/body', value: 'Hi' },
          { op: 'add', path: '/steps', value: [{ text: 'x', done: false }] },
          { op: 'replace', path: '/title', value: 'b', before: 'a' },
        ],
        isLocal: true,
        origin: 'mine',
      },
    ]);
    node.sync(doc);
    node.patch({ visits: 1 });
    node.write({ kind: 'operations', operations: [{ op: 'remove', path: '/steps', index: 0 }] });
    node.sync(doc);
    expect(events.slice(2)).toEqual([
      {
        changes: [
          { op: 'remove', path: '/steps/0', before: { text: 'x', done: false } },
          { op: 'add', path: '/visits', value: 1 },
        ],
        isLocal: false,
        origin: 'provider',
      },
    ]);
    doc.transact(() => doc.getMap('unseen'));
    live.set('/visits', 1);
    expect(events).toHaveLength(3);
  });

  test('of a path hear of that, and of nothing after they end', () => {
    const { live } = page();
    const heard: unknown[] = [];
    live.set('', {
      title: 'a',
      visits: 0,
      tags: [],
      steps: [{ text: 'x', done: false }],
      body: '',
      'a/b~c': { deep: 1 },
    });
    const end = live.observe(({ changes }) => heard.push(changes), '/steps/0');
    live.set('/visits', 1);
    live.set('/steps/0/done', true);
    live.delete('/steps');
    end();
    live.set('/steps', []);
    expect(heard).toEqual([
      [{ op: 'replace', path: '/steps/0/done', value: true, before: false }],
      [{ op: 'remove', path: '/steps', before: [{ text: 'x', done: true }] }],
    ]);
  });

  test('may write, and read what they wrote', () => {
    const { doc, live } = page();
    live.observe(() => {
      if (live.get('/visits') === undefined) live.set('/visits', 1);
    });
    doc.getText('body').observe(() => live.set('/done', live.get('/done') !== true));
    live.set('/title', 'a');
    doc.getText('body').insert(0, 'Hi');
    expect(live.json).toEqual({ title: 'a', visits: 1, body: 'Hi', done: true });
    const again = new Y.Doc();
    Y.applyUpdate(again, Y.encodeStateAsUpdate(doc));
    expect(openDocument(again).json).toEqual(live.json);
  });

  test('within a transaction each reads what all have written so far', () => {
    const { doc, live, events } = page();
    doc.transact(() => {
      live.set('/title', 'a');
      doc.getText('body').insert(0, 'Hi');
      expect(live.json).toEqual({ title: 'a', body: 'Hi' });
      live.textInsert('/body', 2, '!');
      live.set('/title', 'b');
    });
    expect(live.json).toEqual({ title: 'b', body: 'Hi!' });
    expect(events).toHaveLength(1);
  });

  test('what does not change stays the same object, and cannot be changed by hand', () => {
    const { live } = page();
    live.set('', {
      title: 'a',
      visits: 0,
      tags: ['x'],
      steps: [{ text: 'x', done: false }],
      body: '',
      'a/b~c': { deep: 1 },
    });
    const before = live.json!;
    live.set('/steps/0/done', true);
    live.append('/steps', { text: 'y', done: false });
    const after = live.json!;
    expect(after).not.toBe(before);
    expect([after.tags, after['a/b~c']]).toEqual([before.tags, before['a/b~c']]);
    expect(after.tags).toBe(before.tags);
    const kept = after.steps[0];
    live.remove('/steps', 1);
    expect(live.json!.steps[0]).toBe(kept);
    expect(() => (live.json as Task).tags.push('y')).toThrow(TypeError);
  });
});

describe('[VW7] what a page may not write', () => {
  test.each<readonly [string, string, (live: LiveDocument<Task>) => void]>([
    ['CRDT_TYPE_MISMATCH', 'an increment of a string', (live) => live.increment('/title')],
    ['CRDT_VALUE_INVALID', 'what is not JSON', (live) => live.set('/visits', Number.NaN)],
    ['CRDT_PATCH_TARGET_MISSING', 'an element beyond the end', (live) => live.set('/steps/7/done', true)],
    ['CRDT_POINTER_INVALID', 'a path that is none', (live) => live.set('title' as '/title', 'x')],
    ['CRDT_LIMIT_EXCEEDED', 'too much', (live) => live.set('/title', 'x'.repeat(2_000_000))],
    ['CRDT_PATCH_INVALID', 'the delete of a document', (live) => live.write({ kind: 'delete' } as never)],
    [
      'CRDT_CONFLICT_MISSING',
      'a choice where there is none',
      (live) => live.resolve({ path: '/title', keep: 'shown' }),
    ],
  ])('%s: %s', (code, _what, act) => {
    const { doc, live, events } = page();
    live.set('/title', 'a');
    live.set('/steps', []);
    const before = Y.encodeStateAsUpdate(doc);
    expect(() => act(live)).toThrow(expect.objectContaining({ code }));
    expect(Y.encodeStateAsUpdate(doc)).toEqual(before);
    expect(events).toHaveLength(2);
    live.set('/title', 'b');
    expect(live.json).toEqual({ title: 'b', steps: [] });
  });

  test('a text that the page uses as another type is named', () => {
    const { doc, live } = page();
    doc.getMap('body');
    expect(() => live.textInsert('/body', 0, 'x')).toThrow(expect.objectContaining({ code: 'CRDT_TYPE_MISMATCH' }));
    expect(live.json).toBeUndefined();
  });

  test('a Y.Doc of another copy of Yjs is refused', () => {
    const other = Object.assign(Object.create(null) as Y.Doc, { on: () => undefined });
    expect(() => openDocument(other)).toThrow(/another copy of Yjs/);
  });
});

describe('[VW8] without a connection', () => {
  test('a page that is loaded anew goes on with what its Y.Doc was saved with, as another writer', () => {
    const node = new Node();
    const first = page();
    node.patch({ visits: 1 });
    node.sync(first.doc);
    first.live.increment('/visits', 2);
    first.live.set('/title', 'offline');
    const saved: Uint8Array[] = [Y.encodeStateAsUpdate(first.doc)];
    const second = page();
    for (const update of saved) Y.applyUpdate(second.doc, update, 'y-indexeddb');
    expect(second.live.json).toEqual({ visits: 3, title: 'offline' });
    second.live.increment('/visits', 4);
    node.write({ kind: 'operations', operations: [{ op: 'increment', path: '/visits', value: 10 }] });
    node.sync(second.doc);
    node.sync(first.doc);
    node.sync(second.doc);
    expect(node.json).toEqual({ visits: 17, title: 'offline' });
    expect(first.live.json).toEqual(node.json);
    expect(second.live.json).toEqual(node.json);
  });

  test('every write is one update of the Y.Doc by its own client, which keeps its id', () => {
    const { doc, live } = page();
    const { clientID } = doc;
    const updates: unknown[] = [];
    doc.on('update', (_update: Uint8Array, origin: unknown) => updates.push(origin));
    live.set('/title', 'a');
    live.textInsert('/body', 0, 'x');
    doc.getText('body').insert(1, 'y');
    live.textInsert('/body', 2, 'z');
    expect(updates).toEqual([live, live, null, live]);
    expect(doc.clientID).toBe(clientID);
    expect([...doc.store.clients.keys()]).toEqual([clientID]);
    live.close();
    doc.getText('body').insert(0, 'w');
    expect(live.json).toEqual({ title: 'a', body: 'wxyz' });
  });
});

test('[VW9] paths and values have the types of the document', () => {
  const { live } = page();
  live.set('', {
    title: 'a',
    visits: 0,
    tags: [],
    steps: [{ text: 'x', done: false }],
    body: '',
    'a/b~c': { deep: 1 },
  });
  expectTypeOf(live.get('/title')).toEqualTypeOf<string | undefined>();
  expectTypeOf(live.get('/steps/0/done')).toEqualTypeOf<boolean | undefined>();
  expectTypeOf(live.get('/a~1b~0c/deep')).toEqualTypeOf<number | undefined>();
  expectTypeOf<At<Task, '/steps/0'>>().toEqualTypeOf<{ text: string; done: boolean }>();
  expectTypeOf<'/steps/3/text'>().toExtend<Path<Task>>();
  // @ts-expect-error No such member.
  expect(live.get('/titel')).toBeUndefined();
  // @ts-expect-error A string is no number.
  expect(() => live.set('/visits', 'many')).not.toThrow();
  // @ts-expect-error A step is an object.
  expect(() => live.append('/steps', 1)).not.toThrow();
  const free = openDocument<Record<string, number>>(new Y.Doc());
  free.set('/anything', 1);
  expectTypeOf(free.get('/anything')).toEqualTypeOf<number | undefined>();
});

test('[VW9] what objects have by nature does not stand in a document', () => {
  const free = openDocument<Record<string, object>>(new Y.Doc());
  free.set('/a', {});
  for (const path of ['/constructor', '/a/toString', '/__proto__'] as const) expect(free.get(path)).toBeUndefined();
});

test('[VW9] without a type a page may write JSON of any shape', () => {
  const live = openDocument(new Y.Doc());
  live.set('/title', 'a');
  live.append('/steps', { text: 'milk' });
  live.increment('/visits');
  expect(live.json?.['title']).toBe('a');
  expect(live.json).toEqual({ title: 'a', steps: [{ text: 'milk' }], visits: 1 });
});

describe('[LF62] what a page gives that no compiler has checked', () => {
  test.each<readonly [string, unknown, string]>([
    ['no object', 5, '/types'],
    ['a path that is none', { body: 'text' }, '/types'],
    ['a type that is none', { '/body': 'string' }, '/types/~1body'],
  ])('types: %s', (_name, types, field) => {
    const open = (): unknown => openDocument(new Y.Doc(), { types } as LiveOptions);
    expect(open).toThrow(expect.objectContaining({ code: 'CRDT_VALUE_INVALID', details: { field } }));
  });

  test('paths and observers', () => {
    const { live } = page();
    const none = undefined as never;
    expect(() => live.set(none, none)).toThrow(expect.objectContaining({ code: 'CRDT_POINTER_INVALID' }));
    expect(() => live.observe(none)).toThrow(
      expect.objectContaining({ code: 'CRDT_VALUE_INVALID', details: { field: 'observer' } }),
    );
    live.set('/title', 'a');
    expect(live.json).toEqual({ title: 'a' });
  });

  test('an observer that throws keeps no other from being told, and whoever wrote hears of it', () => {
    const { live } = page();
    const told: unknown[] = [];
    live.observe(() => {
      throw new Error('of the program');
    });
    live.observe(({ changes }) => told.push(...changes));
    expect(() => live.set('/title', 'a')).toThrow('of the program');
    expect(told).toHaveLength(1);
    expect(live.json).toEqual({ title: 'a' });
    expect(() => live.set('/title', 'b')).toThrow('of the program');
    expect(told).toHaveLength(2);
  });
});

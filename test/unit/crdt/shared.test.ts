import * as Y from 'yjs';
import { describe, expect, test } from 'vitest';
import { CrdtDocument, normaliseState, mergeClient } from '../../../crdt/index.ts';
import type { Change, JsonObject, JsonValue } from '../../../crdt/index.ts';
import { canonicalJson } from '../../../crdt/canonical-json.ts';

const AUTHOR = { client: 2 ** 32 + 9, stamp: 5000 };
const ADMISSION = { isReadOnly: false, bytesMax: 1_000_000 };

/** An editor and the document it edits, in step. */
class Pair {
  readonly editor: Y.Doc = new Y.Doc();
  readonly document: CrdtDocument = CrdtDocument.create();
  #stamp: number = AUTHOR.stamp;

  constructor(edit: (doc: Y.Doc) => void, clientId = 7) {
    this.editor.clientID = clientId;
    this.edit(edit);
  }

  edit(edit: (doc: Y.Doc) => void): void {
    this.editor.transact(() => edit(this.editor));
    const author = { ...AUTHOR, stamp: ++this.#stamp };
    const effects = mergeClient(this.document, Y.encodeStateAsUpdate(this.editor), ADMISSION, author);
    for (const effect of effects) Y.applyUpdate(this.editor, effect);
  }

  write(change: Change): Uint8Array | null {
    const update = this.document.change(change, { ...AUTHOR, stamp: ++this.#stamp });
    if (update !== null) Y.applyUpdate(this.editor, update);
    return update;
  }

  get json(): JsonValue {
    return JSON.parse(this.document.view().json) as JsonValue;
  }
}

function prose(doc: Y.Doc): void {
  const paragraph = new Y.XmlElement('paragraph');
  paragraph.setAttribute('align', 'left');
  const text = new Y.XmlText();
  text.insert(0, 'Hello ');
  text.insert(6, 'you', { bold: true });
  paragraph.insert(0, [text]);
  doc.getXmlFragment('prose').insert(0, [paragraph, new Y.XmlText('tail')]);
}

const RICH: readonly JsonValue[] = [{ insert: 'Hello ' }, { insert: 'you', attributes: { bold: true } }];
const PROSE: JsonValue = [{ name: 'paragraph', attributes: { align: 'left' }, children: [RICH] }, 'tail'] as JsonValue;

describe('[SH1] what root types show', () => {
  test.each<readonly [string, (doc: Y.Doc) => void, JsonValue]>([
    ['text', (doc) => doc.getText('r').insert(0, 'a"b'), 'a"b'],
    ['text with formats', (doc) => doc.getText('r').applyDelta(RICH as object[]), RICH],
    ['text with an image', (doc) => doc.getText('r').insertEmbed(0, { image: 'x' }), [{ insert: { image: 'x' } }]],
    ['text whose formats enclose nothing', (doc) => doc.getText('r').insert(0, 'ab'), 'ab'],
    ['array', (doc) => doc.getArray('r').push([1, 'a', null, { k: [true] }]), [1, 'a', null, { k: [true] }]],
    ['array of types', (doc) => doc.getArray('r').push([new Y.Map([['k', 1]]), new Y.Text('t')]), [{ k: 1 }, 't']],
    ['map', (doc) => doc.getMap('r').set('k', { deep: [1] }), { k: { deep: [1] } }],
    ['map of types', (doc) => doc.getMap('r').set('list', Y.Array.from([1, 2])), { list: [1, 2] }],
    ['map with __proto__', (doc) => doc.getMap('r').set('__proto__', 1), JSON.parse('{"__proto__":1}') as JsonValue],
    ['binary', (doc) => doc.getArray('r').push([Uint8Array.of(1, 2, 3, 4)]), ['AQIDBA==']],
    ['not a number', (doc) => doc.getArray('r').push([[Number.NaN, undefined, -0]]), [[null, null, 0]]],
    ['big integer', (doc) => doc.getArray('r').push([[2n ** 60n]]), [[String(2n ** 60n)]]],
    ['subdocument', (doc) => doc.getArray('r').push([new Y.Doc({ guid: 'g' })]), [{ guid: 'g' }]],
  ])('%s', (_name, edit, expected) => {
    expect(new Pair(edit).json).toEqual({ r: expected });
  });

  test('XML', () => {
    expect(new Pair(prose).json).toEqual({ prose: PROSE });
  });

  test.each(['', 'a/b', '~x', 'toString', '日本'])('a root type named %j is a member of that name', (name) => {
    expect(new Pair((doc) => doc.getText(name).insert(0, 'x')).json).toEqual({ [name]: 'x' });
  });

  test('what is emptied shows no longer', () => {
    const pair = new Pair((doc) => doc.getText('r').insert(0, 'x'));
    pair.edit((doc) => doc.getText('r').delete(0, 1));
    expect(pair.json).toEqual({});
  });

  test.each<readonly [string, JsonValue, (doc: Y.Doc) => void, JsonValue]>([
    ['text', '', (doc) => doc.getText('r').insert(0, 'x'), 'x'],
    ['array', [], (doc) => doc.getArray('r').push([1]), [1]],
    ['XML', [], (doc) => doc.getXmlFragment('r').push([new Y.XmlText('x')]), ['x']],
    ['map', {}, (doc) => doc.getMap('r').set('k', 1), { k: 1 }],
  ])('an empty value that a write set yields to an editor: %s', (_name, empty, edit, expected) => {
    const pair = new Pair(() => {});
    pair.write({ kind: 'replace', value: { r: empty } });
    pair.edit(edit);
    expect(pair.json).toEqual({ r: expected });
    expect(pair.document.conflicts()).toEqual([]);
    expect(CrdtDocument.load(pair.document.encode()).view()).toEqual(pair.document.view());
    for (const other of ['', [], {}] as const) {
      if (canonicalJson(other) === canonicalJson(empty)) continue;
      const apart = new Pair(() => {});
      apart.write({ kind: 'replace', value: { r: other } });
      apart.edit(edit);
      expect(apart.json).toEqual({ r: other });
      expect(apart.document.conflicts()[0]?.others[0]?.value).toEqual(expected);
    }
  });

  test('… but not to a text that another write made', () => {
    const [text, empty] = [CrdtDocument.create(), CrdtDocument.create()];
    text.change(intent({ op: 'text-insert', path: '/r', index: 0, value: 'x' }), AUTHOR);
    text.apply(empty.change(replace({ r: '' }), { client: AUTHOR.client + 1, stamp: AUTHOR.stamp + 1 })!);
    expect(JSON.parse(text.view().json)).toEqual({ r: '' });
    expect(text.conflicts()[0]?.others[0]?.value).toBe('x');
  });

  test('members and a row of one root type: one shows, the other is a losing value', () => {
    const pair = new Pair((doc) => doc.getMap('r').set('k', 1));
    const other = new Y.Doc();
    other.getArray('r').push([2]);
    pair.document.apply(Y.encodeStateAsUpdate(other));
    expect(pair.json).toEqual({ r: [2] });
    expect(pair.document.conflicts().map(({ others }) => others.map(({ value }) => value))).toEqual([[{ k: 1 }]]);
  });

  test('a value that a write set stands before it, and it is a losing value', () => {
    const pair = new Pair((doc) => doc.getText('r').insert(0, 'typed'));
    const other = CrdtDocument.create();
    pair.document.apply(other.change({ kind: 'replace', value: { r: 5 } }, AUTHOR)!);
    expect(pair.json).toEqual({ r: 5 });
    expect(pair.document.conflicts()[0]?.others[0]?.value).toBe('typed');
  });
});

describe('[SH2] writes edit the type', () => {
  const everything = (doc: Y.Doc): void => {
    doc.getText('text').insert(0, 'hello');
    doc.getText('rich').applyDelta(RICH as object[]);
    doc.getArray('array').push([1, new Y.Map([['k', 1]])]);
    doc.getMap('map').set('in', new Y.Text('nested'));
    doc.getMap('map').set('n', 1);
    prose(doc);
  };

  test('what is read and put back changes nothing', () => {
    const pair = new Pair(everything);
    expect(pair.write({ kind: 'replace', value: pair.json as JsonObject })).toBeNull();
  });

  test.each<readonly [string, Change, (doc: Y.Doc) => unknown, unknown]>([
    ['text by PUT', replace({ text: 'hello you' }), (doc) => doc.getText('text').toString(), 'hello you'],
    [
      'text by an intent',
      intent({ op: 'text-insert', path: '/text', index: 5, value: '!' }),
      (doc) => doc.getText('text').toString(),
      'hello!',
    ],
    [
      'text by a merge patch',
      { kind: 'merge-patch', patch: { text: 'hullo' } },
      (doc) => doc.getText('text').toString(),
      'hullo',
    ],
    [
      'rich text by its operations',
      { kind: 'merge-patch', patch: { rich: [{ insert: 'Hello ' }, { insert: 'all', attributes: { italic: true } }] } },
      (doc) => doc.getText('rich').toDelta() as unknown,
      [{ insert: 'Hello ' }, { insert: 'all', attributes: { italic: true } }],
    ],
    [
      'rich text by characters keeps formats',
      intent({ op: 'text-insert', path: '/rich', index: 0, value: 'Oh! ' }),
      (doc) => doc.getText('rich').toDelta() as unknown,
      [{ insert: 'Oh! Hello ' }, { insert: 'you', attributes: { bold: true } }],
    ],
    [
      'array by an intent',
      intent({ op: 'append', path: '/array', value: 'x' }),
      (doc) => doc.getArray('array').toJSON(),
      [1, { k: 1 }, 'x'],
    ],
    [
      'array by a JSON Patch',
      { kind: 'json-patch', operations: [{ op: 'add', path: '/array/0', value: 0 }] },
      (doc) => doc.getArray('array').toJSON(),
      [0, 1, { k: 1 }],
    ],
    [
      'a member within',
      { kind: 'json-patch', operations: [{ op: 'replace', path: '/array/1/k', value: 2 }] },
      (doc) => (doc.getArray('array').get(1) as Y.Map<unknown>).get('k'),
      2,
    ],
    [
      'map by a merge patch',
      { kind: 'merge-patch', patch: { map: { n: null, m: [1] } } },
      (doc) => doc.getMap('map').toJSON(),
      { in: 'nested', m: [1] },
    ],
    ['number within', intent({ op: 'increment', path: '/map/n', value: 4 }), (doc) => doc.getMap('map').get('n'), 5],
    [
      'missing number within',
      intent({ op: 'increment', path: '/map/new', value: 4 }),
      (doc) => doc.getMap('map').get('new'),
      4,
    ],
    [
      'text within',
      intent({ op: 'text-insert', path: '/map/in', index: 6, value: '!' }),
      (doc) => (doc.getMap('map').get('in') as Y.Text).toString(),
      'nested!',
    ],
    [
      'XML',
      {
        kind: 'merge-patch',
        patch: { prose: [{ name: 'paragraph', attributes: { align: 'right' }, children: ['new'] }, 'tail'] },
      },
      (doc) => doc.getXmlFragment('prose').toString(),
      '<paragraph align="right">new</paragraph>tail',
    ],
    [
      'removal',
      { kind: 'json-patch', operations: [{ op: 'remove', path: '/map' }] },
      (doc) => doc.getMap('map').toJSON(),
      {},
    ],
    [
      'another form',
      { kind: 'merge-patch', patch: { array: 'now a string' } },
      (doc) => doc.getArray('array').toJSON(),
      [],
    ],
    [
      'delete and create',
      { kind: 'replace', value: { only: 1 } },
      (doc) => [doc.getText('text').length, doc.getMap('map').size],
      [0, 0],
    ],
  ])('%s', (_name, change, read, expected) => {
    const pair = new Pair(everything);
    const before = pair.json as JsonObject;
    const given =
      change.kind === 'replace' && !('only' in change.value)
        ? { ...change, value: { ...before, ...change.value } }
        : change;
    expect(pair.write(given)).not.toBeNull();
    expect(read(pair.editor)).toEqual(expected);
    expect(CrdtDocument.load(pair.document.encode()).view().json).toBe(pair.document.view().json);
  });

  test.each<readonly [string, JsonValue]>([
    ['text', ''],
    ['rich', ''],
    ['array', []],
    ['map', {}],
    ['prose', []],
  ])('what is emptied by a write shows as empty, and editors go on from there: %s', (root, empty) => {
    const pair = new Pair(everything);
    const before = pair.json as JsonObject;
    pair.write(replace({ ...before, [root]: empty }));
    expect(pair.json).toEqual({ ...before, [root]: empty });
    expect(CrdtDocument.load(pair.document.encode()).view()).toEqual(pair.document.view());
    pair.edit((doc) => {
      if (root === 'array') doc.getArray(root).push([7]);
      else if (root === 'map') doc.getMap(root).set('k', 7);
      else if (root === 'prose') doc.getXmlFragment(root).push([new Y.XmlText('7')]);
      else doc.getText(root).insert(0, '7');
    });
    const expected: JsonObject = { text: '7', rich: '7', array: [7], map: { k: 7 }, prose: ['7'] };
    expect((pair.json as JsonObject)[root]).toEqual(expected[root]);
    expect(pair.document.conflicts()).toEqual([]);
  });

  test('a string in the place of a rich text takes its formats away, and keeps its characters', () => {
    const pair = new Pair(everything);
    const characters = pair.editor.getText('rich');
    const place = Y.createRelativePositionFromTypeIndex(characters, 7);
    pair.write({ kind: 'merge-patch', patch: { rich: 'Hello you' } });
    expect((pair.json as JsonObject)['rich']).toBe('Hello you');
    expect(characters.toDelta()).toEqual([{ insert: 'Hello you' }]);
    expect(Y.createAbsolutePositionFromRelativePosition(place, pair.editor)?.index).toBe(7);
    pair.write({ kind: 'merge-patch', patch: { rich: 'Hello you!' } });
    expect((pair.json as JsonObject)['rich']).toBe('Hello you!');
    expect(CrdtDocument.load(pair.document.encode()).view().json).toBe(pair.document.view().json);
  });

  test('a concurrent edit of the same text survives', () => {
    const pair = new Pair((doc) => doc.getText('text').insert(0, 'one three'));
    const late = Y.encodeStateVector(pair.editor);
    const other = new Y.Doc();
    Y.applyUpdate(other, Y.encodeStateAsUpdate(pair.editor));
    other.getText('text').insert(3, ' two');
    pair.write(replace({ text: 'one three four' }));
    mergeClient(pair.document, Y.encodeStateAsUpdate(other, late), ADMISSION, AUTHOR);
    expect(pair.json).toEqual({ text: 'one two three four' });
  });

  test('types that were opened as another kind do not stand in the way', () => {
    const pair = new Pair((doc) => doc.getText('r').insert(0, 'x'));
    pair.write(intent({ op: 'text-insert', path: '/r', index: 1, value: 'y' }));
    pair.write({ kind: 'json-patch', operations: [{ op: 'remove', path: '/r' }] });
    const other = new Y.Doc();
    other.getArray('r').push([1]);
    pair.document.apply(Y.encodeStateAsUpdate(other));
    pair.document.change(intent({ op: 'append', path: '/r', value: 2 }), { ...AUTHOR, stamp: 9000 });
    expect(pair.json).toEqual({ r: [1, 2] });
  });
});

test('[SH5] a document that clients edit says when, and that they made it', () => {
  const editor = new Y.Doc();
  const document = CrdtDocument.create();
  const second = 1000 * 4096;
  const edit = (stamp: number): number => {
    editor.getText('r').insert(0, 'x');
    return mergeClient(document, Y.encodeStateAsUpdate(editor), ADMISSION, { ...AUTHOR, stamp }).length;
  };
  expect(edit(10 * second)).toBe(2);
  expect(document.view()).toMatchObject({ exists: true, json: '{"r":"x"}', modified: 10 * second });
  edit(13 * second);
  expect(document.view().modified).toBe(13 * second);
  // Not every letter.
  expect(edit(14 * second)).toBe(1);
  expect(document.view().modified).toBe(13 * second);
  expect(CrdtDocument.load(document.encode()).view()).toEqual(document.view());
});

test('[SH4] a text that an intent creates is the root type of its name', () => {
  const pair = new Pair((doc) => doc.getMap('other').set('k', 1));
  pair.write(intent({ op: 'text-insert', path: '/body', index: 0, value: 'made here' }));
  expect(pair.editor.getText('body').toString()).toBe('made here');
  pair.edit((doc) => doc.getText('body').insert(9, ', continued there'));
  expect(pair.json).toEqual({ body: 'made here, continued there', other: { k: 1 } });
});

test('[SH3] updates of clients give one state in any order of arrival', () => {
  const updates: Uint8Array[] = [];
  const docs = [1, 2, 3].map((client) => {
    const doc = new Y.Doc();
    doc.clientID = client;
    doc.on('update', (update: Uint8Array, origin: unknown) => origin === 'remote' || updates.push(update));
    return doc;
  });
  const sync = (): void => {
    for (const a of docs) for (const b of docs) Y.applyUpdate(b, Y.encodeStateAsUpdate(a), 'remote');
  };
  docs[0]!.getText('t').insert(0, 'the quick brown fox', { bold: true });
  docs[0]!.getArray('list').push([new Y.Map([['a', 1]])]);
  sync();
  for (const [index, doc] of docs.entries()) {
    doc.getText('t').format(index * 3, 5, { bold: index === 1 ? true : null, [`c${index}`]: true });
    doc.getText('t').delete(index * 4, 2);
    (doc.getArray('list').get(0) as Y.Map<unknown>).set('a', index);
    if (index === 2) doc.getArray('list').delete(0, 1);
  }
  sync();
  const orders = [updates, [...updates.slice(0, 2), ...updates.slice(2).toReversed()]];
  const states = orders.map((order) => {
    const document = CrdtDocument.create();
    for (const update of applicable(order)) document.apply(update);
    return { json: document.view().json, state: normaliseState(document.encode()) };
  });
  expect(states[1]).toEqual(states[0]);
  expect(states[0]!.state).toEqual(normaliseState(Y.encodeStateAsUpdate(docs[0]!)));
});

/** An order in which each update finds what it builds on. */
function applicable(updates: readonly Uint8Array[]): Uint8Array[] {
  const result: Uint8Array[] = [];
  const probe = CrdtDocument.create();
  let waiting = [...updates];
  while (waiting.length > 0) {
    const left = waiting.filter((update) => {
      try {
        probe.apply(update);
        result.push(update);
        return false;
      } catch {
        return true;
      }
    });
    if (left.length === waiting.length) throw new Error('stuck');
    waiting = left;
  }
  return result;
}

function replace(value: JsonObject): Change {
  return { kind: 'replace', value };
}

function intent(operation: object): Change {
  return { kind: 'operations', operations: [operation as never] };
}

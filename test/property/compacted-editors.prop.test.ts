/**
 * Editors that keep the copy they have while nodes compact the document: nodes end equal, and editors hold what nodes hold. SEED and RUNS
 * override the defaults.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import * as Y from 'yjs';
import { mergeClient, normaliseState } from '../../crdt/index.ts';
import { compact, mayCompact } from '../helper/compacting-replicas.ts';
import { createReplicas, settle, type DocumentReplica } from '../helper/crdt-replicas.ts';
import { Choices, runParameters } from '../helper/crdt-script.ts';

const SCRIPT = fc.array(fc.array(fc.nat(10_006), { minLength: 14, maxLength: 14 }), {
  minLength: 1,
  maxLength: 110,
  size: 'max',
});

/** An editor, and the node that it is connected to, whenever it is. */
class Editor {
  readonly doc: Y.Doc = new Y.Doc();
  readonly #home: DocumentReplica;
  #stamp = 1000;

  constructor(client: number, home: DocumentReplica) {
    this.doc.clientID = client;
    this.#home = home;
  }

  sync(): void {
    const { document, client } = this.#home;
    const update = Y.encodeStateAsUpdate(this.doc, document.encodeStateVector());
    const author = { client, stamp: this.#stamp++ };
    for (const merged of mergeClient(document, update, { isReadOnly: false, bytesMax: 1e7 }, author))
      this.#home.record(merged);
    if (document.view().exists) Y.applyUpdate(this.doc, document.encodeDiff(Y.encodeStateVector(this.doc)));
  }

  /** Edits a text, what is in paragraphs, or members. */
  edit(choices: Choices, mark: string): void {
    const kind = choices.next(6);
    if (kind === 0) return this.#editMembers(choices, mark);
    if (kind <= 2) return this.#editParagraphs(choices, mark);
    const text = this.doc.getText('t');
    for (let edits = 1 + choices.next(3); edits > 0; edits--) editText(text, choices, mark);
    if (choices.next(5) === 0 && text.length > 2)
      text.format(choices.next(text.length - 1), 1 + choices.next(2), { bold: choices.next(2) === 0 ? true : null });
  }

  #editMembers(choices: Choices, mark: string): void {
    const members = this.doc.getMap('m');
    const key = `k${choices.next(3)}`;
    if (choices.next(4) === 0) members.delete(key);
    else members.set(key, mark);
  }

  #editParagraphs(choices: Choices, mark: string): void {
    const fragment = this.doc.getXmlFragment('x');
    const at = fragment.length === 0 ? 0 : choices.next(fragment.length);
    const paragraph = fragment.length === 0 ? null : (fragment.get(at) as Y.XmlElement);
    const kind = choices.next(3);
    if (paragraph !== null && kind === 0) return fragment.delete(at, 1);
    if (paragraph !== null && kind === 1) return editText(paragraph.get(0) as Y.XmlText, choices, mark);
    const text = new Y.XmlText(mark);
    const added = new Y.XmlElement('p');
    fragment.insert(at, [added]);
    added.insert(0, [text]);
  }

  /** What it holds, without the order of what has one. */
  get content(): unknown {
    return contentOf(this.doc);
  }
}

function editText(text: Y.Text, choices: Choices, mark: string): void {
  const isDelete = text.length > 3 && choices.next(2) === 0;
  const at = choices.next(isDelete ? text.length - 1 : text.length + 1);
  if (isDelete) text.delete(at, Math.min(1 + choices.next(4), text.length - at));
  else text.insert(at, mark);
}

function contentOf(doc: Y.Doc): unknown {
  const sorted = (text: string): string => [...text].sort().join('');
  return {
    members: doc.getMap('m').toJSON(),
    text: sorted(doc.getText('t').toString()),
    paragraphs: sorted(doc.getXmlFragment('x').toString()),
  };
}

interface World {
  readonly replicas: readonly DocumentReplica[];
  readonly editors: readonly Editor[];
  readonly compactions: number;
}

function run(count: number, script: readonly (readonly number[])[]): World {
  const replicas = createReplicas(count, (index) => ({ client: 2 ** 32 + index * 1000 + 1 }));
  const editors = Array.from({ length: count * 2 }, (_, i) => new Editor(1000 + ((i * 7) % 11), replicas[i % count]!));
  let compactions = 0;
  script.forEach((numbers, time) => {
    const choices = new Choices(numbers);
    const kind = choices.next(10);
    const editor = editors[choices.next(editors.length)]!;
    const replica = replicas[choices.next(count)]!;
    if (kind < 2)
      for (let pulls = 1 + choices.next(5); pulls > 0; pulls--) replica.pull(replicas[choices.next(count)]!);
    else if (kind === 2 && mayCompact(replicas)) {
      const before = replicas[0]!.document.view();
      compact(replicas[0]!);
      compactions++;
      expect(replicas[0]!.document.view()).toEqual(before);
    } else if (kind === 3) editor.sync();
    else if (kind === 4) replica.operate(1000 + time, { op: 'append', path: '/list', value: `v${time}` });
    else editor.edit(choices, String.fromCodePoint(97 + (time % 26)) + (time % 7 === 0 ? `<${time}>` : ''));
  });
  // Editors take formats that enclose nothing away when they hear of them.
  for (let round = 0; round < 4; round++) {
    for (const editor of editors) editor.sync();
    settle(replicas, [...replicas].reverse());
  }
  return { replicas, editors, compactions };
}

test('[CP1] [CP3] [CP7] editors go on with the copy they have: nodes end equal, and all hold the same', () => {
  let compactions = 0;
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 3 }), SCRIPT, (count, script) => {
      const world = run(count, script);
      compactions += world.compactions;
      const [first, ...others] = world.replicas as [DocumentReplica, ...DocumentReplica[]];
      for (const other of others) {
        expect(other.document.view()).toEqual(first.document.view());
        expect(normaliseState(other.document.encode())).toEqual(normaliseState(first.document.encode()));
      }
      const doc = new Y.Doc();
      Y.applyUpdate(doc, first.document.encode());
      for (const editor of world.editors) expect(editor.content).toEqual(contentOf(doc));
    }),
    runParameters(300),
  );
  expect(compactions).toBeGreaterThan(150);
});

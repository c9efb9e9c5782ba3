/**
 * Generations of a document: what leaves its history behind, when another one takes over, and what becomes of who comes late.
 */
import * as Y from 'yjs';
import { describe, expect, test } from 'vitest';
import { CrdtDocument, GenerationalDocument, normaliseState, placesOf } from '../../../crdt/index.ts';
import type { Change, CrdtError, IntentOperation } from '../../../crdt/index.ts';

const A = 2 ** 40;
const B = 2 ** 40 + 7;
let stamp = 4096;

const operate = (...operations: readonly IntentOperation[]): Change => ({ kind: 'operations', operations });
const patch = (value: object): Change => ({ kind: 'merge-patch', patch: value as never });

function write(document: GenerationalDocument, change: Change, client = A): Uint8Array {
  const update = document.change(change, { client, stamp: stamp++ });
  expect(update).not.toBe(null);
  return update!;
}

function copyOf(document: GenerationalDocument): GenerationalDocument {
  return GenerationalDocument.load(...document.encodeParts());
}

/** A text and a list that were edited at random places. */
function edited(edits: number): GenerationalDocument {
  const document = GenerationalDocument.create();
  write(document, operate({ op: 'text-insert', path: '/text', index: 0, value: 'begin' }));
  write(document, operate({ op: 'append', path: '/list', value: 0 }));
  let text = 5;
  let list = 1;
  for (let i = 1; i <= edits; i++) {
    const at = (i * 7919) % Math.max(1, text - 10);
    const place = (i * 104_729) % list;
    if (text > 30) write(document, operate({ op: 'text-delete', path: '/text', index: at, length: 10 }));
    else write(document, operate({ op: 'text-insert', path: '/text', index: at, value: `${i % 10}` }));
    text += text > 30 ? -10 : 1;
    if (list > 9) write(document, operate({ op: 'remove', path: '/list', index: place }), B);
    else write(document, operate({ op: 'insert', path: '/list', index: place, value: i }), B);
    list += list > 9 ? -1 : 1;
  }
  return document;
}

function codeOf(run: () => unknown): string {
  try {
    run();
    return 'none';
  } catch (error) {
    return (error as CrdtError).code;
  }
}

describe('generations', () => {
  test('[CR20] a successor shows the same, with types and time, and is about as large as a new document', () => {
    const document = edited(400);
    write(document, operate({ op: 'increment', path: '/n', value: 3 }), B);
    write(document, operate({ op: 'set-add', path: '/set', value: 'x' }));
    const view = document.view();
    const before = document.encode().length;
    expect(document.prepare('s.1')).not.toBe(null);
    expect(document.isFollowed('s.1')).toBe(true);
    expect(document.view()).toEqual(view);
    document.succeed('s.1');
    expect(document.view()).toEqual(view);
    expect(document.generation).toBe(1);
    const fresh = CrdtDocument.create();
    fresh.change({ kind: 'replace', value: JSON.parse(view.json) as never }, { client: A, stamp });
    expect(document.encode().length).toBeLessThan(fresh.encode().length + 100);
    expect(before).toBeGreaterThan(20 * document.encode().length);
    // A text is still a text, and a number counts on.
    write(document, operate({ op: 'text-insert', path: '/text', index: 0, value: '>' }));
    write(document, operate({ op: 'increment', path: '/n', value: 4 }));
    write(document, operate({ op: 'set-remove', path: '/set', value: 'x' }));
    const shown = JSON.parse(document.view().json) as { text: string; n: number; set: unknown[] };
    expect([shown.text[0], shown.n, shown.set]).toEqual(['>', 7, []]);
    expect(copyOf(document).view()).toEqual(document.view());
  });

  test('[CR21] who holds a successor writes for both, and whoever hears of the succession in between loses nothing', () => {
    const a = edited(20);
    const b = copyOf(a);
    const prepared = a.prepare('s.1')!;
    b.apply(prepared);
    const both = write(b, patch({ during: 1 }), B);
    expect(a.isFollowed('s.1')).toBe(true);
    const succession = a.succeed('s.1');
    a.apply(both);
    b.apply(succession);
    const after = write(a, operate({ op: 'text-delete', path: '/text', index: 0, length: 2 }));
    b.apply(after);
    expect(JSON.parse(a.view().json)).toMatchObject({ during: 1 });
    expect(b.view()).toEqual(a.view());
    // Late and twice, in any order: nothing changes.
    for (const update of [both, prepared, succession, after, both]) for (const each of [a, b]) each.apply(update);
    expect(b.view()).toEqual(a.view());
  });

  test('[CR21] a successor that lacks a write is not followed, and is given up', () => {
    const a = edited(10);
    const b = copyOf(a);
    const unseen = write(b, patch({ unseen: true }), B);
    const prepared = a.prepare('s.1')!;
    b.apply(prepared);
    expect(b.isFollowed('s.1')).toBe(false);
    a.apply(unseen);
    expect(a.isFollowed('s.1')).toBe(false);
    const given = a.abandon('s.1');
    const late = write(b, patch({ late: 1 }), B);
    b.apply(given);
    a.apply(late);
    expect([a.successors, b.successors]).toEqual([[], []]);
    expect(JSON.parse(a.view().json)).toMatchObject({ unseen: true, late: 1 });
    expect(b.view()).toEqual(a.view());
    expect(copyOf(b).encode()).toEqual(b.encode());
  });

  test('[CP64] what its writer wrote before it held the successor is not hidden by what it writes then, nor brought to it twice', () => {
    const a = edited(10);
    const [b, c] = [copyOf(a), copyOf(a)];
    const unseen = write(b, operate({ op: 'text-insert', path: '/text', index: 0, value: '<unseen>' }), B);
    const prepared = a.prepare('s.1')!;
    for (const each of [b, c]) each.apply(prepared);
    c.apply(unseen);
    const after = write(b, operate({ op: 'text-insert', path: '/text', index: 0, value: '<b>' }), B);
    const other = write(c, operate({ op: 'text-insert', path: '/text', index: 0, value: '<c>' }), B + 1);
    for (const update of [unseen, after]) a.apply(update);
    expect(a.isFollowed('s.1')).toBe(false);
    for (const each of [a, b, c]) for (const update of [after, other]) each.apply(update);
    expect((JSON.parse(b.view().json) as { text: string }).text.match(/<unseen>/g)).toHaveLength(1);
  });

  test('[CR21] of two successors that were prepared without knowing of each other none is followed', () => {
    const a = edited(10);
    const b = copyOf(a);
    const [one, other] = [a.prepare('s.1')!, b.prepare('t.1')!];
    a.apply(other);
    b.apply(one);
    expect(a.isFollowed('s.1') || a.isFollowed('t.1') || b.isFollowed('s.1') || b.isFollowed('t.1')).toBe(false);
    a.apply(b.abandon('t.1'));
    expect(a.isFollowed('s.1')).toBe(true);
  });

  test('[CR22] what was included has no effect any more, and what builds on a generation that is not here is refused', () => {
    const a = edited(10);
    const old = copyOf(a);
    const known = write(old, operate({ op: 'text-insert', path: '/text', index: 3, value: 'known' }), B);
    a.apply(known);
    a.prepare('s.1');
    const succession = a.succeed('s.1');
    const view = a.view();
    a.apply(known);
    a.apply(old.encode());
    a.join(old.encodeParts());
    expect(a.takeAlong()).toBe(null);
    expect(a.view()).toEqual(view);
    const next = write(a, patch({ next: 1 }));
    expect(codeOf(() => GenerationalDocument.create().apply(next))).toBe('CRDT_UPDATE_GAP');
    expect(codeOf(() => old.apply(next))).toBe('CRDT_UPDATE_GAP');
    old.apply(succession);
    old.apply(next);
    expect(old.view()).toEqual(a.view());
    for (const damaged of [next.subarray(0, next.length - 1), Uint8Array.of(0x80, 0, 9, 9)]) {
      expect(codeOf(() => a.apply(damaged))).toBe('CRDT_UPDATE_MALFORMED');
    }
  });

  /** A replica that held the successor, was set back to before it, and wrote; and what the others hold by now. */
  function setBack(...late: readonly Change[]): { compacted: GenerationalDocument; late: GenerationalDocument } {
    const compacted = edited(5);
    write(compacted, patch({ seen: 'old' }));
    const old = copyOf(compacted);
    for (const change of late) write(old, change, B + 1);
    compacted.prepare('s.1');
    write(compacted, patch({ other: 1 }));
    compacted.succeed('s.1');
    return { compacted, late: old };
  }
  const shown = ({ n, list }: { n: unknown; list: unknown[] }): unknown => [
    n,
    list.filter((value) => value === 'late'),
  ];

  test('[CP60] what a generation that is gone had and the next one does not include is made again once, however often it is heard of', () => {
    const append = operate({ op: 'append', path: '/list', value: 'late' });
    const increment = operate({ op: 'increment', path: '/n', value: 5 });
    const { compacted, late } = setBack(append, increment);
    const [again, state] = [copyOf(late), compacted.encode()];
    late.apply(state);
    const update = late.takeAlong()!;
    expect(shown(JSON.parse(late.view().json) as never)).toEqual([5, ['late']]);
    expect(late.takeAlong()).toBe(null);
    // It was set back once more, and hears of the generation from who holds what it made again.
    compacted.apply(update);
    again.apply(compacted.encode());
    expect(again.takeAlong()).toBe(null);
    for (const each of [late, again, copyOf(compacted)]) {
      expect(shown(JSON.parse(each.view().json) as never)).toEqual([5, ['late']]);
      expect(normaliseState(each.encode())).toEqual(normaliseState(compacted.encode()));
    }
    // And what was included is not made again, by whomever.
    const witness = edited(5);
    witness.apply(compacted.encode());
    expect(witness.takeAlong()).toBe(null);
  });

  test('[CP60] … also over several generations, and when a successor is kept meanwhile', () => {
    const increment = operate({ op: 'increment', path: '/n', value: 5 });
    const append = operate({ op: 'append', path: '/list', value: 'late' });
    const insert = operate({ op: 'text-insert', path: '/text', index: 2, value: '<late>' });
    const { compacted, late } = setBack(increment, append, insert, patch({ deep: { a: 1 } }));
    const middle = copyOf(late);
    middle.apply(compacted.encode());
    const early = middle.takeAlong()!;
    compacted.prepare('s.2');
    compacted.succeed('s.2');
    // The next generation does not know of what was made again in the one before.
    for (const replica of [late, middle]) replica.apply(compacted.encode());
    const updates = [late, middle].map((replica) => replica.takeAlong());
    expect(updates.map((update) => update !== null)).toEqual([true, true]);
    expect(codeOf(() => compacted.apply(early))).toBe('CRDT_UPDATE_GAP');
    for (const update of updates) compacted.apply(update!);
    compacted.apply(early);
    for (const update of updates) for (const replica of [late, middle]) replica.apply(update!);
    for (const replica of [compacted, late, middle]) {
      const json = JSON.parse(replica.view().json) as { text: string; n: number; list: unknown[] };
      expect(json).toMatchObject({ n: 5, deep: { a: 1 } });
      expect(shown(json)).toEqual([5, ['late']]);
      expect(json.text.match(/<late>/g)).toHaveLength(1);
      expect(replica.view()).toEqual(compacted.view());
    }
    const kept = copyOf(late);
    kept.apply(updates[1]!);
    expect(kept.prepare('s.3')).not.toBe(null);
    const { compacted: fourth, late: unseen } = setBack(operate({ op: 'increment', path: '/n', value: 7 }));
    fourth.prepare('s.4');
    unseen.apply(fourth.encode());
    fourth.apply(unseen.takeAlong()!);
    expect(fourth.isFollowed('s.4')).toBe(true);
    fourth.succeed('s.4');
    expect(JSON.parse(fourth.view().json)).toMatchObject({ n: 7 });
  });

  test('[CP60] [CR16] what was made twice, once by who was set back, is taken back, whoever finds out first', () => {
    for (const isKnownBefore of [true, false]) {
      const increment = operate({ op: 'increment', path: '/n', value: 5 });
      const { compacted, late } = setBack();
      const twin = write(compacted, increment, A + 1);
      const unseen = write(late, increment, B + 1);
      const twice = {
        client: B + 1,
        places: placesOf(unseen, B + 1),
        twins: [],
        increments: [['/n', 5]] as const,
        operation: 2 ** 43 + 1,
      };
      const retract: Change = { kind: 'retract', duplicate: twice };
      // Who has the next generation does not count it yet.
      expect(compacted.change(retract, { client: B + 2, stamp: stamp++ })).toBe(null);
      if (isKnownBefore) write(late, retract, B + 1);
      late.apply(compacted.encode());
      const again = late.takeAlong()!;
      compacted.apply(again);
      const back = [compacted, late].map((each) =>
        each.change(retract, { client: each === late ? A + 2 : A + 3, stamp: stamp++ }),
      );
      if (isKnownBefore) expect(back).toEqual([null, null]);
      else for (const each of [compacted, late]) each.apply(back[each === late ? 0 : 1]!);
      for (const each of [compacted, late]) {
        each.apply(twin);
        expect(JSON.parse(each.view().json)).toMatchObject({ n: 5 });
      }
    }
  });

  test('[CP61] a value that is taken along stands beside what is there, and what was changed within an element that is gone is a conflict', () => {
    const within: Change = { kind: 'json-patch', operations: [{ op: 'add', path: '/list/0/in', value: 'late' }] };
    const compacted = edited(5);
    write(compacted, patch({ seen: 'old', list: [{ of: 'old' }] }));
    const late = copyOf(compacted);
    compacted.prepare('s.1');
    for (const change of [patch({ seen: 'late', gone: null }), within]) write(late, change, B + 1);
    compacted.succeed('s.1');
    late.apply(compacted.encode());
    compacted.apply(late.takeAlong()!);
    for (const each of [compacted, late]) {
      expect(JSON.parse(each.view().json)).toMatchObject({ seen: 'late', list: [{ of: 'old' }] });
      const lost = each.conflicts().map(({ path, others }) => [path, others.map(({ value }) => value)]);
      expect(lost).toEqual([
        ['/list/-', [{ in: 'late' }]],
        ['/seen', ['old']],
      ]);
    }
  });

  test('[CP60] whoever holds it takes it along, and all who do write the same', () => {
    const change = operate(
      { op: 'increment', path: '/n', value: 5 },
      { op: 'append', path: '/list', value: 'late' },
      { op: 'text-insert', path: '/text', index: 0, value: '<late>' },
      { op: 'set-add', path: '/set', value: 'late' },
    );
    const { compacted, late } = setBack(change, patch({ in: { deep: 'late' }, empty: { list: [], object: {} } }));
    const others = [1, 2].map(() => copyOf(late));
    const updates = others.map((other) => {
      other.apply(compacted.encode());
      return other.takeAlong()!;
    });
    expect(updates[1]).toEqual(updates[0]);
    for (const update of updates) compacted.apply(update);
    for (const each of [compacted, ...others]) {
      const shown = JSON.parse(each.view().json) as { list: unknown[]; text: string };
      expect(shown).toMatchObject({ n: 5, set: ['late'], in: { deep: 'late' }, empty: { list: [], object: {} } });
      expect(shown.list.filter((value) => value === 'late')).toHaveLength(1);
      expect(shown.text.match(/<late>/g)).toHaveLength(1);
      expect(each.view().conflicts).toBe(0);
    }
  });

  test('[CP65] what builds on a generation that is gone, and is not included, is refused until a state brings that, too', () => {
    const { compacted, late } = setBack();
    const update = write(late, operate({ op: 'increment', path: '/n', value: 5 }), B + 1);
    const before = compacted.encode();
    expect(codeOf(() => compacted.apply(update))).toBe('CRDT_UPDATE_GAP');
    expect(compacted.encode()).toEqual(before);
    compacted.join(late.encodeParts());
    const again = compacted.takeAlong()!;
    expect(compacted.takeAlong()).toBe(null);
    expect(JSON.parse(compacted.view().json)).toMatchObject({ n: 5 });
    // Then it is included.
    compacted.apply(update);
    late.apply(compacted.encode());
    expect(late.takeAlong()).toBe(null);
    late.apply(again);
    expect(normaliseState(late.encode())).toEqual(normaliseState(compacted.encode()));
  });

  test('[CP62] a successor that was given up and takes over all the same is the same to all, with what was written for it', () => {
    const a = edited(5);
    const b = copyOf(a);
    b.apply(a.prepare('s.1')!);
    const both = write(b, operate({ op: 'increment', path: '/n', value: 3 }), B);
    const [forgetful, given] = [copyOf(a), a.abandon('s.1')];
    b.apply(given);
    const after = write(b, operate({ op: 'append', path: '/list', value: 'late' }), B);
    const succession = forgetful.succeed('s.1');
    b.apply(succession);
    const again = b.takeAlong()!;
    for (const update of [both, given]) forgetful.apply(update);
    expect(codeOf(() => forgetful.apply(after))).toBe('CRDT_UPDATE_GAP');
    forgetful.join(b.encodeParts());
    for (const update of [after, again]) forgetful.apply(update);
    expect(shown(JSON.parse(b.view().json) as never)).toEqual([3, ['late']]);
    expect(normaliseState(forgetful.encode())).toEqual(normaliseState(b.encode()));
    const wary = edited(5);
    for (const id of ['t.1', 't.2', 't.3']) {
      expect(wary.prepare(id)).not.toBe(null);
      wary.abandon(id);
    }
    expect(wary.prepare('t.4')).toBe(null);
    expect(copyOf(wary).prepare('t.4')).toBe(null);
  });

  test('[CR23] documents with losing values, tombstones, edits of clients or texts within elements are left alone', () => {
    const conflicting = edited(3);
    const other = copyOf(conflicting);
    conflicting.apply(write(other, patch({ x: 1 }), B));
    const [p, q] = [copyOf(conflicting), copyOf(conflicting)];
    p.apply(write(q, patch({ x: 2 }), B));
    const r = copyOf(conflicting);
    p.apply(write(r, patch({ x: 3 }), A + 99));
    expect(p.view().conflicts).toBe(1);
    expect(p.prepare('s.1')).toBe(null);

    const deleted = edited(3);
    write(deleted, { kind: 'delete' });
    expect(deleted.prepare('s.1')).toBe(null);

    const nested = GenerationalDocument.create();
    write(nested, operate({ op: 'append', path: '/l', value: {} }));
    write(nested, operate({ op: 'text-insert', path: '/l/0/t', index: 0, value: 'in an element' }));
    expect(nested.prepare('s.1')).toBe(null);

    const shared = edited(3);
    const editor = new Y.Doc();
    Y.applyUpdate(editor, shared.encode());
    editor.getText('body').insert(0, 'hello');
    const update = Y.encodeStateAsUpdate(editor, shared.encodeStateVector());
    shared.mergeClient(update, { isReadOnly: false, bytesMax: 1e6 }, { client: A, stamp: stamp++ });
    expect(shared.prepare('s.1')).toBe(null);

    const small = edited(1);
    expect(small.prepare('s.1', 50)).toBe(null);
  });

  test('[CR24] a client that holds another generation is refused, before it is told anything', () => {
    const a = edited(10);
    const behind = copyOf(a);
    const old = a.encodeStateVector();
    a.prepare('s.1');
    a.succeed('s.1');
    expect(codeOf(() => a.encodeDiff(old))).toBe('CRDT_UPDATE_FENCED');
    // A node that has not heard of the succession cannot serve who has; another one can.
    const now = a.encodeStateVector();
    expect(codeOf(() => behind.encodeDiff(now))).toBe('CRDT_UPDATE_FENCED');
    write(a, patch({ x: 1 }));
    for (const known of [now, Uint8Array.of(0), a.encodeStateVector()]) {
      expect(a.encodeDiff(known).length).toBeGreaterThan(1);
    }
    // Old content that is sent nevertheless is that of nodes, which clients may not bring.
    const admission = { isReadOnly: false, bytesMax: 1e6 };
    expect(codeOf(() => a.mergeClient(behind.encode(), admission, { client: B, stamp: stamp++ }))).toBe(
      'CRDT_UPDATE_GAP',
    );
  });

  test('[CR16] what was made twice while a document was compacted is taken back in whichever generation it is', () => {
    for (const isBefore of [true, false]) {
      const a = edited(5);
      const b = copyOf(a);
      b.apply(a.prepare('s.1')!);
      const twice = operate({ op: 'increment', path: '/n', value: 5 }, { op: 'append', path: '/list', value: 'twice' });
      const [one, two] = [write(a, twice, A), write(b, twice, B)];
      a.apply(two);
      b.apply(one);
      const succession = isBefore ? null : a.succeed('s.1');
      if (succession !== null) b.apply(succession);
      const duplicate = {
        client: B,
        places: placesOf(two, B),
        twins: [],
        increments: [['/n', 5]] as const,
        operation: 2 ** 43 + 1,
      };
      const back = write(a, { kind: 'retract', duplicate });
      b.apply(back);
      if (isBefore) b.apply(a.succeed('s.1'));
      for (const each of [a, b]) {
        const { n, list } = JSON.parse(each.view().json) as { n: number; list: unknown[] };
        expect([n, list.filter((value) => value === 'twice').length]).toEqual([5, 1]);
      }
      expect(b.view().json).toBe(a.view().json);
    }
  });
});

/**
 * Pages that write JSON, nodes that write as REST does and editors of shared types: whatever they do, and whoever meets whom, all show the
 * same in the end, no honest update is refused, and observers are told exactly what changed.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as Y from 'yjs';
import { normaliseState, type LiveWrite } from '../../crdt/index.ts';
import { Choices, chooseChange, restartNumbers, runParameters, steps, type Step } from '../helper/crdt-script.ts';
import { LiveWorld, type Page } from '../helper/live-world.ts';

/** An edit as editors make them, by the shared type itself. */
function editShared({ doc }: Page, choices: Choices): void {
  const kind = choices.next(4);
  if (kind === 0) {
    const text = doc.getText('prose');
    text.insert(choices.next(text.length + 1), `e${choices.next(10)}`);
  } else if (kind === 1) {
    const text = doc.getText('prose');
    if (text.length > 1) text.delete(choices.next(text.length - 1), 1);
  } else if (kind === 2) {
    doc.getMap('board').set(`k${choices.next(3)}`, choices.next(100));
  } else {
    doc.getArray('rows').push([choices.next(100)]);
  }
}

function play(world: LiveWorld, script: readonly Step[]): void {
  for (const { who, what, choices: numbers } of script) {
    const choices = new Choices(numbers);
    const node = choices.next(world.nodes.length);
    const page = world.pages[who % world.pages.length]!;
    if (who >= 3) {
      world.write(node, chooseChange(what, choices, world.nodes[node]!.json));
    } else if (what < 25) {
      world.meet(page, world.nodes[node]!);
    } else if (what < 35) {
      editShared(page, choices);
    } else {
      const change = chooseChange(what, choices, page.live.json === undefined ? '' : JSON.stringify(page.live.json));
      world.time++;
      if (change.kind !== 'delete') page.tryWrite(change as LiveWrite);
    }
    if (choices.next(4) === 0) world.nodes[node]!.pull(world.nodes[(node + 1) % world.nodes.length]!);
  }
}

describe('[VW2] [VW3] pages, nodes and editors', () => {
  test.each([
    ['update-wins', undefined],
    ['delete-wins', undefined],
    ['update-wins', { '/a': 'set', '/b': 'array', '/c': 'text' }],
  ] as const)('converge (%s, %j)', (deletePolicy, types) => {
    fc.assert(
      fc.property(steps(60), (script) => {
        restartNumbers();
        const world = new LiveWorld(2, 3, { deletePolicy, ...(types && { types }) });
        play(world, script);
        world.settle();
        const [first, ...others] = world.nodes;
        const { document, json } = first!;
        const state = normaliseState(document.encode());
        for (const other of others) {
          expect(other.json).toBe(json);
          expect(other.document.conflicts()).toEqual(document.conflicts());
          expect(normaliseState(other.document.encode())).toEqual(state);
        }
        for (const page of world.pages) {
          expect(page.told).toEqual(page.live.json);
          if (json === '') continue;
          expect(JSON.stringify(page.live.json)).toBe(JSON.stringify(JSON.parse(json)));
          expect(page.live.conflicts).toEqual(document.conflicts());
          expect(normaliseState(Y.encodeStateAsUpdate(page.doc))).toEqual(state);
        }
      }),
      runParameters(100),
    );
  });
});

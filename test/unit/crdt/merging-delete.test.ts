/** Rule CR11: deleting whole documents. */
import { expect, test } from 'vitest';
import { everyCase } from '../../helper/crdt-merge.ts';
import { createReplicas, settle, type DocumentReplica } from '../../helper/crdt-replicas.ts';
import { CrdtDocument } from '../../../crdt/index.ts';

test('[CR11] update-wins: a concurrent update keeps the whole document alive', () => {
  everyCase((given) => {
    given.begin({ x: 1, o: { y: [2, { z: 3 }] } });
    given.a.delete(given.stampA);
    expect(given.a.document.view().exists).toBe(false);
    given.set(given.b, '/x', 'B');
    expect(given.merge()).toEqual({ x: 'B', o: { y: [2, { z: 3 }] } });
  });
});

test('[CR11] update-wins: an update that only removes keeps it alive too', () => {
  everyCase((given) => {
    given.begin({ x: 1, y: 2 });
    given.a.delete(given.stampA);
    given.remove(given.b, '/x');
    expect(given.merge()).toEqual({ y: 2 });
  });
});

test('[CR11] delete-wins: a concurrent update does not bring it back', () => {
  everyCase(
    (given) => {
      given.begin({ x: 1 });
      given.a.delete(given.stampA);
      given.set(given.b, '/x', 'B');
      expect(given.merge()).toBeNull();
      expect(given.c.document.view()).toMatchObject({ exists: false, json: '' });
    },
    { deletePolicy: 'delete-wins' },
  );
});

test('[CR15] delete-wins: the update that lost is a readable conflict until somebody writes the document again', () => {
  everyCase(
    (given) => {
      if (given.prefix !== '') return;
      given.begin({ x: 1, y: 2 });
      given.a.delete(given.stampA);
      given.set(given.b, '/x', 'B');
      expect(given.merge()).toBeNull();
      const lost = [{ path: '', shown: undefined, others: [{ x: 'B', y: 2 }] }];
      expect(given.conflicts()).toEqual(lost);
      const [conflict] = given.c.document.conflicts();
      expect(conflict?.others[0]).toMatchObject({ stamp: given.stampB, client: given.b.client });
      expect(given.c.document.view().conflicts).toBe(1);
      given.c.put({ new: true }, 4000);
      expect(given.merge()).toEqual({ new: true });
      expect(given.conflicts()).toEqual([]);
    },
    { deletePolicy: 'delete-wins' },
  );
});

test('[CR15] delete-wins: what lost inside the lost document is readable too, what the deleter had seen is not', () => {
  everyCase(
    (given) => {
      if (given.prefix !== '') return;
      given.begin({ x: 1 });
      given.set(given.b, '/x', 'B');
      given.set(given.c, '/x', 'C', 3000);
      given.a.delete(given.stampA);
      expect(given.merge()).toBeNull();
      expect(given.conflicts()).toEqual([
        { path: '', shown: undefined, others: [{ x: 'C' }] },
        { path: '/x', shown: undefined, others: ['B'] },
      ]);
      expect(given.c.document.view().conflicts).toBe(2);
    },
    { deletePolicy: 'delete-wins' },
  );
  everyCase(
    (given) => {
      given.begin({ x: 1 });
      given.set(given.b, '/x', 'B');
      given.merge();
      given.a.delete(4000);
      expect(given.merge()).toBeNull();
      expect(given.conflicts()).toEqual([]);
      expect(given.c.document.view().conflicts).toBe(0);
    },
    { deletePolicy: 'delete-wins' },
  );
});

test('[CR11] a document created by one and deleted by another lives, under both policies', () => {
  for (const deletePolicy of ['update-wins', 'delete-wins'] as const) {
    everyCase(
      (given) => {
        if (given.prefix !== '') return;
        given.c.put({ old: 1 }, 5);
        given.a.pull(given.c);
        given.a.delete(given.stampA);
        given.b.put({ created: 2 }, given.stampB);
        expect(given.merge()).toMatchObject({ created: 2 });
      },
      { deletePolicy },
    );
  }
});

test('[CR11] a write after an observed delete starts from an empty document', () => {
  for (const deletePolicy of ['update-wins', 'delete-wins'] as const) {
    everyCase(
      (given) => {
        given.begin({ x: 1, t: [1, 2], o: { p: 1 } });
        given.a.delete(given.stampA);
        given.b.delete(given.stampB);
        given.merge();
        given.c.patch({ fresh: true }, 1);
        given.merge();
        expect(given.a.json).toBe('{"fresh":true}');
        given.b.delete(4000);
        expect(given.merge()).toBeNull();
        expect(given.b.document.change({ kind: 'delete' }, { client: given.b.client, stamp: 5000 })).toBeNull();
      },
      { deletePolicy },
    );
  }
});

test('[CR11] a delete that has seen the update deletes; deletes on both sides stay deletes', () => {
  everyCase((given) => {
    given.begin({ x: 1 });
    given.set(given.a, '/x', 2);
    given.merge();
    given.a.delete(given.stampA);
    given.b.delete(given.stampB);
    expect(given.merge()).toBeNull();
  });
});

test('[CR11] a revived document can be deleted and created again', () => {
  everyCase((given) => {
    given.begin({ x: 1 });
    given.a.delete(given.stampA);
    given.set(given.b, '/x', 'B');
    given.merge();
    given.set(given.c, '/x', 'C', 4000);
    given.merge();
    given.a.delete(4001);
    expect(given.merge()).toBeNull();
    given.b.put({ again: 1 }, 4002);
    given.merge();
    expect(given.a.json).toBe('{"again":1}');
  });
});

test('[CR11] creating a document again leaves no content of the deleted one behind', () => {
  const document = CrdtDocument.create();
  const author = { client: 9, stamp: 1 };
  for (let round = 0; round < 50; round++) {
    document.change({ kind: 'replace', value: { text: 'x'.repeat(1000), list: [round, { a: 1 }] } }, author);
    document.change({ kind: 'delete' }, author);
  }
  document.change({ kind: 'replace', value: { small: 1 } }, author);
  expect(document.encode().length).toBeLessThan(100);
});

test('[CR11] the outcome is the same when deletes and creations cross', () => {
  const replicas = createReplicas(3);
  const [a, b, c] = replicas as [DocumentReplica, DocumentReplica, DocumentReplica];
  a.put({ v: 1 }, 1);
  settle(replicas);
  a.delete(2);
  b.patch({ b: 1 }, 3);
  c.pull(a);
  c.pull(a);
  c.put({ c: 1 }, 4);
  settle(replicas, [c, b, a]);
  expect(new Set(replicas.map(({ json }) => json)).size).toBe(1);
  expect(a.value).toMatchObject({ b: 1, c: 1 });
});

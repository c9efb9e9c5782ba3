import fc from 'fast-check';
import { expect, test } from 'vitest';
import * as Y from 'yjs';
import { ChangeFeed, defineIndex, MemoryStore, Replica, runQuery, SharedDocument } from '../../sync/index.ts';
import type { Database, QueryLimits } from '../../sync/index.ts';
import { decodeView } from '../../sync/document-record.ts';
import { rangeOf } from '../../sync/key.ts';
import { ManualClock, seededRandom } from '../helper/manual-ports.ts';

const LIMITS: QueryLimits = { examinedMax: 1000, sortMax: 100, bytesMax: 1e6, pause: () => Promise.resolve() };
const ADMISSION = { isReadOnly: false, bytesMax: 1_000_000 };
const NAMES = ['a', 'b'] as const;

const step = fc.record({
  kind: fc.oneof(
    { weight: 10, arbitrary: fc.constant('type' as const) },
    { weight: 5, arbitrary: fc.constantFrom('get' as const, 'list' as const, 'query' as const, 'feed' as const) },
    { weight: 4, arbitrary: fc.constantFrom('write' as const, 'idle' as const, 'crash' as const, 'rest' as const) },
    { weight: 1, arbitrary: fc.constantFrom('follow' as const, 'index' as const) },
  ),
  name: fc.constantFrom(...NAMES),
  isAwaited: fc.boolean(),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Every edit makes the text, and every write the number, greater: so a reader can tell what is old. */
interface Seen {
  readonly text: number;
  readonly number: number;
}

const utf8 = new TextDecoder();

function seenIn(json: Uint8Array | null): Seen {
  const { text = '', number = 0 } = json === null ? {} : (JSON.parse(utf8.decode(json)) as Record<string, never>);
  return { text: String(text).length, number: Number(number) };
}

class Node {
  store: MemoryStore = new MemoryStore();
  database!: Database;
  #replica!: Replica;
  #shared = new Map<string, SharedDocument>();
  readonly #editors = new Map<string, Y.Doc>();
  readonly #acknowledged = new Map<string, Seen>();
  #waiting: Promise<unknown>[] = [];
  #feed: ChangeFeed | null = null;
  #count = 1;

  async open(): Promise<void> {
    const timers = {
      after: (delayMs: number, run: () => void): (() => void) => {
        if (delayMs === 0) queueMicrotask(run);
        return () => {};
      },
    };
    const random = seededRandom(4000 + this.#count++);
    this.#replica = await Replica.open({
      store: this.store,
      clock: new ManualClock(),
      timers,
      random,
      lateBytesMin: 0,
    });
    if (this.#count === 2) await this.#replica.createDatabase('app');
    this.database = this.#replica.database('app');
    this.#shared = new Map();
    this.#editors.clear();
    this.#feed = null;
  }

  async run({ kind, name, isAwaited }: Step): Promise<void> {
    const { database } = this;
    if (kind === 'type') return this.#type(name, isAwaited);
    if (kind === 'write') {
      const number = this.#count++;
      const done = database.write('c', name, { kind: 'merge-patch', patch: { number } });
      return this.#wait(name, 'number', number, done, isAwaited);
    }
    if (kind === 'idle') return database.parts.table.late.completeIdle();
    if (kind === 'rest') return this.#shared.get(name)?.rest();
    if (kind === 'index') return void (await defineIndex(database, 'c', 'n', { paths: ['/number'] }));
    if (kind === 'follow') return this.#follow();
    if (kind === 'crash') return this.#crash();
    return this.#read(kind, name);
  }

  async #type(name: string, isAwaited: boolean): Promise<void> {
    let shared = this.#shared.get(name);
    if (shared === undefined) this.#shared.set(name, (shared = new SharedDocument(this.database, 'c', name, () => {})));
    if (!shared.isOpen) await shared.open();
    let editor = this.#editors.get(name);
    if (editor === undefined) this.#editors.set(name, (editor = new Y.Doc()));
    Y.applyUpdate(editor, shared.diff(Uint8Array.of(0)));
    editor.getText('text').insert(0, 'x');
    expect(shared.merge([{ update: Y.encodeStateAsUpdate(editor), admission: ADMISSION }]).size).toBe(0);
    return this.#wait(name, 'text', editor.getText('text').length, shared.settled(), isAwaited);
  }

  async #wait(
    name: string,
    what: keyof Seen,
    value: number,
    done: Promise<unknown>,
    isAwaited: boolean,
  ): Promise<void> {
    const { store } = this;
    const noted = done.then(
      () => {
        // Nobody hears a process that was killed.
        if (store !== this.store) return;
        const known = this.#acknowledged.get(name) ?? { text: 0, number: 0 };
        this.#acknowledged.set(name, { ...known, [what]: Math.max(known[what], value) });
      },
      () => undefined,
    );
    this.#waiting.push(noted);
    if (isAwaited) await noted;
  }

  async #read(kind: 'get' | 'list' | 'query' | 'feed', name: string): Promise<void> {
    const before = new Map(this.#acknowledged);
    for (const [id, json] of await this.#shown(kind, name)) {
      const seen = seenIn(json);
      const known = before.get(id) ?? { text: 0, number: 0 };
      expect(seen.text).toBeGreaterThanOrEqual(known.text);
      expect(seen.number).toBeGreaterThanOrEqual(known.number);
    }
  }

  async #shown(kind: 'get' | 'list' | 'query' | 'feed', name: string): Promise<Map<string, Uint8Array | null>> {
    const { database } = this;
    if (kind === 'get') return new Map([[name, (await database.get('c', name))?.json ?? null]]);
    if (kind === 'list')
      return new Map((await database.list('c', { limit: 10 })).items.map(({ id, json }) => [id, json]));
    if (kind === 'query')
      return new Map((await runQuery(database, 'c', { limit: 10 }, LIMITS)).items.map(({ id, json }) => [id, json]));
    const feed = ChangeFeed.open(
      database,
      { after: () => () => {} },
      { collection: 'c', documents: true, onChange: () => {} },
    );
    const shown = new Map<string, Uint8Array | null>();
    for (let page = await feed.read(); page !== null; page = await feed.read())
      for (const { id, json } of page.changes) shown.set(id, json);
    feed.close();
    return shown;
  }

  /** One feed that is read again and again: nothing in it may be told as deleted. */
  async #follow(): Promise<void> {
    const options = { collection: 'c', documents: true, onChange: (): void => {} };
    this.#feed ??= ChangeFeed.open(this.database, { after: () => () => {} }, options);
    for (let page = await this.#feed.read(); page !== null; page = await this.#feed.read())
      for (const { json } of page.changes) expect(json).not.toBeNull();
  }

  async #crash(): Promise<void> {
    this.#waiting = [];
    this.store = this.store.crash();
    await this.#replica.close().catch(() => undefined);
    await this.open();
    for (const name of NAMES) await this.#read('get', name);
    await this.#read('list', 'a');
    // What had not been acknowledged may be gone, or there.
    for (const name of NAMES) this.#acknowledged.set(name, seenIn((await this.database.get('c', name))?.json ?? null));
  }

  /** What is stored is whole once nobody edits, and counted right. */
  async check(): Promise<void> {
    await Promise.all(this.#waiting);
    const { table } = this.database.parts;
    for (let round = 0; round < 2; round++) await table.late.completeIdle();
    for await (const entries of this.store.range(rangeOf('j')))
      for (const [, value] of entries) expect(decodeView(value).json).not.toBeNull();
    for await (const entries of this.store.range(rangeOf('u'))) expect(entries).toEqual([]);
    const { isEqual, stats } = await table.sums.recount(async () => {});
    expect(isEqual).toBe(true);
    expect(stats.get('c')?.bytes ?? 0).toBe(table.stats.get('c')?.bytes ?? 0);
    for (const name of NAMES) await this.#read('get', name);
    await this.#replica.close();
  }
}

test('[YJ41] whatever is read while large documents are edited, before and after crashes, is what was acknowledged', async () => {
  let late = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      const node = new Node();
      await node.open();
      for (const each of steps) {
        await node.run(each);
        late += node.database.parts.table.late.size;
      }
      await node.check();
    }),
    { numRuns: 200 },
  );
  expect(late).toBeGreaterThan(50);
});

/**
 * @module
 * Owns how the documents of staged chunks are merged into the database: in portions, because clients wait meanwhile, unless what
 * belongs together must show together. What nobody has here is put in its place without being opened.
 */
import { indexDocument } from './change-index.ts';
import { isCorrupt, scanThroughDamage } from './damage-scan.ts';
import type { Database } from './database.ts';
import { readFirstView } from './document-record.ts';
import { ready } from './document-slot.ts';
import type { DocumentSlot } from './document-slot.ts';
import type { DocumentName } from './equality.ts';
import { forget } from './forgetting.ts';
import { isWithin } from './forgotten.ts';
import type { Holding } from './horizon.ts';
import { learnOrigin, mergeRow } from './ingest.ts';
import type { OriginRegistry } from './ingest.ts';
import { documentOf, rangeOf, successorOf } from './key.ts';
import { OPERATIONS, repeatedIn } from './operation.ts';
import type { PlaceableView } from './placed-documents.ts';
import type { StoreEntry } from './port.ts';
import type { SnapshotRow } from './snapshot.ts';
import { decodeStagedChunk, rowOfView } from './staged-chunk.ts';
import type { StagedChunk } from './staged-chunk.ts';
import { sequenceOf } from './version-vector.ts';
import { PORTION_DOCUMENTS } from './work-turns.ts';

/** Documents that are not opened, and of which all is ready, cost so much less than others. */
const PLACED_PER_OPENED = 4;
const utf8 = new TextDecoder();

export class SnapshotMerge {
  readonly #database: Database;
  readonly #registry: OriginRegistry;
  /** Operations that were done twice, to be looked at when the vector covers them. */
  #repeated: string[] = [];

  constructor(database: Database, registry: OriginRegistry) {
    this.#database = database;
    this.#registry = registry;
  }

  /** Operations that were done twice, among those merged since the last call. */
  takeRepeated(): readonly string[] {
    const repeated = this.#repeated;
    this.#repeated = [];
    return repeated;
  }

  /**
   * Merges a chunk. It leaves the stage with the commit that carries the last of its documents, each of which comes with what no log
   * here will say of it (I7). Resolves to the number of documents when they are durable.
   *
   * @param donor - The vector of who gave it.
   */
  async merge([key, bytes]: StoreEntry, donor: Holding): Promise<number> {
    const chunk = decodeStagedChunk(bytes);
    const { rows, views } = chunk;
    await this.#forgetAbsentees(chunk, donor);
    this.#learn([chunk]);
    const taken: SnapshotRow[] = [];
    for (const portion of portionsOf(views, PORTION_DOCUMENTS * PLACED_PER_OPENED)) {
      taken.push(...(await this.#placePortion(portion)));
    }
    for (const portion of portionsOf([...taken, ...rows], PORTION_DOCUMENTS)) await this.#mergePortion(portion, donor);
    // What was merged last is in the open group, or was durable before.
    this.#database.extraOperations.push({ type: 'del', key });
    await this.#database.parts.commit.join(this.#database);
    return rows.length + views.length;
  }

  /**
   * Merges chunks in one commit.
   *
   * @param alongside - Runs at the moment of the merge: what it changes is in the same commit.
   */
  async mergeAtOnce(entries: readonly StoreEntry[], donor: Holding, alongside: () => void): Promise<void> {
    const { table, commit, turns } = this.#database.parts;
    const chunks = entries.map(([, bytes]) => decodeStagedChunk(bytes));
    const rows = chunks.flatMap((chunk) => [...chunk.rows, ...chunk.views.map(rowOfView)]);
    const gone: DocumentName[] = [];
    for (const chunk of chunks) gone.push(...(await this.#absenteesOf(chunk)));
    const slots = await this.#acquire([...rows, ...gone]);
    try {
      await turns.next('snapshot', slots.length);
      this.#database.assertOpen();
      this.#forget(slots.slice(rows.length), donor);
      this.#learn(chunks);
      this.#mergeInto(slots, rows, donor);
      for (const [key] of entries) this.#database.extraOperations.push({ type: 'del', key });
      alongside();
      await commit.join(this.#database);
    } finally {
      for (const slot of slots) table.release(slot);
    }
  }

  /** Resolves when the documents are in the open group. */
  async #mergePortion(rows: readonly SnapshotRow[], donor: Holding): Promise<void> {
    const { table, turns } = this.#database.parts;
    const slots = await this.#acquire(rows);
    try {
      await turns.next('snapshot', rows.length);
      this.#database.assertOpen();
      this.#join();
      this.#mergeInto(slots, rows, donor);
    } finally {
      for (const slot of slots) table.release(slot);
    }
  }

  /** Puts documents in their place that nobody has here, for certain. Resolves to the others, when these are in the open group. */
  async #placePortion(views: readonly PlaceableView[]): Promise<readonly SnapshotRow[]> {
    const { table, turns, log, db } = this.#database.parts;
    await turns.next('snapshot', Math.ceil(views.length / PLACED_PER_OPENED), views.length);
    this.#database.assertOpen();
    this.#join();
    const taken: SnapshotRow[] = [];
    for (const view of views) {
      const { key, value } = view;
      const name = utf8.decode(key.subarray(5));
      const { origin, seq } = readFirstView(value)!;
      if (!table.mayPlace(name, key)) taken.push(rowOfView(view));
      else if (seq > sequenceOf(log.durableVector, origin)) {
        table.place(name, view);
        this.#database.extraOperations.push(...indexDocument(db, key, [[origin, seq]]));
      }
    }
    return taken;
  }

  /** Who waits for the last of a chunk hears of a failure. */
  #join(): void {
    this.#database.parts.commit.join(this.#database).catch(() => undefined);
  }

  #mergeInto(slots: readonly DocumentSlot[], rows: readonly SnapshotRow[], donor: Holding): void {
    const { extraOperations, parts } = this.#database;
    rows.forEach((row, i) => {
      const slot = slots[i]!;
      mergeRow(this.#database, slot, row, donor);
      extraOperations.push(...indexDocument(parts.db, slot.viewKey, row.vector));
      if (row.collection === OPERATIONS && repeatedIn(slot).length > 0) this.#repeated.push(row.id);
    });
  }

  #learn(chunks: readonly StagedChunk[]): void {
    const { extraOperations, parts } = this.#database;
    for (const { begin, origins } of chunks) {
      if (begin !== null) extraOperations.push(...parts.forgotten.join(begin.forgotten));
      for (const [origin, nodeId] of origins) learnOrigin(this.#database, this.#registry, origin, nodeId);
    }
  }

  /** A document that cannot be read from the disk is waited for until a peer gave it back. */
  async #acquire(rows: readonly DocumentName[]): Promise<readonly DocumentSlot[]> {
    const { table } = this.#database.parts;
    for (;;) {
      const slots = rows.map((row) => table.acquire(row.collection, row.id));
      try {
        await ready(slots);
        return slots;
      } catch (error) {
        for (const slot of slots) table.release(slot);
        if (!isCorrupt(error) || this.#database.quarantine.size === 0) throw error;
        await this.#database.quarantine.released();
        this.#database.assertOpen();
      }
    }
  }

  async #forgetAbsentees(chunk: StagedChunk, donor: Holding): Promise<void> {
    const { table, turns } = this.#database.parts;
    const slots = await this.#acquire(await this.#absenteesOf(chunk));
    try {
      if (slots.length > 0) await turns.next('snapshot', slots.length);
      this.#database.assertOpen();
      this.#forget(slots, donor);
    } finally {
      for (const slot of slots) table.release(slot);
    }
  }

  #forget(slots: readonly DocumentSlot[], donor: Holding): void {
    forget(
      this.#database,
      slots.filter((slot) => slot.vector.size > 0 && isWithin(slot.vector, donor)),
    );
  }

  /** Documents that are here and not at the donor, within what a chunk speaks of. */
  async #absenteesOf({ presence, rows, views }: StagedChunk): Promise<readonly DocumentName[]> {
    if (presence === null) return [];
    const { after, upTo, names } = presence;
    const { store, db } = this.#database.parts;
    const present = new Set([...names, ...rows, ...views.map(({ key }) => documentOf(key))].map(nameOf));
    const all = rangeOf('j', db);
    const keyOf = (name: Uint8Array): Uint8Array => successorOf(Uint8Array.of(...all.gte, ...name));
    const gte = after.length === 0 ? all.gte : keyOf(after);
    const lt = upTo.length === 0 ? all.lt : keyOf(upTo);
    const absent: DocumentName[] = [];
    for await (const entries of scanThroughDamage(store, { gte, lt })) {
      for (const [key] of entries) {
        const document = documentOf(key);
        if (!present.has(nameOf(document))) absent.push(document);
      }
    }
    return absent;
  }
}

function* portionsOf<T>(all: readonly T[], size: number): Generator<readonly T[]> {
  for (let start = 0; start < all.length; start += size) yield all.slice(start, start + size);
}

function nameOf({ collection, id }: DocumentName): string {
  return `${collection}\0${id}`;
}

/**
 * @module
 * Owns how the documents of staged chunks are merged into the database: in portions, because clients wait meanwhile, unless what
 * belongs together must show together. What nobody has here is put in its place without being opened.
 */
import { Absence, nameOf } from './absence.ts';
import { SYSTEM_KEY } from './catalog.ts';
import { indexDocument } from './change-index.ts';
import { isCorrupt, scanThroughDamage } from './damage-scan.ts';
import type { Database } from './database.ts';
import { isFirstContent } from './document-record.ts';
import { ready } from './document-slot.ts';
import type { DocumentSlot } from './document-slot.ts';
import type { DocumentName } from './equality.ts';
import { forget } from './forgetting.ts';
import { isWithin } from './forgotten.ts';
import type { Holding } from './horizon.ts';
import { isHeld, learnOrigin, mergeRow } from './ingest.ts';
import type { OriginRegistry } from './ingest.ts';
import { documentOf, rangeOf, successorOf } from './key.ts';
import { OPERATIONS, repeatedIn } from './operation.ts';
import type { PlaceableRow } from './placed-documents.ts';
import type { StoreEntry } from './port.ts';
import { decodeSnapshotChunk } from './snapshot.ts';
import type { SnapshotChunk, SnapshotRow } from './snapshot.ts';
import { PORTION_DOCUMENTS } from './work-turns.ts';

/** Documents that are not opened cost so much less than others. */
const PLACED_PER_OPENED = 4;

/** Documents that are merged in one go. */
interface Portion {
  readonly rows: readonly SnapshotRow[];
  /** The vector of who gave them. */
  readonly donor: Holding;
  /** Null when each has to be read. */
  readonly absence: Absence | null;
}

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
   * @param isBlank - The replica began with nothing.
   */
  async merge([key, bytes]: StoreEntry, donor: Holding, isBlank: boolean): Promise<number> {
    const chunk = decodeSnapshotChunk(bytes);
    await this.#forgetAbsentees(chunk, donor);
    this.#learn([chunk]);
    const leave = (): void => void this.#database.extraOperations.push({ type: 'del', key });
    const absence = isBlank ? new Absence(this.#database.parts) : null;
    try {
      await absence?.look(chunk.rows);
      const size = absence?.isKnown === true ? PORTION_DOCUMENTS * PLACED_PER_OPENED : PORTION_DOCUMENTS;
      let durable = Promise.resolve();
      for (let start = 0; start === 0 || start < chunk.rows.length; start += size) {
        const isLast = start + size >= chunk.rows.length;
        const portion = { rows: chunk.rows.slice(start, start + size), donor, absence };
        ({ durable } = await this.#mergePortion(portion, isLast ? leave : () => {}));
      }
      await durable;
    } finally {
      absence?.end();
    }
    return chunk.rows.length;
  }

  /**
   * Merges chunks in one commit.
   *
   * @param alongside - Runs at the moment of the merge: what it changes is in the same commit.
   */
  async mergeAtOnce(entries: readonly StoreEntry[], donor: Holding, alongside: () => void): Promise<void> {
    const { table, commit, turns } = this.#database.parts;
    const chunks = entries.map(([, bytes]) => decodeSnapshotChunk(bytes));
    const rows = chunks.flatMap((chunk) => chunk.rows);
    const gone: DocumentName[] = [];
    for (const chunk of chunks) gone.push(...(await this.#absenteesOf(chunk)));
    const slots = await this.#acquire([...rows, ...gone], null);
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

  /**
   * Resolves when they are merged, with what waits until they are durable.
   *
   * @param alongside - Runs at the moment when all are: what it changes is in the commit of the last.
   */
  async #mergePortion(portion: Portion, alongside: () => void): Promise<{ durable: Promise<void> }> {
    const { rows, donor, absence } = portion;
    const { table, commit, turns, db } = this.#database.parts;
    const placeable: PlaceableRow[] = [];
    const others: SnapshotRow[] = [];
    for (const row of rows) if (!this.#take(row, absence, placeable)) others.push(row);
    const slots = await this.#acquire(others, absence);
    const opened: SnapshotRow[] = [];
    let durable: Promise<void>;
    try {
      await turns.next('snapshot', slots.length + Math.ceil(placeable.length / PLACED_PER_OPENED));
      this.#database.assertOpen();
      durable = commit.join(this.#database);
      // Who waits for the last of a chunk hears of a failure.
      durable.catch(() => undefined);
      this.#mergeInto(slots, others, donor);
      for (const row of placeable) {
        // Somebody may have opened it meanwhile.
        if (!this.#isPlaceable(row, absence)) opened.push(row);
        else if (!isHeld(row.vector, this.#database.parts.log.durableVector)) {
          const key = table.place(row, durable);
          this.#database.extraOperations.push(...indexDocument(db, key, row.vector));
        }
      }
      if (opened.length === 0) alongside();
    } finally {
      for (const slot of slots) table.release(slot);
    }
    if (opened.length > 0) return this.#mergePortion({ rows: opened, donor, absence: null }, alongside);
    return { durable };
  }

  #take(row: SnapshotRow, absence: Absence | null, into: PlaceableRow[]): boolean {
    const { collection, id, vector, content } = row;
    if (!isFirstContent(content) || !this.#isPlaceable(row, absence)) return false;
    into.push({ collection, id, vector, content });
    return true;
  }

  /** Does nobody have it here, and is nothing but the document made from it? */
  #isPlaceable(row: DocumentName, absence: Absence | null): boolean {
    if (absence === null || !absence.isAbsent(row)) return false;
    const isPlain = row.collection !== OPERATIONS && this.#database.key !== SYSTEM_KEY;
    return isPlain && this.#database.parts.table.mayPlace(row, true);
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

  #learn(chunks: readonly SnapshotChunk[]): void {
    const { extraOperations, parts } = this.#database;
    for (const { begin, origins } of chunks) {
      if (begin !== null) extraOperations.push(...parts.forgotten.join(begin.forgotten));
      for (const [origin, nodeId] of origins) learnOrigin(this.#database, this.#registry, origin, nodeId);
    }
  }

  /** A document that cannot be read from the disk is waited for until a peer gave it back. */
  async #acquire(rows: readonly DocumentName[], absence: Absence | null): Promise<readonly DocumentSlot[]> {
    const { table } = this.#database.parts;
    for (;;) {
      const slots = rows.map((row) => table.acquire(row.collection, row.id, absence?.isAbsent(row) === true));
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

  async #forgetAbsentees(chunk: SnapshotChunk, donor: Holding): Promise<void> {
    const { table, turns } = this.#database.parts;
    const slots = await this.#acquire(await this.#absenteesOf(chunk), null);
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
  async #absenteesOf({ presence, rows }: SnapshotChunk): Promise<readonly DocumentName[]> {
    if (presence === null) return [];
    const { after, upTo, names } = presence;
    const { store, db } = this.#database.parts;
    const present = new Set([...names, ...rows].map(nameOf));
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

/**
 * @module
 * Owns how the documents of staged chunks are merged into the database: in portions, because clients wait meanwhile, unless what
 * belongs together must show together. What nobody has here is put in its place without being opened.
 */
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
  readonly opened: readonly SnapshotRow[];
  /** Not opened, unless somebody else does before. */
  readonly placeable: readonly PlaceableRow[];
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
   */
  async merge([key, bytes]: StoreEntry, donor: Holding): Promise<number> {
    const chunk = decodeSnapshotChunk(bytes);
    await this.#forgetAbsentees(chunk, donor);
    this.#learn([chunk]);
    const leave = (): void => void this.#database.extraOperations.push({ type: 'del', key });
    let durable = Promise.resolve();
    let rest = chunk.rows;
    do {
      const portion = this.#portionOf(rest);
      rest = rest.slice(portion.opened.length + portion.placeable.length);
      ({ durable } = await this.#mergePortion(portion, donor, rest.length === 0 ? leave : () => {}));
    } while (rest.length > 0);
    await durable;
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

  /** The first of these documents, as many as are merged in one go. */
  #portionOf(rows: readonly SnapshotRow[]): Portion {
    const opened: SnapshotRow[] = [];
    const placeable: PlaceableRow[] = [];
    for (const row of rows) {
      if (weightOf({ opened, placeable }) >= PORTION_DOCUMENTS) break;
      const { content } = row;
      if (isFirstContent(content) && this.#isPlaceable(row)) placeable.push({ ...row, content });
      else opened.push(row);
    }
    return { opened, placeable };
  }

  /**
   * Resolves when they are merged, with what waits until they are durable.
   *
   * @param alongside - Runs at the moment when all are: what it changes is in the commit of the last.
   */
  async #mergePortion(portion: Portion, donor: Holding, alongside: () => void): Promise<{ durable: Promise<void> }> {
    const { table, commit, turns, log, db } = this.#database.parts;
    const slots = await this.#acquire(portion.opened);
    const left: SnapshotRow[] = [];
    let durable: Promise<void>;
    try {
      await turns.next('snapshot', weightOf(portion));
      this.#database.assertOpen();
      durable = commit.join(this.#database);
      // Who waits for the last of a chunk hears of a failure.
      durable.catch(() => undefined);
      this.#mergeInto(slots, portion.opened, donor);
      for (const row of portion.placeable) {
        // Somebody may have opened it meanwhile.
        if (!this.#isPlaceable(row)) left.push(row);
        else if (!isHeld(row.vector, log.durableVector)) {
          const key = table.place(row);
          this.#database.extraOperations.push(...indexDocument(db, key, row.vector));
        }
      }
      if (left.length === 0) alongside();
    } finally {
      for (const slot of slots) table.release(slot);
    }
    if (left.length > 0) return this.#mergePortion({ opened: left, placeable: [] }, donor, alongside);
    return { durable };
  }

  /** Does nobody have it here, for certain, and is nothing but the document made from it? */
  #isPlaceable(row: DocumentName): boolean {
    const isPlain = row.collection !== OPERATIONS && this.#database.key !== SYSTEM_KEY;
    return isPlain && this.#database.parts.table.mayPlace(row);
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

  async #forgetAbsentees(chunk: SnapshotChunk, donor: Holding): Promise<void> {
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

/** How many opened documents cost as much. */
function weightOf({ opened, placeable }: Portion): number {
  return opened.length + Math.ceil(placeable.length / PLACED_PER_OPENED);
}

function nameOf({ collection, id }: DocumentName): string {
  return `${collection}\0${id}`;
}

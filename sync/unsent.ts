/**
 * @module
 * Owns the list of what only this node holds of its own writes: documents that its records touched which no member is known to
 * hold. For a node that was removed, or whose history is another than the one its peers hold: what is found here can be written
 * anew elsewhere.
 */
import { decodeBatch } from './batch.ts';
import type { Database } from './database.ts';
import type { OriginId } from './engine.ts';

/** A document as this node has it; without `doc` it was deleted here. */
export interface UnsentDocument {
  readonly database: string;
  readonly collection: string;
  readonly id: string;
  readonly doc?: Uint8Array;
}

export interface UnsentSource {
  readonly database: Database;
  /** Origin of this node → sequence up to which others hold it. */
  readonly floors: ReadonlyMap<OriginId, number>;
}

const READ_BYTES = 1024 * 1024;

/** In the order of sources, collections and ids; every document once per source. */
export async function* unsentDocuments(sources: readonly UnsentSource[]): AsyncGenerator<UnsentDocument> {
  for (const { database, floors } of sources) {
    const touched = new Set<string>();
    for (const [origin, floor] of floors) await collect(database, origin, floor, touched);
    for (const name of [...touched].sort()) {
      const [collection = '', id = ''] = name.split('\0');
      const document = await database.get(collection, id);
      yield { database: database.name, collection, id, ...(document !== null && { doc: document.json }) };
    }
  }
}

async function collect(
  { parts: { log } }: Database,
  origin: OriginId,
  floor: number,
  touched: Set<string>,
): Promise<void> {
  let seq = floor;
  for (;;) {
    const batches = await log.read(origin, seq, READ_BYTES);
    // What the log no longer holds, every member has acknowledged.
    if (batches === 'floor' || batches.length === 0) return;
    for (const bytes of batches) {
      const { firstSeq, count, records } = decodeBatch(bytes);
      records.forEach((record, i) => {
        if (record.kind === 'update' && firstSeq + i > seq) touched.add(`${record.collection}\0${record.id}`);
      });
      seq = Math.max(seq, firstSeq + count - 1);
    }
  }
}

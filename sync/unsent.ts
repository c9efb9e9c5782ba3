/**
 * @module
 * Owns the list of what only this node holds of its own writes: documents that its records touched which no member is known to
 * hold. For a node that was removed, or whose history is another than the one its peers hold: what is found here can be written
 * anew elsewhere.
 */
import { decodeBatch } from './batch.ts';
import type { Database } from './database.ts';
import type { OriginId } from './engine.ts';
import type { ReplicaEngine } from './replica-engine.ts';

/** A document as this node has it; without `doc` it was deleted here. */
export interface UnsentDocument {
  readonly database: string;
  readonly collection: string;
  readonly id: string;
  readonly doc?: Uint8Array;
}

export interface UnsentSource {
  readonly engine: ReplicaEngine;
  /** The user's databases. */
  readonly databases: readonly Database[];
  /** Origins of this node. */
  readonly origins: readonly OriginId[];
  /** The largest sequence of an origin that some member is known to hold; 0 when what it holds is not what was written here. */
  knownElsewhere(database: string, origin: OriginId): number;
}

const READ_BYTES = 1024 * 1024;

/** In the order of databases, collections and ids; every document once. */
export async function* unsentDocuments(source: UnsentSource): AsyncGenerator<UnsentDocument> {
  for (const database of source.databases) {
    const touched = new Set<string>();
    for (const origin of source.origins) await collect(source, database, origin, touched);
    for (const name of [...touched].sort()) {
      const [collection = '', id = ''] = name.split('\0');
      const document = await database.get(collection, id);
      yield { database: database.name, collection, id, ...(document !== null && { doc: document.json }) };
    }
  }
}

async function collect(source: UnsentSource, { key }: Database, origin: OriginId, touched: Set<string>): Promise<void> {
  let seq = source.knownElsewhere(key, origin);
  for (;;) {
    const batches = await source.engine.readLog(key, origin, seq, READ_BYTES);
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

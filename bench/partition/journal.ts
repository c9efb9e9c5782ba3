/**
 * @module
 * Owns what clients know about their writes: acknowledged, or sent to a node that died before it answered.
 */
import type { Write } from './plan.ts';

export interface WriteRecord {
  readonly write: Write;
  /** Name of the node it was sent to. */
  readonly node: string;
  /** False: the answer is unknown; the write may or may not have happened. */
  readonly isAcknowledged: boolean;
}

export class Journal {
  readonly #records: WriteRecord[] = [];
  readonly #byDocument = new Map<string, WriteRecord[]>();

  add(record: WriteRecord): void {
    this.#records.push(record);
    if (record.write.kind === 'increment') return;
    const known = this.#byDocument.get(record.write.id);
    if (known === undefined) this.#byDocument.set(record.write.id, [record]);
    else known.push(record);
  }

  /** Writes to a city. */
  of(id: string): readonly WriteRecord[] {
    return this.#byDocument.get(id) ?? [];
  }

  acknowledgedBy(node: string): readonly WriteRecord[] {
    return this.#records.filter((record) => record.node === node && record.isAcknowledged);
  }

  count(node: string, isAcknowledged: boolean): number {
    return this.#records.filter((record) => record.node === node && record.isAcknowledged === isAcknowledged).length;
  }

  /** How often a counter was incremented: at least, and at most. */
  increments(counter: string): { readonly least: number; readonly most: number } {
    const all = this.#records.filter(({ write }) => write.kind === 'increment' && write.id === counter);
    return { least: all.filter(({ isAcknowledged }) => isAcknowledged).length, most: all.length };
  }
}

/**
 * @module
 * Owns the list of documents of one database that cannot be read from the disk. Each stays out of use until it was replaced by
 * a peer's copy; everything else goes on.
 */
import type { DocumentName } from './equality.ts';

export interface QuarantinedDocument extends DocumentName {
  /** ISO 8601. */
  readonly since: string;
  /** What could not be read. */
  readonly part: 'view' | 'state' | 'both';
}

export class Quarantine {
  readonly #documents = new Map<string, QuarantinedDocument>();
  #waiting: (() => void)[] = [];

  get size(): number {
    return this.#documents.size;
  }

  /** @returns False when it was there already. */
  add(document: QuarantinedDocument): boolean {
    const name = nameOf(document);
    const known = this.#documents.get(name);
    if (known?.part === document.part) return false;
    this.#documents.set(name, known ? { ...document, since: known.since } : document);
    return known === undefined;
  }

  get(document: DocumentName): QuarantinedDocument | undefined {
    return this.#documents.get(nameOf(document));
  }

  /** The document can be read again. */
  release(document: DocumentName): void {
    if (!this.#documents.delete(nameOf(document))) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  /** Resolves when some document was released. */
  released(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  list(): readonly QuarantinedDocument[] {
    return [...this.#documents.values()];
  }
}

function nameOf({ collection, id }: DocumentName): string {
  return `${collection}\0${id}`;
}

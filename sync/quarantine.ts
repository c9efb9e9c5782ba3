/**
 * @module
 * Owns the list of documents of one database that cannot be read from the disk. Each stays out of use until it was replaced by
 * a peer's copy; everything else goes on.
 */
import type { DocumentName } from './equality.ts';

export interface QuarantinedDocument extends DocumentName {
  /** ISO 8601. */
  readonly since: string;
  /** `damage`: it cannot be read. `content`: a peer holds other content under the same version. */
  readonly reason: 'damage' | 'content';
  /** Who is to be asked; null = any peer. */
  readonly peer: string | null;
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
    if (this.#documents.get(name)?.reason === 'damage') return false;
    const isNew = !this.#documents.has(name);
    this.#documents.set(name, document);
    return isNew;
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

  /** Resolves when some document was released; also when it turned out to be none. */
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

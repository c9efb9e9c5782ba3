/**
 * @module
 * Owns what is known of a document without showing it: whether it exists, when it was written and how many values have lost. Editors
 * change large texts a character at a time, and that changes none of these: so they are taken from a document that was shown,
 * and kept while only the content of shared types changes.
 */
import type * as Y from 'yjs';
import type { DocumentOutline, DocumentView } from './change.ts';
import type { Model } from './model.ts';
import { ROOT } from './root-name.ts';
import { formOf } from './shared-type.ts';

export class Outline {
  #known: DocumentOutline | null = null;
  /** Of every root type. */
  readonly #forms = new Map<string, string>();

  get known(): DocumentOutline | null {
    return this.#known;
  }

  /** @param model - What the view was made from; `doc` may lack writes to members, but nothing of shared types. */
  take({ exists, modified, conflicts }: DocumentView, model: Model, doc: Y.Doc): void {
    this.forget();
    this.#forms.clear();
    // Whether values differ depends on their content, and whether a delete still holds on who wrote since.
    if (!exists || model.isContested) return;
    for (const [name, type] of doc.share) if (name !== ROOT) this.#forms.set(name, formOf(type));
    this.#known = { exists, modified, conflicts };
  }

  forget(): void {
    this.#known = null;
  }

  /** An update was applied. */
  follow({ changed, doc }: Pick<Y.Transaction, 'changed' | 'doc'>): void {
    if (this.#known === null) return;
    for (const [name, type] of doc.share) {
      // Our own root has no form. Where the type without a name stands depends on what is in it.
      if (changed.has(type) && (name === '' || this.#forms.get(name) !== formOf(type))) return this.forget();
    }
  }

  /** A write without content was made: all is as it was known before. */
  mark(known: DocumentOutline, stamp: number): void {
    this.#known = { ...known, modified: Math.max(known.modified, stamp) };
  }
}

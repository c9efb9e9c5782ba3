/**
 * @module
 * Owns one document: a JSON object that merges.
 */
import type { Author, Change, Conflict, DocumentView } from './change.ts';

/** @public */
export class CrdtDocument {
  static create(): CrdtDocument {
    return new CrdtDocument();
  }
  static load(_state: Uint8Array): CrdtDocument {
    return new CrdtDocument();
  }
  apply(_update: Uint8Array): void {}
  change(_change: Change, _author: Author): Uint8Array | null {
    return null;
  }
  view(): DocumentView {
    return { exists: false, json: '', modified: 0, conflicts: 0 };
  }
  conflicts(): readonly Conflict[] {
    return [];
  }
  encode(): Uint8Array {
    return new Uint8Array([0, 0]);
  }
  get weight(): number {
    return 0;
  }
}

/**
 * @module
 * Owns checks on updates (Yjs v1 bytes) before they touch a document.
 */
import * as Y from 'yjs';

/** What an update carries. */
export interface UpdateInspection {
  /** Client id to its range of clocks [from, to). */
  readonly clients: ReadonlyMap<number, { readonly from: number; readonly to: number }>;
  /** Client id to deleted ranges [from, to). */
  readonly deletes: ReadonlyMap<number, readonly { readonly from: number; readonly to: number }[]>;
  readonly structs: number;
}

export interface UpdateAdmission {
  /** Client ids the sender may write as. */
  readonly clients: ReadonlySet<number>;
  readonly updateBytesMax?: number;
  readonly structsMax?: number;
}

export function inspectUpdate(_update: Uint8Array): UpdateInspection {
  throw new Error('not yet');
}

export function admitUpdate(_state: Uint8Array | null, _update: Uint8Array, _admission: UpdateAdmission): void {
  throw new Error('not yet');
}

/** Re-encodes a state through a fresh document: replicas that hold the same writes get the same bytes. */
export function normaliseState(state: Uint8Array): Uint8Array {
  const doc = new Y.Doc({ guid: 'a', gc: true });
  Y.applyUpdate(doc, state);
  return Y.encodeStateAsUpdate(doc);
}

/**
 * @module
 * Owns how many updates are kept beside a state until they are merged into it. A small write leaves the state alone; what is kept is
 * written again with each, and applied when the document is loaded.
 */

/** Also own writes that the Y.Doc has not learnt of. */
export const UPDATES_MAX = 16;
/** … and their bytes, unless the state itself is larger. */
const UPDATES_BYTES_MIN = 2048;
/** Editors make many small changes to documents that are costly to encode: so many updates are kept, of at most so many bytes. */
const SHARED_UPDATES_MAX = 1024;
const SHARED_UPDATES_BYTES_MAX = 32_768;

/** @param isShared - An editor wrote in the document. */
export function mayKeep(state: Uint8Array, updates: readonly Uint8Array[], isShared: boolean): boolean {
  if (updates.length > (isShared ? SHARED_UPDATES_MAX : UPDATES_MAX)) return false;
  const whole = Math.max(UPDATES_BYTES_MIN, state.length);
  const bytes = updates.reduce((sum, update) => sum + update.length, 0);
  return bytes <= (isShared ? Math.min(whole, SHARED_UPDATES_BYTES_MAX) : whole);
}

/**
 * @module
 * Owns the versions of the wire and their negotiation. History: 1 = first; 2 = vectors list
 * only what does not follow from epochs that began later, and first writes are JSON.
 */

/** First byte of every frame. Changes only with the frame itself; HELLO is readable by every version for ever. */
export const FRAME_FORMAT = 1;
export const PROTOCOL_VERSION_MIN = 2;
export const PROTOCOL_VERSION_MAX = 2;

/** Capability bits in HELLO. Unknown bits in `supports` are ignored, unknown bits in `requires` refused. */
export const CAPABILITY_DEFLATE = 1;

export interface VersionRange {
  readonly versionMin: number;
  readonly versionMax: number;
}

/** The highest version both speak, or null. */
export function negotiateVersion(a: VersionRange, b: VersionRange): number | null {
  const version = Math.min(a.versionMax, b.versionMax);
  return version >= Math.max(a.versionMin, b.versionMin) ? version : null;
}

/** True when every bit of `required` is in `supported`. */
export function hasCapabilities(supported: number, required: number): boolean {
  return (required & ~supported) === 0;
}

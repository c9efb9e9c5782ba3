/**
 * @module
 * Owns the hard limits of the wire. PROTOCOL.md section "Limits". A peer that exceeds one is refused, never served partly.
 */

/** Body of one frame, bytes. */
export const FRAME_BODY_BYTES_MAX: number = 256 * 1024;
/** Version, type and checksum in front of every body. */
export const FRAME_HEADER_BYTES = 6;
/** A whole frame before authentication. */
export const FRAME_BYTES_MAX_UNAUTHENTICATED = 1024;
/** A message that travels in parts. */
export const MESSAGE_BYTES_MAX: number = 32 * 1024 * 1024;
export const NODE_ID_BYTES_MAX = 128;
export const NAME_BYTES_MAX = 128;
export const URL_BYTES_MAX = 400;
export const DATABASE_KEY_BYTES_MAX = 255;
export const REASON_BYTES_MAX = 120;
export const TOKEN_ID_BYTES_MAX = 32;
/** A cluster secret, so that ADMISSION fits a frame before authentication. */
export const SECRET_BYTES_MAX = 512;
export const BOOT_NONCE_BYTES = 8;
export const NONCE_BYTES = 16;
export const MAC_BYTES = 32;
/** Leading bytes of the hash chain that VECTOR carries, to notice forks. */
export const CHAIN_PREFIX_BYTES = 4;
/** Leading bytes of SHA-256 of a node id, as in the list of links. */
export const NODE_FINGERPRINT_BYTES = 8;
/** First bytes of SHA-256 of a version vector, and of a digest, as in DIGEST. */
export const FINGERPRINT_BYTES = 8;
/** Drawn per comparison. */
export const SALT_BYTES = 8;
/** Cells in one SKETCH. */
export const SKETCH_CELLS_MAX = 16_384;

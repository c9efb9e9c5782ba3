/**
 * @module
 * Owns the limits of the conversation between a leaf and a node. PROTOCOL.md section "Leaves".
 */

/** The first message of a leaf. */
export const HELLO_BYTES_MAX = 1024;
export const TOKEN_BYTES_MAX = 256;
export const SUBSCRIPTIONS_MAX = 64;
export const SELECTION_LENGTH_MAX = 262_144;
export const SELECTED_IDS_MAX = 10_000;
/** Documents in a FETCH. */
export const FETCH_DOCUMENTS_MAX = 64;
/** Edits in a PUSH, and bytes of their updates; one edit may be larger alone. */
export const PUSH_EDITS_MAX = 128;
export const PUSH_BYTES_MAX = 65_536;
/** Ids under which one leaf writes over one connection. */
export const WRITERS_MAX = 1024;
/** Bytes of pages that are sent and not acknowledged; one page may be larger alone. */
export const WINDOW_BYTES = 262_144;
/** A node or leaf that hears nothing for so long gives the connection up; leaves say something more often. */
export const SILENCE_MS = 30_000;
export const PING_MS = 10_000;
/** A connection without HELLO. */
export const HELLO_MS = 5000;

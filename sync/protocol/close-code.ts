/**
 * @module
 * Owns the close codes of links. 44xx is permanent: the dialer gives the address up and shows why. 45xx is transient: it
 * dials again with back-off. PROTOCOL.md section "Close codes".
 */

export const CLOSE_CODES = {
  AUTH_FAILED: 4401,
  VERSION_UNSUPPORTED: 4402,
  CAPABILITY_UNSUPPORTED: 4403,
  SELF_CONNECTION: 4404,
  FENCED: 4405,
  DUPLICATE_NODE: 4406,
  TOKEN_REFUSED: 4407,
  GOING_AWAY: 4500,
  HANDSHAKE_TIMEOUT: 4501,
  PEER_SILENT: 4502,
  STALLED: 4503,
  DUPLICATE_LINK: 4504,
  FRAME_MALFORMED: 4505,
  FRAME_TOO_LARGE: 4506,
  MESSAGE_UNEXPECTED: 4507,
  BATCH_REFUSED: 4508,
  CHAIN_FORKED: 4509,
  ORIGIN_CONFLICT: 4510,
  INTERNAL_ERROR: 4511,
  BUSY: 4512,
  REPLACED: 4513,
  ADMITTED: 4514,
  TOKEN_UNKNOWN: 4515,
} as const;

export type CloseCodeName = keyof typeof CLOSE_CODES;

const NAMES = new Map<number, CloseCodeName>(
  Object.entries(CLOSE_CODES).map(([name, code]) => [code, name as CloseCodeName]),
);

/** True when dialing the same address again cannot help. */
export function isPermanent(code: number): boolean {
  return code >= 4400 && code < 4500;
}

/** Nobody closed: the network broke off, or the other process is gone. */
const LOST_CODE = 1006;

/** The name of one of our codes, or of the one for a lost connection; of others the number as text. */
export function describeCloseCode(code: number): string {
  return code === LOST_CODE ? 'CONNECTION_LOST' : (NAMES.get(code) ?? String(code));
}

/**
 * @module
 * Owns the Prefer header (RFC 7240): what a client would like, and saying what was applied. Unknown preferences are ignored, as
 * the RFC asks. SPEC.md HT10, SE2, SE6.
 */

export interface Preferences {
  readonly returns: 'representation' | 'minimal' | null;
  /** How long the answer may wait for what the client asks for. */
  readonly waitMs: number;
  /** Durable copies, the one of this node included; `null` = this node is enough. */
  readonly replicas: number | null;
}

/** What is waited unless the client says otherwise. */
const WAIT_MS_DEFAULT = 2000;
/** … and at most: as long as a request may take to arrive. */
const WAIT_MS_MAX = 30_000;
const NONE: Preferences = { returns: null, waitMs: WAIT_MS_DEFAULT, replicas: null };

export function preferencesOf(header: string | string[] | undefined): Preferences {
  if (header === undefined) return NONE;
  const text = Array.isArray(header) ? header.join(',') : header;
  const wanted = new Map<string, string>();
  for (const preference of text.split(',')) {
    const [name = '', value = ''] = preference.split(';')[0]!.split('=');
    const key = name.trim().toLowerCase();
    // The first one wins (RFC 7240 section 2).
    if (!wanted.has(key)) wanted.set(key, value.trim().replaceAll('"', '').toLowerCase());
  }
  const returns = wanted.get('return');
  return {
    returns: returns === 'representation' || returns === 'minimal' ? returns : null,
    waitMs: Math.min(
      (numberOf(wanted.get('wait'), /^\d{1,9}(\.\d{1,3})?$/) ?? WAIT_MS_DEFAULT / 1000) * 1000,
      WAIT_MS_MAX,
    ),
    replicas: numberOf(wanted.get('replicas'), /^[1-9]\d{0,5}$/),
  };
}

function numberOf(text: string | undefined, pattern: RegExp): number | null {
  return text !== undefined && pattern.test(text) ? Number(text) : null;
}

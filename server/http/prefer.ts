/**
 * @module
 * Owns the Prefer header (RFC 7240): what a client would like, and saying what was applied. Unknown preferences are ignored, as
 * the RFC asks. SPEC.md HT10.
 */

export interface Preferences {
  readonly returns: 'representation' | 'minimal' | null;
}

const NONE: Preferences = { returns: null };

export function preferencesOf(header: string | string[] | undefined): Preferences {
  if (header === undefined) return NONE;
  const text = Array.isArray(header) ? header.join(',') : header;
  for (const preference of text.split(',')) {
    const [name = '', value = ''] = preference.split(';')[0]!.split('=');
    if (name.trim().toLowerCase() !== 'return') continue;
    const wanted = value.trim().replaceAll('"', '').toLowerCase();
    // The first one wins (RFC 7240 section 2).
    if (wanted === 'representation' || wanted === 'minimal') return { returns: wanted };
  }
  return NONE;
}

/**
 * @module
 * Owns the portable SHA-256, for browsers and simulations; servers pass a native one.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import type { Sha256 } from './port.ts';

export const portableSha256: Sha256 = (...parts) => {
  const hash = sha256.create();
  for (const part of parts) hash.update(part);
  return hash.digest();
};

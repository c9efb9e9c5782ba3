/**
 * @module
 * Owns synthetic documents: a flat record of an exact size and a nested profile.
 */
import type { JsonObject } from '../../crdt/index.ts';
import type { SeededRandom } from './seeded-random.ts';

const FIELDS = 20;

/** Name of a field that a one-field write replaces by a number. */
export const CHANGED_FIELD = 'f07';

/** Twenty fields, numbers and words; exactly `bytes` long as JSON. */
export function createFlatRecord(random: SeededRandom, bytes: number): JsonObject {
  const record: Record<string, string | number> = {};
  for (let field = 0; field < FIELDS - 1; field++) {
    const name = `f${String(field).padStart(2, '0')}`;
    record[name] = field % 4 === 3 ? 100_000 + random.integer(900_000) : random.word(42);
  }
  const missing = bytes - JSON.stringify({ ...record, f19: '' }).length;
  if (missing < 0) throw new Error(`a flat record has at least ${bytes - missing} bytes`);
  return { ...record, f19: random.word(missing) };
}

/** About 0.6 KB: a user with addresses, settings and tags. */
export function createProfile(random: SeededRandom): JsonObject {
  const address = (): JsonObject => ({
    street: `${random.word(9)} ${1 + random.integer(200)}`,
    city: random.word(8),
    postcode: String(10_000 + random.integer(89_999)),
    geo: { lat: random.integer(9_000_000) / 100_000, lon: random.integer(18_000_000) / 100_000 },
  });
  return {
    name: { first: random.word(6), last: random.word(9) },
    email: `${random.word(8)}@${random.word(7)}.example`,
    born: 1950 + random.integer(60),
    isActive: random.integer(2) === 0,
    address: { home: address(), work: address() },
    settings: {
      theme: 'dark',
      language: 'en',
      notifications: { email: true, push: false, digest: 'weekly' },
    },
    tags: [random.word(5), random.word(7), random.word(6)],
    stats: { logins: random.integer(1000), posts: random.integer(100), lastSeen: '2026-11-22T10:15:00Z' },
    bio: random.word(60),
  };
}

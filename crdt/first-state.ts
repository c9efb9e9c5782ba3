/**
 * @module
 * Owns the equivalence on which most documents rest: the state of a first write follows from the canonical JSON, the client and the
 * stamp, and the other way round. So such a state need not be stored, and one that arrives is read without a model.
 */
import { assert } from './assert.ts';
import { ByteReader } from './byte-reader.ts';
import { canonicalJson, canonicalOrder } from './canonical-json.ts';
import type { Author } from './change.ts';
import { checkBytes, checkDocument } from './document-check.ts';
import { CrdtError } from './errors.ts';
import { isSimple, writeFreshState } from './fresh-state.ts';
import { decodeSegment } from './json-pointer.ts';
import type { JsonObject, JsonValue } from './json-value.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { readPlainHead } from './plain-state.ts';
import { checkValue } from './value-check.ts';
import { isScalar } from './write-value.ts';

export interface FirstState {
  /** Canonical. */
  readonly json: string;
  readonly client: number;
  readonly stamp: number;
}

type Mutable = Record<string, JsonValue>;

/** What the first write of most documents leaves, without a model; null when it needs one. @throws CrdtError when it is refused. */
export function firstStateOf(value: JsonObject, { client, stamp, limits = DEFAULT_LIMITS }: Author): FirstState | null {
  checkDocument(value);
  checkValue(value, '', 1, limits);
  if (!isSimple(value)) return null;
  const json = canonicalJson(canonicalOrder(value));
  checkBytes(json, null, limits);
  return { json, client, stamp };
}

/**
 * Encodes again what a first write encoded.
 *
 * @param json - Canonical JSON of a document that is as its first write left it, see `CrdtDocument.first`.
 */
export function restoreFirstState(json: string, author: Pick<Author, 'client' | 'stamp'>): Uint8Array {
  const state = writeFreshState(JSON.parse(json) as JsonObject, author);
  assert(state !== null, 'a first state is of the simple form');
  return state;
}

/**
 * Checks what is said to be a first state, from elsewhere.
 *
 * @throws CrdtError `CRDT_UPDATE_MALFORMED` unless a first write could have left it.
 */
export function checkFirstState({ json, client, stamp }: FirstState): void {
  if (!Number.isSafeInteger(client) || !Number.isSafeInteger(stamp)) throw malformed('author or stamp is no integer');
  const value = parse(json);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed('it is no JSON object');
  if (canonicalJson(value) !== json) throw malformed('its JSON is not canonical');
  if (!isSimple(value as JsonObject)) throw malformed('it holds an array of containers');
}

function parse(json: string): JsonValue {
  try {
    return JSON.parse(json) as JsonValue;
  } catch (cause) {
    throw malformed('it is no JSON', cause);
  }
}

function malformed(reason: string, cause?: unknown): CrdtError {
  return new CrdtError('CRDT_UPDATE_MALFORMED', `not the first write of a document: ${reason}`, { cause });
}

/** Reads a state that `restoreFirstState` would restore to the byte, or returns null for any other. */
export function readFirstState(state: Uint8Array): FirstState | null {
  try {
    const bytes = new ByteReader(state);
    const head = readPlainHead(bytes);
    if (head === null) return null;
    const { client, length } = head;
    const header = bytes.any();
    if (!Array.isArray(header) || header.length !== 1 || typeof header[0] !== 'number') return null;
    const value = readMembers(bytes, length - 1);
    const stamp = header[0];
    if (value === null || !Number.isSafeInteger(stamp) || stamp < 0) return null;
    const ordered = canonicalOrder(value);
    // What was read may have been anything: only what encodes to the same bytes counts.
    const again = writeFreshState(ordered, { client, stamp });
    if (again === null || !isSame(again, state)) return null;
    return { json: canonicalJson(ordered), client, stamp };
  } catch (error) {
    // Malformed bytes: the general path reports them.
    if (error instanceof RangeError) return null;
    throw error;
  }
}

function readMembers(bytes: ByteReader, count: number): JsonObject | null {
  const root = Object.create(null) as Mutable;
  let context = root;
  for (let left = count; left > 0; left--) {
    const entry = bytes.any();
    if (!Array.isArray(entry) || typeof entry[0] !== 'string') return null;
    const place = placeOf(root, context, entry[0]);
    if (place === null) return null;
    const { parent, key } = place;
    const payload: unknown = entry[1];
    if (entry.length === 1) {
      parent[key] = context = Object.create(null) as Mutable;
    } else if (Array.isArray(payload)) {
      const items: JsonValue[] = [];
      for (let slots = Number(payload[0]); slots > 0 && left > 1; slots--, left--) items.push(bytes.any() as JsonValue);
      parent[key] = items;
    } else if (isScalar(payload as JsonValue)) {
      parent[key] = payload as JsonValue;
    } else {
      return null;
    }
  }
  return root;
}

/** Where a path leads: relative to the object that was begun last, or from the root. */
function placeOf(root: Mutable, context: Mutable, path: string): { parent: Mutable; key: string } | null {
  if (!path.startsWith('/')) return { parent: context, key: decodeSegment(path) };
  // Not as a pointer of a client: what is odd here is for the general path to read, not to be refused.
  const segments = path.slice(1).split('/').map(decodeSegment);
  const key = segments.pop() as string;
  let parent = root;
  for (const segment of segments) {
    const next = parent[segment];
    if (typeof next !== 'object' || next === null || Array.isArray(next)) return null;
    parent = next as Mutable;
  }
  return { parent, key };
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/**
 * @module
 * Owns which forms of elements a Yjs client may add to the root array: those of SPEC.md "Representation" but deletes of whole documents and
 * corrections, which are for nodes. Reading passes over what it does not know; from a client that is refused, so that nobody can
 * prepare what a later version would read.
 */
import { canonicalJson } from './canonical-json.ts';
import type { JsonValue } from './json-value.ts';
import { isMemberRoot, isOwnText, ROOT } from './root-name.ts';
import { TAG } from './read-model.ts';
import { isWellFormed, utf8Length } from './utf8.ts';

/** What the elements of one client are held against. */
export interface FormLimits {
  /** Writes may not come from further in the future. */
  readonly stampMax: number;
  /** Clock after the last of the client. */
  readonly end: number;
  readonly keyBytesMax: number;
  readonly segmentsMax: number;
  /** Delete whole documents. */
  readonly mayDelete: boolean;
}

const ELEMENT = /^~e(?:[0-9a-z]{1,11})?\.[0-9a-z]{1,11}$/;
/** In base 36. */
const CLIENT = /^[0-9a-z]{1,11}$/;

/** Reads the new elements of one client in the order of clocks, and says what is wrong with the first that is none. */
export class FormReader {
  readonly #limits: FormLimits;
  #hasHeader = false;
  #slotsEnd = 0;

  constructor(limits: FormLimits) {
    this.#limits = limits;
  }

  /** Null = it is as it should be. */
  refusal(clock: number, value: unknown): string | null {
    if (clock < this.#slotsEnd) return isSlot(value) ? null : 'what stands in an array is not an element';
    const stamp = Array.isArray(value) && value.length === 1 ? (value[0] as unknown) : value;
    if (typeof stamp === 'number') {
      this.#hasHeader = true;
      if (!isCount(stamp)) return 'a stamp is a whole number';
      return stamp > this.#limits.stampMax ? 'its clock is too far ahead of the clock of this node' : null;
    }
    if (!this.#hasHeader) return 'what is written has no stamp';
    if (this.#limits.mayDelete && isTombstone(value)) return null;
    if (!Array.isArray(value) || typeof value[0] !== 'string') return 'it is no element that a client may write';
    return this.#refusePath(value[0]) ?? this.#refuseEntry(clock, value);
  }

  #refusePath(path: string): string | null {
    const segments = (path.startsWith('/') ? path.slice(1) : path).split('/');
    if (segments.length > this.#limits.segmentsMax) return 'a path is too deep';
    for (const segment of segments) {
      if (segment.startsWith('~e') ? !ELEMENT.test(segment) : /~(?![01])/.test(segment)) return 'a path is malformed';
      if (!isWellFormed(segment) || utf8Length(segment) > this.#limits.keyBytesMax) return 'a key is too long';
    }
    return null;
  }

  #refuseEntry(clock: number, value: readonly unknown[]): string | null {
    const [, payload, tag] = value;
    const unknown = 'it is no element that a client may write';
    if (value.length === 1) return null;
    if (value.length === 2) {
      if (Array.isArray(payload)) return this.#refuseList(clock, payload);
      return isScalar(payload) || isSeen(payload) ? null : unknown;
    }
    if (value.length > 3) return unknown;
    if (typeof tag === 'object') return isScalar(payload) && isSeen(tag) ? null : unknown;
    if (tag === TAG.tally) return isTally(payload) ? null : unknown;
    if (tag === TAG.set) return payload === 0 ? null : unknown;
    if (tag === TAG.member) return typeof payload === 'string' && isCanonical(payload) ? null : unknown;
    if (tag !== TAG.text) return unknown;
    return payload === 0 || (typeof payload === 'string' && mayName(payload)) ? null : unknown;
  }

  #refuseList(clock: number, header: readonly unknown[]): string | null {
    const [slots] = header;
    if (header.length < 1 || header.length > 3 || !header.every(isCount)) return 'the head of an array is malformed';
    this.#slotsEnd = clock + 1 + (slots as number);
    return this.#slotsEnd > this.#limits.end ? 'an array has fewer elements than it says' : null;
  }
}

function isTombstone(value: unknown): boolean {
  return Array.isArray(value) && value.length === 2 && isPolicy(value[0]) && value[1] instanceof Uint8Array;
}

function isPolicy(value: unknown): boolean {
  return value === 0 || value === 1;
}

function mayName(text: string): boolean {
  return text !== ROOT && (isOwnText(text) || isMemberRoot(text));
}

function isSlot(value: unknown): boolean {
  if (!Array.isArray(value)) return isScalar(value);
  return value.length === 0 || (value.length === 2 && value.every(isCount));
}

function isScalar(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  return value === null || typeof value === 'string' || typeof value === 'boolean';
}

function isSeen(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array) return false;
  return Object.entries(value).every(
    ([client, pair]) =>
      CLIENT.test(client) && Array.isArray(pair) && pair.length === 2 && isTally(pair[0]) && isCount(pair[1]),
  );
}

/** Exact as far as counts are. */
function isTally(value: unknown): boolean {
  return typeof value === 'number' && Math.abs(value) <= Number.MAX_SAFE_INTEGER;
}

/** Members of sets are shown as they are written. */
function isCanonical(text: string): boolean {
  try {
    return canonicalJson(JSON.parse(text) as JsonValue) === text;
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

function isCount(value: unknown): boolean {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

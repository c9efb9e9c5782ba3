/**
 * @module
 * Owns the shortcut for the most common write of all: a whole document that nobody has written before. Its state is encoded
 * straight from the JSON, without a model. The bytes are those that write-update.ts would give; a test compares them.
 */
import { ByteWriter } from './byte-writer.ts';
import type { Author } from './change.ts';
import { encodeSegment } from './json-pointer.ts';
import type { JsonObject, JsonScalar, JsonValue } from './json-value.ts';
import { isScalar, scalarsFirst } from './write-value.ts';
import { ROOT } from './root-name.ts';
import { CONTENT_ANY } from './write-update.ts';

const WRITER: ByteWriter = new ByteWriter();

/** Encodes the first state of a document, or returns null when it holds an array of containers: those need a model. */
export function writeFreshState(
  value: JsonObject,
  { client, stamp }: Pick<Author, 'client' | 'stamp'>,
): Uint8Array | null {
  const elements = countElements(value);
  if (elements === null) return null;
  WRITER.reset();
  WRITER.varUint(1);
  WRITER.varUint(1);
  WRITER.varUint(client);
  WRITER.varUint(0);
  WRITER.uint8(CONTENT_ANY);
  WRITER.varUint(1);
  WRITER.string(ROOT);
  WRITER.varUint(elements + 1);
  WRITER.arrayHead(1);
  WRITER.scalar(stamp);
  writeMembers(value, '', '');
  // No deletes.
  WRITER.varUint(0);
  return WRITER.take();
}

/** Is there a first state of the simple form? */
export function isSimple(value: JsonObject): boolean {
  return countElements(value) !== null;
}

/** Entries and slots that a value takes; null when it is not of the simple form. */
function countElements(value: JsonObject): number | null {
  let count = 0;
  for (const key of Object.keys(value)) {
    const member = value[key] as JsonValue;
    count++;
    if (isScalar(member)) continue;
    if (Array.isArray(member)) {
      if (!member.every(isScalar)) return null;
      count += member.length;
    } else {
      const inside = countElements(member as JsonObject);
      if (inside === null) return null;
      count += inside;
    }
  }
  return count;
}

/**
 * Writes the members of an object.
 *
 * @param context - Path of the marker that relative keys refer to.
 * @returns The context after it.
 */
function writeMembers(value: JsonObject, path: string, context: string): string {
  let current = context;
  for (const key of scalarsFirst(value)) {
    const member = value[key] as JsonValue;
    if (isScalar(member)) {
      writeEntryHead(2, key, path, current);
      WRITER.scalar(member);
    } else if (Array.isArray(member)) {
      writeEntryHead(2, key, path, current);
      WRITER.arrayHead(1);
      WRITER.scalar(member.length);
      for (const element of member) WRITER.scalar(element as JsonScalar);
    } else {
      writeEntryHead(1, key, path, current);
      const inside = `${path}/${encodeSegment(key)}`;
      current = writeMembers(member as JsonObject, inside, inside);
    }
  }
  return current;
}

function writeEntryHead(length: number, key: string, path: string, context: string): void {
  const segment = encodeSegment(key);
  WRITER.arrayHead(length);
  WRITER.uint8(119);
  WRITER.string(path === context ? segment : `${path}/${segment}`);
}

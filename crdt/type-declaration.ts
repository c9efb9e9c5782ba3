/**
 * @module
 * Owns what a declaration of types looks like: JSON Pointers below the root, each with a type.
 */
import { encodeSegment } from './json-pointer.ts';

const TYPES: readonly unknown[] = ['text', 'set', 'array', 'counter'];

/** What is wrong with a declaration of types, and where: `path` is a JSON Pointer to the member. Null for nothing. */
export function misdeclared(types: unknown): { readonly path: string; readonly message: string } | null {
  if (typeof types !== 'object' || types === null || Array.isArray(types))
    return { path: '/types', message: 'types is an object from JSON Pointer to type.' };
  for (const [pointer, type] of Object.entries(types)) {
    if (!/^(\/([^~/]|~[01])*)+$/.test(pointer))
      return { path: '/types', message: `"${pointer}" is not a JSON Pointer below the root.` };
    if (!TYPES.includes(type))
      return { path: `/types/${encodeSegment(pointer)}`, message: `A type is one of ${TYPES.join(', ')}.` };
  }
  return null;
}

/**
 * @module
 * Owns UTF-8 lengths, computed without encoding.
 */

/** Returns the number of UTF-8 bytes of a string; a lone surrogate counts three, as its replacement would. */
export function utf8Length(text: string): number {
  let length = text.length;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code < 0x80) continue;
    length += code < 0x800 ? 1 : 2;
    // A surrogate pair is two units and four bytes in all.
    if (
      code >= 0xd800 &&
      code < 0xdc00 &&
      index + 1 < text.length &&
      (text.charCodeAt(index + 1) & 0xfc00) === 0xdc00
    ) {
      index++;
    }
  }
  return length;
}

/** Tells whether a string holds no lone surrogate. */
export function isWellFormed(text: string): boolean {
  // Every supported runtime has it; the ES2023 library types do not know it yet.
  return (text as string & { isWellFormed(): boolean }).isWellFormed();
}

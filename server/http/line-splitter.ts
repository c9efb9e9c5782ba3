/**
 * @module
 * Owns cutting a byte stream into lines with bounded memory: a line beyond the bound is dropped up to its end and reported, and
 * the stream goes on. SPEC.md HT17.
 */

/** A line without its end, or null for one that was too long. */
export type Line = Buffer | null;

const NEWLINE = 0x0a;
const RETURN = 0x0d;

/** Splits at `\n` or `\r\n`; a last line without an end counts, empty lines do not. */
export async function* splitLines(
  source: AsyncIterable<Buffer>,
  lineBytesMax: number,
): AsyncGenerator<Line[], void, undefined> {
  let parts: Buffer[] = [];
  let held = 0;
  const close = (lines: Line[]): void => {
    const isTooLong = held > lineBytesMax;
    const line = isTooLong ? null : trimmed(parts.length === 1 ? parts[0]! : Buffer.concat(parts));
    if (line === null || line.length > 0) lines.push(line);
    parts = [];
    held = 0;
  };
  for await (const chunk of source) {
    const lines: Line[] = [];
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); ; end = chunk.indexOf(NEWLINE, start)) {
      const part = chunk.subarray(start, end === -1 ? chunk.length : end);
      held += part.length;
      // Past the bound only the length is kept.
      if (held > lineBytesMax) parts = [];
      else parts.push(part);
      if (end === -1) break;
      close(lines);
      start = end + 1;
    }
    if (lines.length > 0) yield lines;
  }
  if (held === 0) return;
  const last: Line[] = [];
  close(last);
  if (last.length > 0) yield last;
}

function trimmed(line: Buffer): Buffer {
  return line.at(-1) === RETURN ? line.subarray(0, -1) : line;
}

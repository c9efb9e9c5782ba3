/**
 * @module
 * Owns the JSON that a command is given: as an argument, in a file, or on standard input.
 */
import { readFile } from 'node:fs/promises';
import type { JsonObject, JsonValue } from './client.ts';
import type { CommandContext } from './context.ts';
import { CliError } from './exit-code.ts';
import { parseInput } from './json-input.ts';

/** The argument, else `--file`, else standard input (also as `-`). */
export async function readInput(
  context: CommandContext,
  text: string | undefined,
  file: string | undefined,
): Promise<Buffer> {
  if (text !== undefined && text !== '-') return Buffer.from(text);
  if (file !== undefined && file !== '-') {
    try {
      return await readFile(file);
    } catch (error) {
      throw new CliError('CLI_FILE', `cannot read ${file}: ${(error as Error).message}`, { cause: error });
    }
  }
  if (text === undefined && file === undefined && context.io.stdin.isTTY === true) {
    throw new CliError('CLI_USAGE', 'no JSON given: pass it as an argument, with --file, or on standard input');
  }
  const chunks: Buffer[] = [];
  for await (const chunk of context.io.stdin) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

export function parseJsonInput(bytes: Uint8Array): JsonValue {
  try {
    return parseInput(bytes);
  } catch (error) {
    throw new CliError('CLI_INPUT_INVALID', (error as Error).message, {
      cause: error,
      hint: `quote it for the shell, for example '{"name":"Ada"}'`,
    });
  }
}

export function requireObject(value: unknown): JsonObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw new CliError('CLI_INPUT_INVALID', 'expected a JSON object, for example {"name":"Ada"}');
}

export function requireArray(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  throw new CliError(
    'CLI_INPUT_INVALID',
    'expected a JSON array of operations, for example [{"op":"increment","path":"/visits","value":1}]',
  );
}

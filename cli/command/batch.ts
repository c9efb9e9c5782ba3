/**
 * @module
 * Owns `atoll batch`: several writes of which all happen or none. SPEC.md CL31.
 */
import type { BatchWrite } from '../client.ts';
import type { CommandContext } from '../context.ts';
import { CliError, EXIT, type ExitCode } from '../exit-code.ts';
import { parseInput } from '../json-input.ts';
import { readInput } from '../text-input.ts';

export interface BatchOptions {
  readonly file?: string;
  readonly replicas?: number;
  readonly wait?: number;
}

export async function sendBatch(
  context: CommandContext,
  database: string,
  text: string | undefined,
  { file, replicas, wait }: BatchOptions,
): Promise<ExitCode> {
  const writes = parseWrites(await readInput(context, text, file));
  const answer = await context.client().database(database).batch(writes, { replicas, waitSeconds: wait });
  const { output } = context;
  await output.result(answer, () =>
    output.table({
      columns: ['DOCUMENT', 'STATUS', 'VERSION'],
      rows: answer.results.map(({ id, status, etag }, at) => [
        `${writes[at]?.collection}/${id}`,
        String(status),
        etag ?? '',
      ]),
    }),
  );
  if (answer.replicas?.isReached !== false) return EXIT.ok;
  const { durable, members } = answer.replicas;
  output.warning(`written, but only ${durable} of ${members} nodes are known to have it on disk yet`);
  return EXIT.degraded;
}

/** An array of writes, an object with such an array, or one write a line. */
function parseWrites(bytes: Buffer): BatchWrite[] {
  const lines = bytes
    .toString()
    .split('\n')
    .filter((line) => line.trim() !== '');
  let value: unknown;
  try {
    value = parseInput(bytes);
  } catch (error) {
    if (lines.length < 2) throw invalid((error as Error).message, error);
    value = lines.map((line, at) => parseLine(line, at + 1));
  }
  const writes = Array.isArray(value) ? (value as unknown[]) : (value as { writes?: unknown } | null)?.writes;
  // One line is one write.
  const list = writes ?? (lines.length === 1 ? [value] : null);
  if (Array.isArray(list) && list.every((each) => typeof each === 'object' && each !== null))
    return list as BatchWrite[];
  throw invalid('expected writes', null);
}

function parseLine(line: string, number: number): unknown {
  try {
    return parseInput(Buffer.from(line));
  } catch (error) {
    throw invalid(`line ${number}: ${(error as Error).message}`, error);
  }
}

function invalid(message: string, cause: unknown): CliError {
  return new CliError('CLI_INPUT_INVALID', message, {
    cause,
    hint: 'write for example [{"collection":"people","id":"ada","merge":{"city":"London"}}]',
  });
}

/**
 * @module
 * Owns the temporary directory of a run. It has to be on a real disk: fsync on a memory disk costs nothing.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Runs `body` with a fresh directory (below `TMPDIR`) and removes it, unless `body` fails or `ATOLL_BENCH_KEEP` is set. */
export async function withScratch<T>(name: string, body: (directory: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), `atoll-${name}-`));
  let result: T;
  try {
    result = await body(directory);
  } catch (error) {
    console.error(`kept for inspection: ${directory}`);
    throw error;
  }
  if (process.env['ATOLL_BENCH_KEEP'] === undefined) rmSync(directory, { recursive: true, force: true });
  return result;
}

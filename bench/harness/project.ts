/**
 * @module
 * Owns where the built project is: benchmarks run from `dist`, tests from source, and both start processes of `dist`.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

export const PROJECT_DIRECTORY: string = findProject(import.meta.dirname);
/** The command-line program. */
export const ATOLL_PROGRAM: string = join(PROJECT_DIRECTORY, 'dist/cli/bin.js');
/** The server that the HTTP numbers are compared with. */
export const YARDSTICK_PROGRAM: string = yardstickProgram('server');

/** Another server that numbers are compared with. */
export function yardstickProgram(name: string): string {
  return join(PROJECT_DIRECTORY, `dist/bench/yardstick/${name}.js`);
}

function findProject(directory: string): string {
  if (existsSync(join(directory, 'package.json'))) return directory;
  const parent = dirname(directory);
  if (parent === directory) throw new Error('the benchmarks are not inside the project');
  return findProject(parent);
}

/**
 * @module
 * Owns the build that end-to-end and API tests run against: brings `dist` up to date once, before their files start.
 */
import { spawnSync } from 'node:child_process';

/** Vitest global set-up. A type error is `npm run build`'s to report: the emitted code is still what these tests are about. */
export function setup(): void {
  const { stdout, status } = spawnSync('npm', ['run', '--silent', 'build'], { encoding: 'utf8' });
  if (status !== 0) console.warn(`dist was built in spite of type errors:\n${stdout.slice(0, 2000)}`);
}

/**
 * @module
 * Owns the version of this package, as its package.json has it.
 */
import { readFileSync } from 'node:fs';

export const ATOLL_VERSION: string = readVersion();

/** The source and the built code lie at different depths below package.json. */
function readVersion(): string {
  for (const path of ['../package.json', '../../package.json']) {
    const url = new URL(path, import.meta.url);
    try {
      const { name, version } = JSON.parse(readFileSync(url, 'utf8')) as { name?: string; version?: string };
      if (name === 'atolldb' && version !== undefined) return version;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  return 'unknown';
}

/**
 * @module
 * Owns what a number depends on besides the code: machine, versions, commit, and what else the machine was doing.
 */
import { execFileSync } from 'node:child_process';
import { cpus, loadavg, release, tmpdir, totalmem } from 'node:os';
import { PROJECT_DIRECTORY } from './harness/project.ts';

export function describeEnvironment(startLoad: readonly number[]): (readonly [string, string])[] {
  return [
    ['date', new Date().toISOString().slice(0, 16).replace('T', ' ')],
    ['commit', commit()],
    ['processor', `${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} cores, shared by load and servers`],
    ['memory', `${(totalmem() / 2 ** 30).toFixed(1)} GiB`],
    ['system', `${process.platform} ${release()}, files in ${tmpdir()}`],
    ['Node', process.version],
    ['load before / after', `${(startLoad[0] ?? 0).toFixed(2)} / ${(loadavg()[0] ?? 0).toFixed(2)}`],
  ];
}

function commit(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: PROJECT_DIRECTORY, encoding: 'utf8' }).trim();
  try {
    const isDirty = git('status', '--porcelain', '--untracked-files=no') !== '';
    return git('rev-parse', '--short', 'HEAD') + (isDirty ? ' with local changes' : '');
  } catch {
    return 'not a git checkout';
  }
}

/**
 * @module
 * Owns the file of saved contexts: which nodes a name stands for, and with which token they are asked. Only its owner can read it,
 * and it is replaced whole, so that an interrupted write leaves the old one. SPEC.md CL24.
 */
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { CliError } from './exit-code.ts';

export interface SavedContext {
  readonly urls: readonly string[];
  readonly token?: string;
}

export interface SavedContexts {
  /** Used when nothing else is said; null = none. */
  readonly current: string | null;
  readonly contexts: Readonly<Record<string, SavedContext>>;
}

type Environment = Readonly<Record<string, string | undefined>>;

const NAME = /^[\w.-]{1,64}$/;
const NONE: SavedContexts = { current: null, contexts: {} };

/** `ATOLL_CONTEXTS`, else `contexts.json` in the user's configuration directory. */
export function contextsPath(env: Environment): string {
  const named = env['ATOLL_CONTEXTS'];
  if (named) return named;
  const home = env['XDG_CONFIG_HOME'] || join(env['HOME'] || homedir(), '.config');
  return join(home, 'atoll', 'contexts.json');
}

/** Empty when there is no file. @throws CliError `CLI_FILE` */
export function readContexts(env: Environment): SavedContexts {
  const path = contextsPath(env);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return NONE;
    throw unusable(path, (error as Error).message, error);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw unusable(path, (error as Error).message, error);
  }
  if (!isContexts(value)) throw unusable(path, 'it is not of the form that "atoll context save" writes', null);
  return value;
}

/** @throws CliError `CLI_FILE` */
export function writeContexts(env: Environment, contexts: SavedContexts): void {
  const path = contextsPath(env);
  const fresh = `${path}.${process.pid}.tmp`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(fresh, `${JSON.stringify(contexts, null, 2)}\n`, { mode: 0o600, flag: 'wx' });
    // The mask of the process may have taken from the mode, never added.
    chmodSync(fresh, 0o600);
    renameSync(fresh, path);
  } catch (error) {
    rmSync(fresh, { force: true });
    throw new CliError('CLI_FILE', `cannot write ${path}: ${(error as Error).message}`, { cause: error });
  }
}

/** Others of this machine could read the tokens in it. */
export function isExposed(env: Environment): boolean {
  const found = statSync(contextsPath(env), { throwIfNoEntry: false });
  return found !== undefined && (found.mode & 0o077) !== 0;
}

/** @throws CliError `CLI_USAGE` */
export function findContext({ contexts }: SavedContexts, name: string): SavedContext {
  const found = Object.hasOwn(contexts, name) ? contexts[name] : undefined;
  if (found !== undefined) return found;
  throw new CliError('CLI_USAGE', `no context is called ${JSON.stringify(name)}`, {
    hint: 'list them with: atoll context ls    or make one with: atoll context save NAME --url URL',
  });
}

/** @throws CliError `CLI_USAGE` */
export function requireContextName(name: string): void {
  if (!NAME.test(name))
    throw new CliError('CLI_USAGE', `${JSON.stringify(name)} is not a name: use 1–64 letters, digits, ".", "_" or "-"`);
}

function isContexts(value: unknown): value is SavedContexts {
  if (typeof value !== 'object' || value === null) return false;
  const { current, contexts } = value as Partial<SavedContexts>;
  if ((current !== null && typeof current !== 'string') || typeof contexts !== 'object' || contexts === null)
    return false;
  return Object.values(contexts).every(
    ({ urls, token }) =>
      Array.isArray(urls) &&
      urls.every((url) => typeof url === 'string') &&
      (token === undefined || typeof token === 'string'),
  );
}

function unusable(path: string, reason: string, cause: unknown): CliError {
  return new CliError('CLI_FILE', `cannot use the saved contexts in ${path}: ${reason}`, {
    cause,
    hint: 'repair the file, remove it, or name another one in ATOLL_CONTEXTS',
  });
}

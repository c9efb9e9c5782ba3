/**
 * @module
 * Owns the journal of an import: a small file beside the input that says up to where the cluster has acknowledged it, so that
 * a rerun after any kind of end continues there. Losing the last entry repeats writes, which changes nothing. SPEC.md CL14.
 */
import { randomBytes } from 'node:crypto';
import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { CliError } from '../exit-code.ts';
import { INPUT_START, type InputFormat, type InputPosition } from './element-splitter.ts';

/** Format of the journal file. */
const JOURNAL_VERSION = 1;
/** Milliseconds between writes of the file. */
const SAVE_INTERVAL_MS = 200;

export interface JournalState {
  readonly version: number;
  /** `database/collection`. */
  readonly target: string;
  /** What the input was when the run began; null for standard input. */
  readonly input: { readonly size: number; readonly modifiedMs: number } | null;
  readonly format: InputFormat | null;
  /** Starts the ids made for documents without one. */
  readonly run: string;
  readonly position: InputPosition;
  readonly imported: number;
  readonly refused: number;
}

export class Journal {
  readonly path: string | null;
  #state: JournalState;
  #savedAtMs = 0;

  private constructor(path: string | null, state: JournalState) {
    this.path = path;
    this.#state = state;
  }

  /**
   * Opens the journal at `path`, or starts a new one; null keeps none.
   *
   * @throws CliError `CLI_INPUT_CHANGED` when the input, or the target, is not the one the journal speaks of.
   */
  static async open(path: string | null, target: string, inputPath: string | null): Promise<Journal> {
    const input = inputPath === null ? null : await describeInput(inputPath);
    const fresh: JournalState = {
      version: JOURNAL_VERSION,
      target,
      input,
      format: null,
      run: createRun(),
      position: INPUT_START,
      imported: 0,
      refused: 0,
    };
    const found = path === null ? null : await readState(path);
    if (path === null || found === null) return new Journal(path, fresh);
    const hint = `to start over: rm ${path}`;
    const isSame = found.target === target && isSameInput(found.input, input);
    // Nothing of it was acknowledged, as when its database was missing: there is nothing to continue.
    if (!isSame && found.position.number === 0) return new Journal(path, fresh);
    if (found.target !== target)
      throw new CliError(
        'CLI_INPUT_CHANGED',
        `the journal ${path} belongs to an import into ${found.target}, not ${target}`,
        { hint },
      );
    if (!isSame) {
      throw new CliError(
        'CLI_INPUT_CHANGED',
        `${inputPath ?? 'the input'} has changed since the import that ${path} would continue`,
        { hint },
      );
    }
    return new Journal(path, found);
  }

  get state(): JournalState {
    return this.#state;
  }

  /** Notes progress; writes the file at most every 200 ms unless `force`. */
  async record(
    change: Partial<Pick<JournalState, 'format' | 'position' | 'imported' | 'refused'>>,
    force = false,
  ): Promise<void> {
    this.#state = { ...this.#state, ...change };
    if (this.path === null) return;
    const nowMs = performance.now();
    if (!force && this.#savedAtMs !== 0 && nowMs - this.#savedAtMs < SAVE_INTERVAL_MS) return;
    this.#savedAtMs = nowMs;
    const temporary = `${this.path}.tmp`;
    await writeFile(temporary, `${JSON.stringify(this.#state)}\n`);
    await rename(temporary, this.path);
  }

  /** The import is complete: there is nothing to continue. */
  async remove(): Promise<void> {
    if (this.path !== null) await rm(this.path, { force: true });
  }
}

function isSameInput(a: JournalState['input'], b: JournalState['input']): boolean {
  return a?.size === b?.size && a?.modifiedMs === b?.modifiedMs;
}

/** Sortable by time, unlikely to be drawn twice. */
function createRun(): string {
  return `${Date.now().toString(16).padStart(12, '0')}-${randomBytes(4).toString('hex')}`;
}

async function describeInput(path: string): Promise<{ size: number; modifiedMs: number }> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw new CliError('CLI_FILE', `cannot read ${path}: ${error.code === 'ENOENT' ? 'no such file' : error.message}`, {
      cause: error,
    });
  });
  if (found.isDirectory())
    throw new CliError('CLI_FILE', `${path} is a directory; give a file, or - for standard input`);
  return { size: found.size, modifiedMs: Math.trunc(found.mtimeMs) };
}

async function readState(path: string): Promise<JournalState | null> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new CliError('CLI_FILE', `cannot read the journal ${path}: ${(error as Error).message}`, { cause: error });
  }
  const hint = `to start over: rm ${path}`;
  try {
    const state = JSON.parse(text) as JournalState;
    if (state.version === JOURNAL_VERSION && Number.isSafeInteger(state.position.offset)) return state;
  } catch (error) {
    throw new CliError('CLI_FILE', `${path} is not the journal of an import`, { hint, cause: error });
  }
  throw new CliError('CLI_FILE', `${path} was written by another version of atoll`, { hint });
}

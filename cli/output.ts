/**
 * @module
 * Owns what the command line writes: data on standard output, messages on standard error, tables on a terminal, JSON when
 * asked, and how an error is told. SPEC.md CL1, CL2.
 */
import type { Readable } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { AtollError } from '../crdt/errors.ts';
import { CliError } from './exit-code.ts';

/** The process as commands see it; tests pass their own. */
export interface CommandIo {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface OutputStream {
  write(text: string, done?: (error?: Error | null) => void): boolean;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface OutputOptions {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly color: boolean;
}

/** A table: column titles, then rows of the same length. */
export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

const STYLES = { red: 31, green: 32, yellow: 33, dim: 2, bold: 1 } as const;
export type Style = keyof typeof STYLES;

export class Output {
  readonly json: boolean;
  readonly quiet: boolean;
  /** Standard error is a terminal: progress may redraw its line. */
  readonly isInteractive: boolean;
  readonly #io: CommandIo;
  readonly #color: boolean;

  constructor(io: CommandIo, options: OutputOptions) {
    this.#io = io;
    this.json = options.json;
    this.quiet = options.quiet;
    this.#color = options.color;
    this.isInteractive = io.stderr.isTTY === true;
  }

  /** The result: one JSON line with `--json`, else the text that `render` makes, if any. Resolves when the pipe has room. */
  async result(value: unknown, render: () => string): Promise<void> {
    const text = this.json ? JSON.stringify(value) : render();
    if (text !== '') await this.write(`${text}\n`);
  }

  /** Data as it is. */
  async write(text: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#io.stdout.write(text, (error) => (error ? reject(error) : resolve()));
    });
  }

  /** A remark for a person; silent with `--quiet`. */
  message(text: string): void {
    if (!this.quiet) this.#io.stderr.write(`${text}\n`);
  }

  /** Something a person should act on; not silenced. */
  warning(text: string): void {
    this.#io.stderr.write(`${this.#paint(this.#io.stderr, 'yellow', 'warning:')} ${text}\n`);
  }

  /** Writes to standard error as is, for progress. */
  raw(text: string): void {
    this.#io.stderr.write(text);
  }

  /** Says what failed, which field or limit, and what to do next. */
  failure(error: unknown): void {
    if (this.json) {
      this.#io.stderr.write(`${JSON.stringify({ error: describeError(error) })}\n`);
      return;
    }
    const { code, message, fields, hint } = describeError(error);
    const lines = [`${this.#paint(this.#io.stderr, 'red', 'error:')} ${message}${code === null ? '' : ` [${code}]`}`];
    for (const field of fields) if (field !== message) lines.push(`  ${field}`);
    if (hint !== null) lines.push(`  ${hint}`);
    this.#io.stderr.write(`${lines.join('\n')}\n`);
  }

  /** Colours text meant for standard output. */
  paint(style: Style, text: string): string {
    return this.#paint(this.#io.stdout, style, text);
  }

  /** Aligned columns on a terminal, tab-separated values without titles elsewhere, so that `cut` and `awk` work. */
  table({ columns, rows }: Table): string {
    if (this.#io.stdout.isTTY !== true) return rows.map((row) => row.join('\t')).join('\n');
    const all = [columns.map((column) => (column === '' ? '' : this.paint('bold', column))), ...rows];
    const widths = columns.map((_, column) => Math.max(...all.map((row) => width(row[column] ?? ''))));
    return all
      .map((row) =>
        row
          .map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - width(cell)))
          .join('  ')
          .trimEnd(),
      )
      .join('\n');
  }

  #paint(stream: OutputStream, style: Style, text: string): string {
    return this.#color && stream.isTTY === true ? `\u001b[${STYLES[style]}m${text}\u001b[0m` : text;
  }
}

function width(text: string): number {
  return Array.from(stripVTControlCharacters(text)).length;
}

interface ErrorDescription {
  readonly code: string | null;
  readonly message: string;
  readonly fields: readonly string[];
  readonly hint: string | null;
}

function describeError(error: unknown): ErrorDescription {
  if (!(error instanceof AtollError)) {
    const message = error instanceof Error ? error.message : String(error);
    return { code: null, message, fields: [], hint: null };
  }
  const hint = error instanceof CliError ? (error.hint ?? null) : (HINTS[error.code] ?? null);
  return { code: error.code, message: error.message, fields: describeFields(error.details['errors']), hint };
}

/** `/age: must be finite (limit depth, 64)`. */
function describeFields(errors: unknown): string[] {
  if (!Array.isArray(errors)) return [];
  return (errors as Record<string, string | number | undefined>[]).map((field) => {
    const where = field['pointer'] ?? field['parameter'] ?? '';
    const limit =
      field['limit'] === undefined
        ? ''
        : ` (limit ${field['limit']}${field['max'] === undefined ? '' : `: ${field['max']}`})`;
    const detail = `${field['detail'] ?? ''}${limit}`;
    return where === '' ? detail : `${where}: ${detail}`;
  });
}

/** What to do next, for errors whose message cannot know that a command line was used. */
const HINTS: Readonly<Record<string, string>> = {
  CLIENT_UNREACHABLE: 'start a node with: atoll dev    or name one with --url or ATOLL_URL',
  CLIENT_RESPONSE_INVALID: 'check that --url names an Atoll node',
  CLIENT_TIMEOUT: 'the node may be overloaded or cut off; try another one with --url',
  SYNC_DATABASE_NOT_FOUND: 'list the databases with: atoll db ls    or create it with: atoll db create NAME',
  HTTP_COLLECTION_NOT_FOUND: 'list the collections with: atoll collection ls DB',
  SYNC_DOCUMENT_NOT_FOUND: 'list the documents with: atoll doc ls DB/COLLECTION',
  SYNC_PRECONDITION_FAILED: 'read the document again and repeat the change with its new ETag',
  HTTP_UNAUTHORIZED: 'give a token in ATOLL_TOKEN or with --token-file',
  HTTP_FORBIDDEN: 'the token does not allow this',
  STORAGE_IN_USE: 'another process has the data directory open: stop it, or give another --data',
  CONFIG_LISTEN_FAILED: 'give another address with --listen; port 0 picks a free one',
};

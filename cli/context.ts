/**
 * @module
 * Owns what every command gets: the client for the nodes named, the output, and an abort signal that interrupts end.
 */
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import { AtollClient, type CollectionClient } from './client.ts';
import { CliError } from './exit-code.ts';
import { Output, type CommandIo } from './output.ts';
import { findContext, readContexts } from './saved-contexts.ts';

/** Where a node listens unless told otherwise. */
export const DEFAULT_URL = 'http://127.0.0.1:7400';

/** Options every command takes. */
export interface GlobalOptions {
  readonly url?: readonly string[];
  readonly token?: string;
  readonly tokenFile?: string;
  readonly context?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly color: boolean;
  readonly yes?: boolean;
}

/** Which nodes, and who asks. */
interface Target {
  readonly urls: readonly string[];
  readonly token: string | null;
}

export class CommandContext {
  readonly io: CommandIo;
  readonly output: Output;
  readonly options: GlobalOptions;

  constructor(io: CommandIo, options: GlobalOptions) {
    this.io = io;
    this.options = options;
    const color = options.color && !io.env['NO_COLOR'];
    this.output = new Output(io, { json: options.json === true, quiet: options.quiet === true, color });
  }

  /** What this command line and its environment say, flags first. */
  get given(): Target {
    const { url = [] } = this.options;
    const named = (this.io.env['ATOLL_URL'] ?? '')
      .split(',')
      .map((each) => each.trim())
      .filter((each) => each !== '');
    return { urls: url.length > 0 ? url : named, token: this.#token() };
  }

  /** The nodes to talk to: those given, else those of the saved context, else the default port of this machine. */
  get urls(): readonly string[] {
    return this.#target.urls;
  }

  client(endpoints: string | readonly string[] = this.urls): AtollClient {
    const { token } = this.#target;
    // A person would rather see at once that no node answers, and a command has no session to keep.
    return new AtollClient({ endpoints, retries: 0, session: false, ...(token === null ? {} : { token }) });
  }

  /** `--context`, else what is given, else `ATOLL_CONTEXT`, else the context in use, else this machine. */
  get #target(): Target {
    const { given } = this;
    const flag = this.options.context;
    if (flag === undefined && given.urls.length > 0) return given;
    const wanted = flag ?? (this.io.env['ATOLL_CONTEXT'] || undefined);
    const saved = readContexts(this.io.env);
    const name = wanted ?? saved.current;
    if (name === null) return { urls: [DEFAULT_URL], token: given.token };
    const { urls, token } = findContext(saved, name);
    // A saved token is for the nodes it was saved with.
    return (this.options.url ?? []).length > 0 ? given : { urls, token: given.token ?? token ?? null };
  }

  /** Goes on only if a person, or `--yes`, agrees. Asks for the name, because a habit types `y`. */
  async confirm(what: string, name: string): Promise<void> {
    if (this.options.yes === true) return;
    if (this.io.stdin.isTTY !== true || this.io.stderr.isTTY !== true) {
      throw new CliError('CLI_CONFIRMATION_REQUIRED', `this would ${what}; repeat the command with --yes to do it`);
    }
    const prompt = createInterface({
      input: this.io.stdin,
      output: this.io.stderr as unknown as NodeJS.WritableStream,
    });
    try {
      const typed = await prompt.question(`This will ${what}. Type ${name} to go on: `);
      if (typed.trim() !== name) throw new CliError('CLI_CONFIRMATION_REQUIRED', 'not confirmed; nothing was changed');
    } finally {
      prompt.close();
    }
  }

  #token(): string | null {
    const { token, tokenFile: path } = this.options;
    if (token !== undefined && path !== undefined)
      throw new CliError('CLI_USAGE', 'give the token with --token or with --token-file, not with both');
    if (token !== undefined) return token;
    if (path === undefined) return this.io.env['ATOLL_TOKEN'] || null;
    try {
      return readFileSync(path, 'utf8').trim();
    } catch (error) {
      throw new CliError('CLI_FILE', `cannot read the token file ${path}: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }
}

/** The context of a command being run. Options are found wherever they stand on the line. */
export function contextOf(command: Command, io: CommandIo): CommandContext {
  return new CommandContext(io, command.optsWithGlobals<GlobalOptions>());
}

/** `database/collection`. */
export function parseCollection(text: string): { database: string; collection: string } {
  const [database = '', collection = '', ...rest] = text.split('/');
  if (database === '' || collection === '' || rest.length > 0) {
    throw new CliError(
      'CLI_USAGE',
      `${JSON.stringify(text)} does not name a collection; write DB/COLLECTION, for example app/people`,
    );
  }
  return { database, collection };
}

/** `database` or `database/collection`. */
export function parseTarget(text: string): { database: string; collection: string | null } {
  return text.includes('/') ? parseCollection(text) : { database: text, collection: null };
}

/** `database/collection/id`; the id may hold more slashes, and may be absent where `id` is null. */
export function parseDocument(text: string): { database: string; collection: string; id: string | null } {
  const match = /^([^/]+)\/([^/]+)(?:\/(.+))?$/su.exec(text);
  if (match === null) {
    throw new CliError(
      'CLI_USAGE',
      `${JSON.stringify(text)} does not name a document; write DB/COLLECTION/ID, for example app/people/ada`,
    );
  }
  return { database: match[1] as string, collection: match[2] as string, id: match[3] ?? null };
}

/** The collection and id of a document that must be named. */
export function requireDocument(context: CommandContext, target: string): { collection: CollectionClient; id: string } {
  const { database, collection, id } = parseDocument(target);
  if (id === null)
    throw new CliError('CLI_USAGE', `${target} names a collection; add the id of a document: ${target}/ID`);
  return { collection: context.client().database(database).collection(collection), id };
}

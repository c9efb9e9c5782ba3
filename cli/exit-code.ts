/**
 * @module
 * Owns the exit codes of the command line and the only mapping from errors to them. SPEC.md CL3.
 */
import { AtollError } from '../crdt/errors.ts';
import { ClientError } from './client/error.ts';

export const EXIT = {
  ok: 0,
  error: 1,
  usage: 2,
  notFound: 3,
  precondition: 4,
  /** The answer was given, but something that should hold does not: nodes differ, a peer is away, lines were refused. */
  degraded: 5,
  timeout: 6,
  auth: 7,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Codes of errors raised by the commands themselves. */
export type CliErrorCode =
  | 'CLI_USAGE'
  | 'CLI_CONFIRMATION_REQUIRED'
  | 'CLI_FILE'
  | 'CLI_INPUT_INVALID'
  | 'CLI_INPUT_CHANGED'
  | 'CLI_IMPORT_STOPPED'
  | 'CLI_NODE_FAILED';

/** A command that cannot go on. `hint` says what to do next. */
export class CliError extends AtollError<CliErrorCode> {
  readonly hint: string | undefined;

  constructor(code: CliErrorCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(code, message, options.cause === undefined ? {} : { cause: options.cause });
    this.hint = options.hint;
  }
}

/** Maps a failure to the exit code that scripts can rely on. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CliError)
    return error.code === 'CLI_USAGE' || error.code === 'CLI_CONFIRMATION_REQUIRED' ? EXIT.usage : EXIT.error;
  if (error instanceof ClientError) return exitCodeOfStatus(error);
  if (error instanceof AtollError && error.code.startsWith('CONFIG_')) return EXIT.usage;
  return EXIT.error;
}

function exitCodeOfStatus(error: ClientError): ExitCode {
  if (error.code === 'CLIENT_TIMEOUT') return EXIT.timeout;
  if (error.code === 'CLIENT_ENDPOINT_INVALID') return EXIT.usage;
  switch (error.status) {
    case 401:
    case 403:
      return EXIT.auth;
    case 404:
      return EXIT.notFound;
    case 409:
    case 412:
      return EXIT.precondition;
    case 408:
    case 504:
      return EXIT.timeout;
    default:
      return EXIT.error;
  }
}

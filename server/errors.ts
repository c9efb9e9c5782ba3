/**
 * @module
 * Owns the coded errors of starting a node: configuration that cannot work. Each names the option and the remedy.
 */
import { AtollError } from '../crdt/index.ts';

export type ConfigErrorCode =
  /** A value is missing, malformed or out of range. */
  | 'CONFIG_INVALID'
  /** The configuration file has a key that no option has. */
  | 'CONFIG_KEY_UNKNOWN'
  /** A file that an option names cannot be read. */
  | 'CONFIG_FILE_UNREADABLE'
  /** Listening beyond this machine needs tokens and TLS, or `--insecure`. */
  | 'CONFIG_INSECURE'
  /** The address is taken, not ours, or not permitted. */
  | 'CONFIG_LISTEN_FAILED';

export class ConfigError extends AtollError<ConfigErrorCode> {}

/**
 * @module
 * Owns resolving the configuration of a node: flags win over the environment, that over the file, that over defaults. Every value
 * is checked, and an error names the option, where its value came from and what would be right. SPEC.md HT20.
 */
import { readFileSync } from 'node:fs';
import { ConfigError } from './errors.ts';
import { LOG_LEVELS } from './log.ts';
import {
  formatListen,
  parseHostName,
  parseListen,
  parseOrigin,
  parseUrl,
  type ListenAddress,
} from './listen-address.ts';
import { OPTIONS, type NodeOptions, type OptionDefinition, type OptionName } from './option.ts';

/** Where values come from; keys of `flags` and of the file are option keys, e.g. `tls-cert`. */
export interface ConfigSources {
  readonly flags?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Path of a JSON file; `--config` or `ATOLL_CONFIG` name it on the command line. */
  readonly file?: string;
}

/** Name of an option's environment variable, e.g. `ATOLL_TLS_CERT`. */
export function environmentName(key: string): string {
  return `ATOLL_${key.toUpperCase().replaceAll('-', '_')}`;
}

/**
 * Merges all sources and checks every value.
 *
 * @throws ConfigError naming the option, where the value came from, and what would be right.
 */
export function resolveConfig({ flags = {}, env = {}, file = env['ATOLL_CONFIG'] }: ConfigSources): NodeOptions {
  const fromFile = file === undefined ? {} : readConfigFile(file);
  const result: Partial<Record<OptionName, unknown>> = {};
  for (const option of OPTIONS) {
    const variable = environmentName(option.key);
    const [value, origin] = pick([
      [flags[option.key], `--${option.key}`],
      [env[variable], variable],
      [fromFile[option.key], `${option.key} in ${file}`],
      [option.default, `default of ${option.key}`],
    ]);
    if (value !== undefined) result[option.name] = parseValue(option, value, origin);
  }
  for (const name of ['join', 'allowOrigin', 'allowHost'] as const) result[name] ??= [];
  if (result.data === undefined)
    throw invalid('data', '--data is required: the directory in which this node keeps its documents');
  if ((result.tlsCert === undefined) !== (result.tlsKey === undefined)) {
    throw invalid('tls-cert', '--tls-cert and --tls-key need each other: give both or none');
  }
  return result as unknown as NodeOptions;
}

/** The same for a program that embeds a node: members of `NodeOptions`, all but `data` optional, `listen` also as text. */
export type OpenOptions = Partial<Omit<NodeOptions, 'data' | 'listen'>> & {
  readonly data: string;
  readonly listen?: string | ListenAddress;
};

/** Fills in defaults and checks every value. @throws ConfigError */
export function completeOptions(options: OpenOptions): NodeOptions {
  const flags: Record<string, unknown> = {};
  for (const { name, key } of OPTIONS) flags[key] = options[name];
  const { listen } = options;
  if (typeof listen === 'object') flags['listen'] = formatListen(listen);
  return resolveConfig({ flags });
}

function pick(candidates: readonly (readonly [unknown, string])[]): readonly [unknown, string] {
  // An empty list of a repeatable flag, or an empty variable, is no value.
  const isGiven = ([value]: readonly [unknown, string]): boolean =>
    value !== undefined && value !== '' && !(Array.isArray(value) && value.length === 0);
  return candidates.find(isGiven) ?? [undefined, ''];
}

function readConfigFile(path: string): Readonly<Record<string, unknown>> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new ConfigError(
      'CONFIG_FILE_UNREADABLE',
      `cannot read the configuration file ${path}: ${(cause as Error).message}`,
      {
        cause,
        details: { field: 'config' },
      },
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ConfigError('CONFIG_INVALID', `${path} is not JSON: ${(cause as Error).message}`, {
      cause,
      details: { field: 'config' },
    });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid('config', `${path} must hold a JSON object`);
  for (const key of Object.keys(value)) if (!OPTIONS.some((option) => option.key === key)) throw unknownKey(key, path);
  return value as Record<string, unknown>;
}

function parseValue(option: OptionDefinition, value: unknown, origin: string): unknown {
  switch (option.kind) {
    case 'text':
      return requireText(option, value, origin);
    case 'switch':
      return parseSwitch(option, value, origin);
    case 'integer':
      return parseInteger(option, value, origin);
    case 'listen':
      return parseListen(requireText(option, value, origin), origin);
    case 'url':
      return parseUrl(requireText(option, value, origin), option.key, origin);
    case 'urls':
      return requireTexts(option, value, origin).map((url) => parseUrl(url, option.key, origin));
    case 'origins':
      return requireTexts(option, value, origin).map((text) => parseOrigin(text, option.key, origin));
    case 'hosts':
      return requireTexts(option, value, origin).map((text) => parseHostName(text, option.key, origin));
    case 'log-level':
      if ((LOG_LEVELS as readonly unknown[]).includes(value)) return value;
      throw invalid(option.key, `${origin} must be one of ${LOG_LEVELS.join(', ')}`);
  }
}

function requireText(option: OptionDefinition, value: unknown, origin: string): string {
  if (typeof value === 'string') return value;
  throw invalid(option.key, `${origin} must be text`);
}

/** A list, or text with commas (environment variables have no lists). */
function requireTexts(option: OptionDefinition, value: unknown, origin: string): readonly string[] {
  if (typeof value === 'string')
    return value
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '');
  if (Array.isArray(value) && value.every((part) => typeof part === 'string')) return value as string[];
  throw invalid(option.key, `${origin} must be a list of text`);
}

function parseSwitch(option: OptionDefinition, value: unknown, origin: string): boolean {
  if (value === true || value === 'true' || value === '1') return true;
  if (value === false || value === 'false' || value === '0') return false;
  throw invalid(option.key, `${origin} must be true or false`);
}

function parseInteger(option: OptionDefinition, value: unknown, origin: string): number {
  const { key, min = 0, max = Number.MAX_SAFE_INTEGER, unit } = option;
  const number = typeof value === 'number' ? value : /^\d{1,15}$/.test(String(value)) ? Number(value) : Number.NaN;
  if (Number.isInteger(number) && number >= min && number <= max) return number;
  throw invalid(key, `${origin} must be a whole number${unit ? ` of ${unit}` : ''} from ${min} to ${max}`);
}

function unknownKey(key: string, path: string): ConfigError {
  const nearest = [...OPTIONS].sort((a, b) => distance(a.key, key) - distance(b.key, key))[0]!.key;
  const hint =
    distance(nearest, key) <= 3
      ? `; did you mean ${nearest}?`
      : `; known are ${OPTIONS.map((option) => option.key).join(', ')}`;
  return new ConfigError('CONFIG_KEY_UNKNOWN', `${path} has the unknown key ${key}${hint}`, {
    details: { field: key, nearest },
  });
}

/** Levenshtein distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, substitution));
    }
    row = next;
  }
  return row[b.length]!;
}

function invalid(field: string, message: string): ConfigError {
  return new ConfigError('CONFIG_INVALID', message, { details: { field } });
}

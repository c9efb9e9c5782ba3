/**
 * @module
 * Owns what the definitions of commands share: how a command gets its context, examples in help, and readers of option values.
 */
import { InvalidArgumentError, type Command } from 'commander';
import type { CommandContext } from './context.ts';
import type { ExitCode } from './exit-code.ts';

/** What the definitions of commands share. */
export interface ProgramParts {
  /** Wraps what a command does: gives it its context and keeps the exit code it returns. */
  readonly action: (work: (context: CommandContext) => Promise<ExitCode | void>) => (command: Command) => Promise<void>;
}

/** Examples come first: most people read nothing else. */
export function addExamples(command: Command, examples: readonly string[]): Command {
  return command.addHelpText('before', `Examples:\n${examples.map((example) => `  $ ${example}`).join('\n')}\n`);
}

/** Collects a repeatable option. */
export function collect(value: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, value];
}

/** A whole number of at least `least` and at most `most`. */
export function wholeNumber(least: number, most: number = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw new InvalidArgumentError(
      `It must be a whole number of at least ${least}${most < Number.MAX_SAFE_INTEGER ? ` and at most ${most}` : ''}.`,
    );
  };
}

/** Seconds, fractions allowed. */
export function seconds(text: string): number {
  const value = /^\d{1,9}(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (value >= 0) return value;
  throw new InvalidArgumentError('It must be a number of seconds.');
}

const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** `90`, `90s`, `30m`, `12h`, `30d` → seconds. */
export function duration(text: string): number {
  const match = /^(\d{1,7})([smhd]?)$/.exec(text);
  const value = Number(match?.[1] ?? 0) * (UNIT_SECONDS[match?.[2] || 's'] ?? 0);
  if (value >= 1) return value;
  throw new InvalidArgumentError('It must be a number of seconds, or one with a unit: 30m, 12h, 30d.');
}

/**
 * @module
 * Owns what may come next on a command line, told by the definitions of the commands themselves. SPEC.md CL25.
 */
import type { Command, Option } from 'commander';

export interface Candidate {
  readonly word: string;
  readonly description: string;
}

/** Names that only the surroundings know, by the option or argument that takes them. */
export type Names = (placeholder: string) => readonly string[];

/** What the last of the words, which may be empty, can become. */
export function candidatesOf(program: Command, words: readonly string[], names: Names): readonly Candidate[] {
  const current = words.at(-1) ?? '';
  const position = locate(program, words.slice(0, -1));
  const { command, option } = position;
  if (option !== null) return valuesOf(option, names).filter(({ word }) => word.startsWith(current));
  const all = current.startsWith('-')
    ? optionsOf(command)
    : [...subcommandsOf(command), ...argumentsOf(command, position.arguments, names)];
  return all.filter(({ word }) => word.startsWith(current));
}

interface Position {
  readonly command: Command;
  /** The option whose value comes next. */
  readonly option: Option | null;
  /** Arguments that the command has been given. */
  readonly arguments: number;
}

function locate(program: Command, words: readonly string[]): Position {
  let command = program;
  let option: Option | null = null;
  let given = 0;
  for (const word of words) {
    if (option !== null) {
      option = null;
      continue;
    }
    if (word.startsWith('-')) {
      const found = withParents(command)
        .flatMap((each) => each.options)
        .find(({ long, short }) => long === word || short === word);
      option = found?.required === true ? found : null;
      continue;
    }
    const next = command.commands.find((each) => each.name() === word);
    if (next === undefined) given++;
    else command = next;
  }
  return { command, option, arguments: given };
}

function withParents(command: Command): Command[] {
  return command.parent === null ? [command] : [command, ...withParents(command.parent)];
}

function subcommandsOf(command: Command): Candidate[] {
  // `visibleCommands` knows which are hidden, and adds `help`.
  return command
    .createHelp()
    .visibleCommands(command)
    .map((each) => ({ word: each.name(), description: each.description() }));
}

function optionsOf(command: Command): Candidate[] {
  return withParents(command)
    .flatMap((each) => each.createHelp().visibleOptions(each))
    .filter(({ long }, at, all) => all.findIndex((other) => other.long === long) === at)
    .map(({ long, short, description }) => ({ word: long ?? short ?? '', description }));
}

function valuesOf({ argChoices, flags }: Option, names: Names): Candidate[] {
  return (argChoices ?? names(placeholderOf(flags))).map((word) => ({ word, description: '' }));
}

function argumentsOf(command: Command, given: number, names: Names): Candidate[] {
  const { registeredArguments } = command;
  const last = registeredArguments.at(-1);
  const argument = registeredArguments[given] ?? (last?.variadic === true ? last : undefined);
  if (argument === undefined) return [];
  return (argument.argChoices ?? names(argument.name())).map((word) => ({ word, description: '' }));
}

/** `--context <name>` → `context`, because `name` says nothing. */
function placeholderOf(flags: string): string {
  return /--([\w-]+)/.exec(flags)?.[1] ?? '';
}

/**
 * @module
 * Owns the command line as a whole: global options, the list of commands, how a run becomes an exit code. What a command does is
 * loaded only when it runs. SPEC.md section CL.
 */
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { contextOf, DEFAULT_URL } from './context.ts';
import { EXIT, exitCodeOf, type ExitCode } from './exit-code.ts';
import type { CommandIo } from './output.ts';
import { addExamples, collect, type ProgramParts } from './program-part.ts';
import { addAccessCommands } from './program-access.ts';
import { addClusterCommands } from './program-cluster.ts';
import { addDataCommands } from './program-data.ts';
import { addNodeCommands } from './program-node.ts';
import { addQueryCommands } from './program-query.ts';
import { addSetupCommands } from './program-setup.ts';

/** Runs one command line; never rejects, never ends the process. */
export async function runProgram(args: readonly string[], io: CommandIo): Promise<ExitCode> {
  let exitCode: ExitCode = EXIT.ok;
  const parts: ProgramParts = {
    action: (work) => async (command) => {
      const context = contextOf(command, io);
      try {
        exitCode = (await work(context)) ?? EXIT.ok;
      } catch (error) {
        context.output.failure(error);
        exitCode = exitCodeOf(error);
      }
    },
  };
  const program = await createProgram(parts, args);
  for (const command of allCommands(program)) {
    command.exitOverride().showHelpAfterError(`See: ${commandPath(command)} --help`);
    command.configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
    });
  }
  try {
    await program.parseAsync([...args], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Help and version come as errors with exit code 0; `atoll` alone shows help, which is a wrong use.
    return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  }
  return exitCode;
}

async function createProgram(parts: ProgramParts, args: readonly string[]): Promise<Command> {
  const program = new Command('atoll')
    .description('A document database in which every node is a primary.')
    .version(readVersion(), '--version')
    .option(
      '--url <url>',
      `node to talk to; repeat it for failover (default: ATOLL_URL, else the saved context, else ${DEFAULT_URL})`,
      collect,
    )
    .option(
      '--context <name>',
      'saved nodes and token to use (default: ATOLL_CONTEXT, else that of: atoll context use)',
    )
    .option('--token-file <file>', 'file with the token of this client (default: ATOLL_TOKEN)')
    .option('--token <token>', 'the token itself; other users of this machine can see it, so prefer a file')
    .option('--json', 'machine-readable output: JSON on standard output')
    .option('--quiet', 'no messages or progress on standard error')
    .option('--no-color', 'no colours (also: NO_COLOR)')
    .option('--yes', 'do not ask before deleting');
  addExamples(program, [
    'atoll dev',
    `atoll doc put app/people/ada '{"name":"Ada"}'`,
    'atoll import people.ndjson app/people',
    'atoll status --watch',
  ]);
  await addNodeCommands(program, parts, args);
  addClusterCommands(program, parts);
  addDataCommands(program, parts);
  addQueryCommands(program, parts);
  addAccessCommands(program, parts);
  addSetupCommands(program, parts);
  program.addHelpText(
    'after',
    '\nExit codes: 0 ok, 1 error, 2 usage, 3 not found, 4 precondition, 5 degraded, 6 timeout, 7 auth',
  );
  return program;
}

function allCommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(allCommands)];
}

function commandPath(command: Command): string {
  return command.parent === null ? command.name() : `${commandPath(command.parent)} ${command.name()}`;
}

function readVersion(): string {
  // One level up in the sources, two in the build.
  for (const path of ['../package.json', '../../package.json']) {
    try {
      return (JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as { version: string }).version;
    } catch {
      continue;
    }
  }
  return 'unknown';
}

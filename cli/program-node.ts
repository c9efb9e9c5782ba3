/**
 * @module
 * Owns the definitions of the commands that run nodes or look at them.
 */
import { Option, type Command } from 'commander';
import type { DevOptions } from './command/dev.ts';
import type { DoctorOptions } from './command/doctor.ts';
import type { OptionDefinition } from './command/start.ts';
import type { StatusOptions } from './command/status.ts';
import type { VerifyOptions } from './command/verify.ts';
import { addExamples, collect, seconds, wholeNumber, type ProgramParts } from './program-part.ts';

export async function addNodeCommands(program: Command, parts: ProgramParts, args: readonly string[]): Promise<void> {
  addDev(program, parts);
  await addStart(program, parts, args);
  const status = program
    .command('status')
    .description('members, links and lag, as one node sees them (exit code 5 when something is away)')
    .option('--watch', 'look again and again')
    .option('--interval <seconds>', 'between two looks', seconds, 2)
    .action((options: StatusOptions, command: Command) =>
      parts.action(async (context) => (await import('./command/status.ts')).showStatus(context, options))(command),
    );
  addExamples(status, [
    'atoll status',
    'atoll status --watch --url http://127.0.0.1:7401',
    'atoll status --json | jq .members',
  ]);
  const verify = program
    .command('verify')
    .description(
      'digests of all nodes side by side, and the first document that differs (exit code 5 when they differ)',
    )
    .option('--db <name>', 'only this database')
    .option('--wait <seconds>', 'how long nodes may take to become equal', seconds, 5)
    .action((options: VerifyOptions, command: Command) =>
      parts.action(async (context) => (await import('./command/verify.ts')).verifyNodes(context, options))(command),
    );
  addExamples(verify, [
    'atoll verify',
    'atoll verify --db app --wait 30 --url http://127.0.0.1:7400 --url http://127.0.0.1:7401',
  ]);
  addDoctor(program, parts);
}

function addDoctor(program: Command, parts: ProgramParts): void {
  const doctor = program
    .command('doctor')
    .description(
      'what must hold on a node and whether it does, damaged documents, alarms (exit code 5 when something is wrong)',
    )
    .option('--scrub', 'first let the node read and check everything it stores')
    .action((options: DoctorOptions, command: Command) =>
      parts.action(async (context) => (await import('./command/doctor.ts')).examineNode(context, options))(command),
    );
  addExamples(doctor, ['atoll doctor', 'atoll doctor --scrub --url http://127.0.0.1:7401 --json']);
}

function addDev(program: Command, parts: ProgramParts): void {
  const dev = program
    .command('dev')
    .description('a cluster on this machine, with links to cut and nodes to kill')
    .option('--nodes <count>', 'how many nodes', wholeNumber(1, 16), 3)
    .option('--port <port>', 'port of the first node; 0 picks free ones', wholeNumber(0, 65_535), 7400)
    .option('--data <dir>', 'where the nodes keep their data (default: a temporary directory, removed at the end)')
    .action((options: DevOptions, command: Command) =>
      parts.action(async (context) => (await import('./command/dev.ts')).runDev(context, options))(command),
    );
  addExamples(dev, [
    'atoll dev',
    'atoll dev --nodes 5 --data ./cluster',
    '(then type: cut n1 n2, heal n1 n2, kill n3, start n3, pause n2, resume n2, status, quit)',
  ]);
}

/** The options of a node are the server's table; it is read only when the line is about `start`. */
async function addStart(program: Command, parts: ProgramParts, args: readonly string[]): Promise<void> {
  const start = program.command('start').description('run a node in this process until SIGTERM');
  addExamples(start, [
    'atoll start --data ./n1',
    'atoll start --data ./n2 --listen 127.0.0.1:7401 --name n2 --join http://127.0.0.1:7400',
  ]);
  const options = args.includes('start') ? await (await import('./command/start.ts')).loadStartOptions() : [];
  for (const option of options) start.addOption(createOption(option));
  start
    .option('--config <file>', 'JSON file with the same keys')
    .addOption(new Option('--exit-with-parent').hideHelp())
    .addHelpText(
      'after',
      '\nEvery option is also an environment variable, e.g. ATOLL_DATA, and a key of the configuration file.',
    )
    .action((values: Record<string, unknown>, command: Command) => {
      const flags = Object.fromEntries(
        options.map((option) => [option.key, values[createOption(option).attributeName()]]),
      );
      const config = values['config'] as string | undefined;
      const exitWithParent = values['exitWithParent'] === true;
      return parts.action(async (context) =>
        (await import('./command/start.ts')).startNode(context, { flags, config, exitWithParent }),
      )(command);
    });
}

function createOption({ key, kind, placeholder, description, default: standard }: OptionDefinition): Option {
  // Defaults are applied by the server, after environment and file; here they are only told.
  const told = standard === undefined || kind === 'switch' ? description : `${description} (default: ${standard})`;
  const option = new Option(kind === 'switch' ? `--${key}` : `--${key} <${(placeholder ?? key).toLowerCase()}>`, told);
  return ['urls', 'origins', 'hosts'].includes(kind) ? option.argParser(collect) : option;
}

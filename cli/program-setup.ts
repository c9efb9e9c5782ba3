/**
 * @module
 * Owns the definitions of the commands about the command line itself: saved contexts and completion.
 */
import { Argument, type Command } from 'commander';
import type * as contextCommands from './command/context.ts';
import { SHELLS, type Shell } from './completion/script.ts';
import { addExamples, type ProgramParts } from './program-part.ts';

const loadContext = async (): Promise<typeof contextCommands> => import('./command/context.ts');

export function addSetupCommands(program: Command, parts: ProgramParts): void {
  addContext(program, parts);
  addCompletion(program, parts);
}

function addContext(program: Command, { action }: ProgramParts): void {
  const context = program.command('context').description('names for clusters: their nodes and tokens, kept in a file');
  addExamples(context, [
    'atoll context save prod --url https://db1:7400 --url https://db2:7400 --token-file ./prod.token',
    'atoll context use prod',
    'atoll status --context prod',
  ]);
  context
    .command('save <context>')
    .description('keep the nodes and the token given by --url, --token-file or the environment under a name')
    .action((name: string, _: object, command: Command) =>
      action(async (each) => (await loadContext()).saveContext(each, name))(command),
    );
  context
    .command('ls')
    .description('list what is saved; the one in use has a star')
    .action((_: object, command: Command) => action(async (each) => (await loadContext()).listContexts(each))(command));
  context
    .command('use <context>')
    .description('let commands go to these nodes unless told otherwise')
    .action((name: string, _: object, command: Command) =>
      action(async (each) => (await loadContext()).selectContext(each, name))(command),
    );
  context
    .command('show [context]')
    .description('show one, by default the one in use; tokens are not shown')
    .action((name: string | undefined, _: object, command: Command) =>
      action(async (each) => (await loadContext()).showContext(each, name))(command),
    );
  context
    .command('rm <context>')
    .description('forget one')
    .action((name: string, _: object, command: Command) =>
      action(async (each) => (await loadContext()).removeContext(each, name))(command),
    );
}

function addCompletion(program: Command, { action }: ProgramParts): void {
  const completion = program
    .command('completion')
    .description('print a script that completes atoll in a shell')
    .addArgument(new Argument('<shell>').choices(SHELLS))
    .action((shell: Shell, _: object, command: Command) =>
      action(async (each) => (await import('./command/completion.ts')).printCompletion(each, shell))(command),
    );
  addExamples(completion, ['source <(atoll completion bash)', 'atoll completion fish | source']);
  program
    .command('__complete [words...]', { hidden: true })
    .allowUnknownOption()
    .action((words: string[], _: object, command: Command) =>
      action(async (each) => (await import('./command/completion.ts')).printCandidates(each, program, words))(command),
    );
}

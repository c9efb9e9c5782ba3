/**
 * @module
 * Owns the definitions of the commands about members of the cluster.
 */
import type { Command } from 'commander';
import type * as clusterCommands from './command/cluster.ts';
import { addExamples, seconds, wholeNumber, type ProgramParts } from './program-part.ts';

const load = async (): Promise<typeof clusterCommands> => import('./command/cluster.ts');

export function addClusterCommands(program: Command, { action }: ProgramParts): void {
  const cluster = program.command('cluster').description('members of the cluster');
  addExamples(cluster, [
    'atoll cluster ls',
    'atoll cluster token',
    'atoll start --data ./n4 --join http://127.0.0.1:7400 --join-token TOKEN',
    'atoll cluster drain n3',
    'atoll cluster place n3 app logs',
    'atoll cluster remove n3 --yes',
  ]);
  cluster
    .command('ls')
    .description('list members with their state and lag')
    .option('--all', 'removed ones too')
    .action((options: { all?: boolean }, command: Command) =>
      action(async (context) => (await load()).listMembers(context, options))(command),
    );
  cluster
    .command('join <url>')
    .description('let the node keep a link to the node at this URL')
    .action((url: string, _: object, command: Command) =>
      action(async (context) => (await load()).joinNode(context, url))(command),
    );
  cluster
    .command('token')
    .description('make a token that admits one new node, which then needs no secret')
    .option('--expires <seconds>', 'how long it is valid', wholeNumber(1, 2_592_000), 3600)
    .action((options: { expires: number }, command: Command) =>
      action(async (context) => (await load()).createToken(context, options))(command),
    );
  cluster
    .command('drain <member>')
    .description('announce that a member is about to be stopped (exit code 5 while others lack some of its writes)')
    .option('--wait <seconds>', 'how long others may take to get all it has', seconds, 30)
    .action((member: string, options: { wait: number }, command: Command) =>
      action(async (context) => (await load()).drainMember(context, member, options))(command),
    );
  cluster
    .command('remove <member>')
    .description('put a member, by name or id, out of the cluster for ever')
    .action((member: string, _: object, command: Command) =>
      action(async (context) => (await load()).removeMember(context, member))(command),
    );
  cluster
    .command('place <member> [db...]')
    .description('say which databases a member holds: it fetches what is new to it, and gives up the others')
    .option('--all', 'all, also those made later')
    .option('--none', 'none')
    .action((member: string, databases: string[], options: clusterCommands.PlaceOptions, command: Command) =>
      action(async (context) => (await load()).placeDatabases(context, member, databases, options))(command),
    );
  cluster
    .command('unsent')
    .description('documents with writes of the node that no member is known to hold, one line each')
    .option('--into <url>', 'write them to the node there instead of printing them')
    .option('--discard', 'delete those that were set aside because the history of the node forked')
    .action((options: clusterCommands.UnsentOptions, command: Command) =>
      action(async (context) => (await load()).exportUnsent(context, options))(command),
    );
}

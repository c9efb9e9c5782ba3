/**
 * @module
 * Owns the definitions of the commands about access.
 */
import { Option, type Command } from 'commander';
import type * as tokenCommands from './command/token.ts';
import { addExamples, collect, duration, wholeNumber, type ProgramParts } from './program-part.ts';

const load = async (): Promise<typeof tokenCommands> => import('./command/token.ts');

export function addAccessCommands(program: Command, { action }: ProgramParts): void {
  const token = program.command('token').description('tokens of clients: who may read, write or administer');
  addExamples(token, [
    'atoll token create --role admin --name ops > admin.token',
    'atoll token create --role write --db app --expires 30d --name web',
    'atoll token ls',
    'atoll token revoke ID',
  ]);
  token
    .command('create')
    .description('make a token, printed this once; the first one must be an admin token and turns access control on')
    .addOption(new Option('--role <role>', 'what it may do').choices(['read', 'write', 'admin']).makeOptionMandatory())
    .option('--db <db>', 'only for this database; may be repeated', collect)
    .option('--name <text>', 'what it is for')
    .option('--expires <duration>', 'how long it is valid: seconds, or 30m, 12h, 30d (default: for ever)', duration)
    .option('--rate <count>', 'requests per second (default: as the node has it)', wholeNumber(1, 1_000_000))
    .action((options: tokenCommands.TokenOptions, command: Command) =>
      action(async (context) => (await load()).createToken(context, options))(command),
    );
  token
    .command('ls')
    .description('list tokens, without their texts, which nobody keeps')
    .action((_: object, command: Command) => action(async (context) => (await load()).listTokens(context))(command));
  token
    .command('revoke <id>')
    .description('refuse a token from now on, on every node')
    .action((id: string, _: object, command: Command) =>
      action(async (context) => (await load()).revokeToken(context, id))(command),
    );
}

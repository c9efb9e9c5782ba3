/**
 * @module
 * Owns the definitions of the commands that look for documents, follow them, and write several at once.
 */
import type { Command } from 'commander';
import type { BatchOptions } from './command/batch.ts';
import type * as indexCommands from './command/index-definition.ts';
import type { QueryOptions } from './command/query.ts';
import type { WatchOptions } from './command/watch.ts';
import { addExamples, wholeNumber, type ProgramParts } from './program-part.ts';

const loadIndex = async (): Promise<typeof indexCommands> => import('./command/index-definition.ts');

export function addQueryCommands(program: Command, parts: ProgramParts): void {
  addQuery(program, parts);
  addIndex(program, parts);
  addWatch(program, parts);
  addBatch(program, parts);
}

function addQuery(program: Command, { action }: ProgramParts): void {
  const query = program
    .command('query <db/collection> [filter]')
    .description('documents that match a filter, written as in MongoDB')
    .option('--sort <names>', 'order: paths separated by commas, as in population:desc,name')
    .option('--fields <names>', 'only these fields, separated by commas')
    .option('--limit <count>', 'how many; 0 = all', wholeNumber(0), 100)
    .option('--explain', 'say which index is used and how much is read, instead of the documents')
    .option('--file <file>', 'read the filter from a file; - is standard input')
    .action((target: string, filter: string | undefined, options: QueryOptions, command: Command) =>
      action(async (context) => (await import('./command/query.ts')).queryDocuments(context, target, filter, options))(
        command,
      ),
    );
  addExamples(query, [
    `atoll query app/cities '{"country":"PT"}' --sort population:desc --limit 10`,
    `atoll query app/cities '{"population":{"$gte":1000000}}' --fields name,population --json`,
    `atoll query app/cities '{"country":"PT"}' --explain`,
  ]);
}

function addIndex(program: Command, { action }: ProgramParts): void {
  const index = program.command('index').description('indexes of a collection');
  addExamples(index, [
    'atoll index create app/cities by-country country population:desc',
    'atoll index ls app/cities',
    'atoll index rm app/cities by-country --yes',
  ]);
  index
    .command('create <db/collection> <name> <paths...>')
    .description('define an index over one or more paths, as in: country population:desc')
    .option('--sparse', 'leave out documents that have none of the paths')
    .option('--no-wait', 'return at once, not when the node has built it')
    .action(
      (target: string, name: string, paths: string[], options: indexCommands.IndexCreateOptions, command: Command) =>
        action(async (context) => (await loadIndex()).createIndex(context, target, name, paths, options))(command),
    );
  index
    .command('ls <db/collection>')
    .description('list indexes and how far the node has got with them')
    .action((target: string, _: object, command: Command) =>
      action(async (context) => (await loadIndex()).listIndexes(context, target))(command),
    );
  index
    .command('rm <db/collection> <name>')
    .description('drop an index on every node')
    .action((target: string, name: string, _: object, command: Command) =>
      action(async (context) => (await loadIndex()).removeIndex(context, target, name))(command),
    );
}

function addWatch(program: Command, { action }: ProgramParts): void {
  const watch = program
    .command('watch <db[/collection]>')
    .description('follow changes, one line each; goes on from another node when one goes away')
    .option('--since <cursor>', '"now", "start" for all documents first, or the cursor of a change', 'now')
    .option('--doc', 'with the documents')
    .option('--conflicts', 'with values that lost against concurrent writes')
    .option('--only-conflicts', 'only documents that have such values')
    .option('--once', 'end when everything there is has been shown')
    .option('--limit <count>', 'end after so many; 0 = never', wholeNumber(0), 0)
    .action((target: string, options: WatchOptions, command: Command) =>
      action(async (context) => (await import('./command/watch.ts')).watchChanges(context, target, options))(command),
    );
  addExamples(watch, [
    'atoll watch app',
    'atoll watch app/people --doc --json | jq .doc.name',
    'atoll watch app/people --since start --once',
  ]);
}

function addBatch(program: Command, { action }: ProgramParts): void {
  const batch = program
    .command('batch <db> [writes]')
    .description('several writes, of which all happen or none: a JSON array, or one a line')
    .option('--file <file>', 'read the writes from a file; - is standard input')
    .option('--replicas <count>', 'nodes that are to have it on disk before the answer', wholeNumber(1, 1000))
    .option('--wait <seconds>', 'how long that may take', wholeNumber(0, 30))
    .action((db: string, writes: string | undefined, options: BatchOptions, command: Command) =>
      action(async (context) => (await import('./command/batch.ts')).sendBatch(context, db, writes, options))(command),
    );
  addExamples(batch, [
    `atoll batch app '[{"collection":"people","id":"ada","merge":{"city":"London"}},{"collection":"people","id":"bob","delete":true}]'`,
    'atoll batch app --file writes.ndjson --replicas 2 --wait 2',
  ]);
}

/**
 * @module
 * Owns the definitions of the commands that read and write data.
 */
import { Option, type Command } from 'commander';
import type * as conflictCommands from './command/conflict.ts';
import type * as databaseCommands from './command/database.ts';
import type * as documentCommands from './command/document.ts';
import type { ExportCommandOptions } from './command/export.ts';
import type { ImportCommandOptions } from './command/import.ts';
import { addExamples, collect, seconds, wholeNumber, type ProgramParts } from './program-part.ts';

export function addDataCommands(program: Command, parts: ProgramParts): void {
  addDatabase(program, parts);
  addCollection(program, parts);
  addDocument(program, parts);
  addImport(program, parts);
  addExport(program, parts);
}

/** Loaded when a command runs, so that `--help` and every other command start fast. */
const loadDatabase = async (): Promise<typeof databaseCommands> => import('./command/database.ts');
const loadDocument = async (): Promise<typeof documentCommands> => import('./command/document.ts');

function addDatabase(program: Command, { action }: ProgramParts): void {
  const db = program.command('db').description('databases');
  addExamples(db, ['atoll db create app', 'atoll db ls', 'atoll db info app', 'atoll db rm app --yes']);
  db.command('ls')
    .description('list databases')
    .action((_: object, command: Command) =>
      action(async (context) => (await loadDatabase()).listDatabases(context))(command),
    );
  db.command('create <db>')
    .description('create a database; no harm if it exists')
    .action((name: string, _: object, command: Command) =>
      action(async (context) => (await loadDatabase()).createDatabase(context, name))(command),
    );
  db.command('info <db>')
    .description('collections, counts, size and digest')
    .action((name: string, _: object, command: Command) =>
      action(async (context) => (await loadDatabase()).showDatabase(context, name))(command),
    );
  db.command('rm <db>')
    .description('delete a database and everything in it, on every node')
    .action((name: string, _: object, command: Command) =>
      action(async (context) => (await loadDatabase()).removeDatabase(context, name))(command),
    );
}

function addCollection(program: Command, { action }: ProgramParts): void {
  const collection = program.command('collection').description('collections of a database');
  addExamples(collection, [
    'atoll collection set app/people --type /tags=set --type /bio=text',
    'atoll collection set app/people --schema people.schema.json',
    'atoll collection ls app',
    'atoll collection rm app/people --yes',
  ]);
  collection
    .command('ls <db>')
    .description('list collections')
    .action((db: string, _: object, command: Command) =>
      action(async (context) => (await loadDatabase()).listCollections(context, db))(command),
    );
  collection
    .command('set <db/collection>')
    .description('create or configure a collection')
    .addOption(
      new Option('--delete-policy <policy>', 'what a deletion does to a concurrent update').choices([
        'update-wins',
        'delete-wins',
      ]),
    )
    .option('--type <path=type>', 'how a path merges: text, set, array or counter; may be repeated', collect)
    .option('--schema <file>', 'JSON Schema that writes must satisfy; - is standard input')
    .action((target: string, options: databaseCommands.CollectionSetOptions, command: Command) =>
      action(async (context) => (await loadDatabase()).setCollection(context, target, options))(command),
    );
  collection
    .command('info <db/collection>')
    .description('settings and counts')
    .action((target: string, _: object, command: Command) =>
      action(async (context) => (await loadDatabase()).showCollection(context, target))(command),
    );
  collection
    .command('violations <db/collection>')
    .description('documents that the schema does not allow, from before it was set or made by a merge (exit code 5)')
    .action((target: string, _: object, command: Command) =>
      action(async (context) => (await loadDatabase()).listViolations(context, target))(command),
    );
  collection
    .command('rm <db/collection>')
    .description('delete a collection and its documents, on every node')
    .action((target: string, _: object, command: Command) =>
      action(async (context) => (await loadDatabase()).removeCollection(context, target))(command),
    );
}

function addDocument(program: Command, { action }: ProgramParts): void {
  const doc = program.command('doc').description('single documents');
  addExamples(doc, [
    `atoll doc put app/people/ada '{"name":"Ada"}'`,
    'atoll doc get app/people/ada',
    `atoll doc patch app/people/ada '{"city":"London"}'`,
    `atoll doc patch --type ops app/people/ada '[{"op":"increment","path":"/visits","value":1}]'`,
    'atoll doc ls app/people --prefix a',
  ]);
  doc
    .command('get <db/collection/id>')
    .description('print a document')
    .action((target: string, _: object, command: Command) =>
      action(async (context) => (await loadDocument()).getDocument(context, target))(command),
    );
  const put = doc
    .command('put <db/collection/id> [json]')
    .description('write a document; without an id the node makes one. JSON from the argument, --file or standard input')
    .option('--if-new', 'only if the document does not exist');
  addWriteOptions(put).action(
    (target: string, json: string | undefined, options: documentCommands.WriteOptions, command: Command) =>
      action(async (context) => (await loadDocument()).putDocument(context, target, json, options))(command),
  );
  const patch = doc
    .command('patch <db/collection/id> [json]')
    .description('change a document; JSON from the argument, --file or standard input')
    .addOption(
      new Option('--type <type>', 'merge (RFC 7396), json (RFC 6902) or ops (intents)')
        .choices(['merge', 'json', 'ops'])
        .default('merge'),
    );
  addWriteOptions(patch).action(
    (target: string, json: string | undefined, options: documentCommands.PatchOptions, command: Command) =>
      action(async (context) => (await loadDocument()).patchDocument(context, target, json, options))(command),
  );
  doc
    .command('rm <db/collection/id>')
    .description('delete a document')
    .option('--if-match <etag>', 'only if this is still its version')
    .action((target: string, options: documentCommands.WriteOptions, command: Command) =>
      action(async (context) => (await loadDocument()).removeDocument(context, target, options))(command),
    );
  addConflicts(doc, { action });
  doc
    .command('ls <db/collection>')
    .description('list documents in the order of their ids')
    .option('--prefix <text>', 'only ids that start with this')
    .option('--fields <names>', 'only these fields, separated by commas')
    .option('--limit <count>', 'how many; 0 = all', wholeNumber(0), 100)
    .action((target: string, options: documentCommands.ListOptions, command: Command) =>
      action(async (context) => (await loadDocument()).listDocuments(context, target, options))(command),
    );
}

function addConflicts(doc: Command, { action }: ProgramParts): void {
  doc
    .command('history <db/collection/id>')
    .description('recent writes of a document, newest first: when, on which node, at which paths')
    .option('--limit <count>', 'how many; 0 = all that is known', wholeNumber(0), 20)
    .action((target: string, options: { limit: number }, command: Command) =>
      action(async (context) => (await import('./command/history.ts')).showHistory(context, target, options))(command),
    );
  const load = async (): Promise<typeof conflictCommands> => import('./command/conflict.ts');
  doc
    .command('conflicts <db/collection[/id]>')
    .description('values that lost against concurrent writes; of a collection, the documents that have some')
    .action((target: string, _: object, command: Command) =>
      action(async (context) => (await load()).showConflicts(context, target))(command),
    );
  const resolve = doc
    .command('resolve <db/collection/id> [path]')
    .description('settle the conflict at a path, or with --keep and no path all of them')
    .option('--keep', 'what is shown stays')
    .option('--restore <number>', 'the losing value with this number in: atoll doc conflicts', wholeNumber(1))
    .option('--value <json>', 'another value')
    .option('--if-match <etag>', 'only if this is still the version of the document')
    .action((target: string, path: string | undefined, options: conflictCommands.ResolveOptions, command: Command) =>
      action(async (context) => (await load()).resolveConflict(context, target, path, options))(command),
    );
  addExamples(resolve, [
    'atoll doc resolve app/people/ada /city --restore 1',
    `atoll doc resolve app/people/ada /city --value '"London"'`,
    'atoll doc resolve app/people/ada --keep',
  ]);
}

function addWriteOptions(command: Command): Command {
  return command
    .option('--file <file>', 'read the JSON from a file; - is standard input')
    .option('--if-match <etag>', 'only if this is still its version');
}

function addImport(program: Command, { action }: ProgramParts): void {
  const command = program
    .command('import <file> <db/collection>')
    .description(
      'write documents from newline-delimited JSON or a JSON array of any size; - is standard input. Interrupted, it continues when run again',
    )
    .option('--id <field>', 'field that holds the id (default: _id, else id, else an id is made)')
    .option('--drop-id', 'take the id field out of the documents (_id always is)')
    .addOption(new Option('--format <format>', 'default: told by the first character').choices(['ndjson', 'array']))
    .option('--resume <file>', 'journal of what is done (default: FILE.atoll-import, beside the input)')
    .option('--no-resume', 'keep no journal')
    .option('--batch <count>', 'documents per request', wholeNumber(1, 10_000), 500)
    .option('--parallel <count>', 'requests in flight', wholeNumber(1, 64), 4)
    .option('--retry <seconds>', 'how long to go on trying while no node answers', seconds, 30)
    .option('--errors-max <count>', 'stop after so many refused documents; 0 = never', wholeNumber(0), 100)
    .action((file: string, target: string, options: ImportCommandOptions, self: Command) =>
      action(async (context) => (await import('./command/import.ts')).importFile(context, file, target, options))(self),
    );
  addExamples(command, [
    'atoll import people.ndjson app/people',
    'atoll import cities.json app/cities --id name',
    'zcat big.ndjson.gz | atoll import - app/events',
  ]);
}

function addExport(program: Command, { action }: ProgramParts): void {
  const command = program
    .command('export <db/collection> [file]')
    .description('write all documents to a file or standard output')
    .option('--id <field>', 'field that carries the id', '_id')
    .addOption(
      new Option('--format <format>', 'default: array for a file that ends with .json, else ndjson').choices([
        'ndjson',
        'array',
      ]),
    )
    .option('--prefix <text>', 'only ids that start with this')
    .action((target: string, file: string | undefined, options: ExportCommandOptions, self: Command) =>
      action(async (context) => (await import('./command/export.ts')).exportCollection(context, target, file, options))(
        self,
      ),
    );
  addExamples(command, ['atoll export app/people people.ndjson', 'atoll export app/people | jq .name']);
}

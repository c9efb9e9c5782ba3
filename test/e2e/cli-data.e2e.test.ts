import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { AtollClient, type JsonObject } from '../../cli/client.ts';
import { freePort } from '../helper/port.ts';
import { BIN, cli, endOf, eventually, Leftovers, spawnCli, type CliEnd } from './cli-process.ts';

const COUNT = 5_000;
const leftovers = new Leftovers();
let node: Awaited<ReturnType<Leftovers['startNode']>>;
let directory: string;
let client: AtollClient;

beforeAll(async () => {
  directory = await leftovers.directory();
  node = await leftovers.startNode();
  client = new AtollClient({ endpoints: node.url });
  await client.database('app').create();
});
afterAll(async () => leftovers.clear());

const run = async (...args: string[]): Promise<CliEnd> => cli([...args, '--url', node.url]);

function documents(count: number): JsonObject[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `d${String(index).padStart(6, '0')}`,
    name: `Zoë "${index}" \\ [},]`,
    tags: ['a', 'b', { deep: [index] }],
    price: index / 7,
  }));
}

async function readAll(collection: string): Promise<Map<string, JsonObject>> {
  const found = new Map<string, JsonObject>();
  for await (const { id, doc } of client.database('app').collection(collection).list({ limit: 500 }))
    found.set(id, doc);
  return found;
}

function expectAll(found: ReadonlyMap<string, JsonObject>, expected: readonly JsonObject[]): void {
  expect(found.size).toBe(expected.length);
  for (const document of expected) expect(found.get(document['id'] as string)).toEqual(document);
}

test('[CL10] 5,000 documents are imported from lines and from a JSON array, and are equal', async () => {
  const all = documents(COUNT);
  const lines = join(directory, 'all.ndjson');
  const array = join(directory, 'all.json');
  await writeFile(lines, all.map((document) => JSON.stringify(document)).join('\n'));
  await writeFile(array, JSON.stringify(all, null, 2));
  for (const [file, collection] of [
    [lines, 'lines'],
    [array, 'array'],
  ] as const) {
    const end = await run('import', file, `app/${collection}`, '--json', '--quiet');
    expect(end.stderr).toBe('');
    expect(JSON.parse(end.stdout)).toMatchObject({ target: `app/${collection}`, imported: COUNT, refused: 0 });
    expect(end.code).toBe(0);
    expectAll(await readAll(collection), all);
    expect(existsSync(`${file}.atoll-import`)).toBe(false);
  }
});

test('[CL13] importing the same input again changes nothing', async () => {
  const before = await client.database('app').digest();
  expect((await run('import', join(directory, 'all.ndjson'), 'app/lines')).code).toBe(0);
  expect((await client.database('app').digest()).digest).toBe(before.digest);
});

test('[CL14] an import killed in the middle continues behind what was acknowledged', async () => {
  const all = documents(COUNT);
  const file = join(directory, 'killed.json');
  await writeFile(file, JSON.stringify(all));
  const journal = `${file}.atoll-import`;
  const args = ['import', file, 'app/killed', '--batch', '20', '--parallel', '1', '--url', node.url];
  const first = spawnCli(args);
  const ended = endOf(first);
  await eventually(
    async () =>
      existsSync(journal) && (JSON.parse(await readFile(journal, 'utf8')) as { imported: number }).imported > 0,
  );
  first.kill('SIGKILL');
  expect(await ended).toMatchObject({ signal: 'SIGKILL' });
  const { imported } = JSON.parse(await readFile(journal, 'utf8')) as { imported: number };
  expect(imported).toBeLessThan(COUNT);
  const elsewhere = await run('import', file, 'app/other');
  expect(elsewhere.stderr).toMatch(/belongs to an import into app\/killed/);
  const second = await cli(args);
  expect(second.code).toBe(0);
  expect(second.stderr).toContain('continuing after element');
  expect(second.stdout).toContain('5,000 documents imported into app/killed');
  expectAll(await readAll('killed'), all);
  expect(existsSync(journal)).toBe(false);
});

test('[CL14] a termination signal stops an import in good order, and an input that changed is not continued', async () => {
  const file = join(directory, 'interrupted.ndjson');
  await writeFile(
    file,
    documents(COUNT)
      .map((document) => JSON.stringify(document))
      .join('\n'),
  );
  const child = spawnCli(['import', file, 'app/interrupted', '--batch', '20', '--parallel', '1', '--url', node.url]);
  const ended = endOf(child);
  await eventually(async () => existsSync(`${file}.atoll-import`));
  child.kill('SIGTERM');
  const end = await ended;
  expect(end.code).toBe(1);
  expect(end.stderr).toMatch(/interrupted; [\d,]+ documents are imported.*\n.*run the same command again/);
  await truncate(file, (await stat(file)).size - 10);
  expect((await run('import', file, 'app/interrupted')).stderr).toMatch(/has changed since the import/);
});

test('[CL14] an import that waits for its standard input can be stopped', async () => {
  const child = spawnCli(['import', '-', 'app/waiting', '--batch', '1', '--url', node.url]);
  const ended = endOf(child);
  child.stdin?.write('{"id":"a"}\n{"id":"b"}\n');
  await eventually(async () => (await client.database('app').collection('waiting').get('a')) !== null);
  child.kill('SIGINT');
  expect(await ended).toMatchObject({ code: 1, stderr: expect.stringContaining('interrupted') });
});

test('[CL15] an import goes on when the node is away for a while', async () => {
  const data = await leftovers.directory();
  const listen = ['--listen', `127.0.0.1:${await freePort()}`];
  let other = await leftovers.startNode(listen, data);
  await new AtollClient({ endpoints: other.url }).database('app').create();
  const all = documents(COUNT);
  const file = join(directory, 'away.ndjson');
  await writeFile(file, all.map((document) => JSON.stringify(document)).join('\n'));
  const importing = cli(['import', file, 'app/away', '--batch', '50', '--url', other.url]);
  await eventually(async () => existsSync(`${file}.atoll-import`));
  await other.stop('SIGKILL');
  other = await leftovers.startNode(listen, data);
  const end = await importing;
  expect(end.stderr).toContain('trying again');
  expect(end.code).toBe(0);
  expect((await new AtollClient({ endpoints: other.url }).database('app').info()).documents).toBe(COUNT);
});

test('[CL11] lines over the limit, broken lines and documents the node refuses are told by line; the rest is imported', async () => {
  const { bulkLineBytes } = await client.limits();
  const file = join(directory, 'bad.ndjson');
  const deep = `{"id":"deep","a":${'['.repeat(200)}${']'.repeat(200)}}`;
  const large = `{"id":"large","x":"${'y'.repeat(bulkLineBytes)}"}`;
  await writeFile(file, ['{"id":"one"}', '{"id":', large, deep, '{"id":"dup","a":1,"a":2}', '{"id":"two"}'].join('\n'));
  const end = await run('import', file, 'app/bad');
  expect(end.code).toBe(5);
  expect(end.stdout).toMatch(/^2 documents imported into app\/bad, 4 refused/);
  expect(end.stderr).toMatch(/document 2, line 2: not valid JSON/);
  expect(end.stderr).toMatch(/document 3, line 3: [\d,]+ bytes are more than the limit of [\d,]+ bytes/);
  expect(end.stderr).toMatch(/document 4, line 4, id "deep": .*CRDT_LIMIT_EXCEEDED/);
  expect(end.stderr).toMatch(/document 5, line 5, id "dup": .*CRDT_VALUE_INVALID/);
  expect([...(await readAll('bad')).keys()]).toEqual(['one', 'two']);
  const stopped = await run('import', file, 'app/stopped', '--errors-max', '2', '--batch', '2', '--parallel', '1');
  expect(stopped.code).toBe(1);
  expect(stopped.stderr).toContain('--errors-max 2');
});

test('[CL12] an array that is cut off is an error with the last whole element, which is imported', async () => {
  const file = join(directory, 'cut.json');
  await writeFile(file, '[{"id":"a"},\n{"id":"b"},\n{"id":"c"');
  const end = await run('import', file, 'app/cut');
  expect(end.code).toBe(1);
  expect(end.stderr).toMatch(/cut off after element 2, at line 3/);
  expect([...(await readAll('cut')).keys()]).toEqual(['a', 'b']);
});

test('[CL13] documents without ids get ids that sort as the input, and stdin is an input too', async () => {
  const end = await cli(['import', '-', 'app/made', '--url', node.url], { stdin: '{"n":1}\n{"n":2}\n{"n":3}\n' });
  expect(end.stdout).toMatch(/^3 documents imported/);
  expect([...(await readAll('made')).values()]).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
});

test('[CL16] an export imported again gives equal documents, as lines and as an array', async () => {
  const odd = { id: 'odd', __proto__x: 1, deep: { é: [null, true, 1e21, ''] } };
  await client.database('app').collection('lines').put('odd/ id', odd);
  for (const name of ['out.ndjson', 'out.json']) {
    const file = join(directory, name);
    const collection = name.replace('.', '-');
    const exported = await run('export', 'app/lines', file, '--json');
    expect(JSON.parse(exported.stdout)).toEqual({ target: 'app/lines', file, documents: COUNT + 1 });
    expect((await run('import', file, `app/${collection}`)).code).toBe(0);
    expect(await readAll(collection)).toEqual(await readAll('lines'));
    expect(existsSync(`${file}.part`)).toBe(false);
  }
  const piped = await run('export', 'app/lines', '--prefix', 'odd');
  expect(JSON.parse(piped.stdout)).toEqual({ _id: 'odd/ id', ...odd });
});

test('[CL16] a document with a field of its own where the id would go is an error, and no file appears', async () => {
  await client.database('app').collection('own').put('a', { _id: 'mine' });
  const file = join(directory, 'own.ndjson');
  const end = await run('export', 'app/own', file);
  expect(end.code).toBe(1);
  expect(end.stderr).toContain('--id FIELD');
  expect(existsSync(file)).toBe(false);
  expect((await run('export', 'app/own', file, '--id', 'key')).code).toBe(0);
  expect((await run('import', file, 'app/own2', '--id', 'key', '--drop-id')).code).toBe(5 - 5);
  expect((await readAll('own2')).size).toBe(1);
});

test('[CL3] commands on documents answer with the exit codes of the contract', async () => {
  expect((await run('doc', 'put', 'app/people/ada', '{"name":"Ada"}')).code).toBe(0);
  expect((await run('doc', 'put', 'app/people/ada', '{}', '--if-new')).code).toBe(4);
  expect((await run('doc', 'put', 'app/people/ada', '{}', '--if-match', '"old"')).code).toBe(4);
  expect((await run('doc', 'get', 'app/people/nobody')).code).toBe(3);
  expect((await run('doc', 'get', 'nothing/people/ada')).code).toBe(3);
  expect((await run('doc', 'rm', 'app/people/nobody')).code).toBe(3);
  expect((await run('db', 'info', 'nothing')).code).toBe(3);
  expect((await run('doc', 'put', 'app/Wrong/ada', '{}')).code).toBe(1);
  const increment = '[{"op":"increment","path":"/visits","value":2}]';
  expect(
    (await cli(['doc', 'patch', 'app/people/ada', '--type', 'ops', '--url', node.url], { stdin: increment })).code,
  ).toBe(0);
  expect((await run('doc', 'patch', 'app/people/ada', '{"city":"London"}')).code).toBe(0);
  expect((await run('doc', 'patch', 'app/people/ada', '[{"op":"remove","path":"/name"}]', '--type', 'json')).code).toBe(
    0,
  );
  expect(JSON.parse((await run('doc', 'get', 'app/people/ada')).stdout)).toEqual({ city: 'London', visits: 2 });
  expect((await run('doc', 'conflicts', 'app/people/ada', '--json')).stdout).toBe('{"conflicts":[]}\n');
  expect((await run('doc', 'rm', 'app/people/ada')).code).toBe(0);
});

test('[CL1] every reading command writes JSON that parses with --json', async () => {
  await run('collection', 'set', 'app/typed', '--type', '/tags=set', '--delete-policy', 'delete-wins');
  const commands = [
    'db ls',
    'db info app',
    'db create app',
    'collection ls app',
    'collection info app/typed',
    'status',
    'verify',
    'doc ls app/bad --limit 1',
  ];
  for (const command of commands) {
    const end = await run(...command.split(' '), '--json');
    expect(() => JSON.parse(end.stdout) as unknown, `${command}: ${end.stdout}${end.stderr}`).not.toThrow();
    expect(end.code).toBe(0);
  }
  const info = JSON.parse((await run('collection', 'info', 'app/typed', '--json')).stdout) as object;
  expect(info).toMatchObject({ name: 'typed', deletePolicy: 'delete-wins', types: { '/tags': 'set' } });
});

test('[CL6] collections and databases are removed with --yes only', async () => {
  expect((await run('collection', 'rm', 'app/bad')).code).toBe(2);
  expect((await run('collection', 'rm', 'app/bad', '--yes')).code).toBe(0);
  expect((await readAll('bad')).size).toBe(0);
  await run('db', 'create', 'scratch');
  expect((await run('db', 'rm', 'scratch', '--yes')).code).toBe(0);
  expect((await run('db', 'info', 'scratch')).code).toBe(3);
});

test('[CL14] a pipe is imported without a journal, because it cannot be read again', async () => {
  const script = `"$0" "$1" import <(printf '{"id":"a"}\\n{"id":"b"}\\n') app/piped --url "$2"`;
  const child = spawn('bash', ['-c', script, process.execPath, BIN, node.url], { stdio: 'pipe' });
  expect(await endOf(child)).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('2 documents imported') as string,
  });
});

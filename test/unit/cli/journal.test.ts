import { mkdtemp, rm, utimes, writeFile, access } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Journal } from '../../../cli/transfer/journal.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'atoll-journal-'));
});
afterAll(async () => rm(directory, { recursive: true }));

async function input(name: string): Promise<{ file: string; path: string }> {
  const file = join(directory, name);
  await writeFile(file, '{}\n');
  return { file, path: `${file}.atoll-import` };
}

test('[CL14] a journal opened again continues at the position and with the ids of the run before', async () => {
  const { file, path } = await input('continue');
  const first = await Journal.open(path, 'app/people', file);
  await first.record({ format: 'array', position: { offset: 42, number: 7, line: 9 }, imported: 6, refused: 1 }, true);
  const second = await Journal.open(path, 'app/people', file);
  expect(second.state).toEqual(first.state);
  expect(second.state.position.offset).toBe(42);
  await second.remove();
  await expect(access(path)).rejects.toThrow();
  const third = await Journal.open(path, 'app/people', file);
  expect(third.state.position.offset).toBe(0);
  expect(third.state.run).not.toBe(first.state.run);
});

test('[CL14] a journal of another target, a changed input or another format is refused with the way out', async () => {
  const { file, path } = await input('changed');
  const position = { offset: 3, number: 1, line: 1 };
  await (await Journal.open(path, 'app/people', file)).record({ position, imported: 1 }, true);
  await expect(Journal.open(path, 'app/cities', file)).rejects.toMatchObject({
    code: 'CLI_INPUT_CHANGED',
    hint: `to start over: rm ${path}`,
  });
  await utimes(file, 1, 1);
  await expect(Journal.open(path, 'app/people', file)).rejects.toMatchObject({ code: 'CLI_INPUT_CHANGED' });
  for (const text of ['not json', '{"version":99}', '[]']) {
    await writeFile(path, text);
    await expect(Journal.open(path, 'app/people', file)).rejects.toMatchObject({ code: 'CLI_FILE' });
  }
});

test('[CL14] without a path nothing is written, and a missing input is named', async () => {
  const journal = await Journal.open(null, 'app/people', null);
  await journal.record({ imported: 5 }, true);
  expect(journal.state.imported).toBe(5);
  await expect(Journal.open(null, 'app/people', join(directory, 'nothing'))).rejects.toThrow(/nothing: no such file/);
  await expect(Journal.open(null, 'app/people', directory)).rejects.toThrow(/is a directory/);
});

test('[CL14] a journal of an import that never began does not stand in the way of another one', async () => {
  const { file, path } = await input('unbegun');
  const refused = await Journal.open(path, 'none/people', file);
  await refused.record({}, true);
  expect((await Journal.open(path, 'none/people', file)).state.run).toBe(refused.state.run);
  expect((await Journal.open(path, 'app/people', file)).state).toMatchObject({ target: 'app/people', imported: 0 });
  await utimes(file, 1, 1);
  expect((await Journal.open(path, 'none/people', file)).state.run).not.toBe(refused.state.run);
});

/**
 * @module
 * Owns the file `FORMAT` of a data directory: which version of Atoll's storage format the directory holds. A plain file, so that
 * it is read before RocksDB touches anything, and by people.
 */
import { mkdir, open, readdir, readFile, rename, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { StorageError } from '../../sync/index.ts';

const FORMAT_FILE = 'FORMAT';
const FORMAT_TEXT = 'atoll-storage 2\n';

/**
 * Creates the directory, or checks that this version can read it. Durable when resolved.
 *
 * @throws StorageError `STORAGE_FORMAT_UNSUPPORTED` when another version, or another program, wrote it.
 */
export async function claimDirectory(directory: string): Promise<void> {
  await createDirectory(directory);
  const found = await readFormat(directory);
  if (found === FORMAT_TEXT) return;
  if (found !== undefined) {
    const format = found.slice(0, 100).trim();
    throw unsupported(directory, `it has format "${format}", this version reads "${FORMAT_TEXT.trim()}"`, format);
  }
  if ((await readdir(directory)).includes('CURRENT')) {
    throw unsupported(directory, 'it holds a RocksDB database that Atoll did not write', '');
  }
  await writeFormat(directory);
}

/** Parents first. Node's own recursive mkdir never ends below a file system that takes no directories, as /proc. */
async function createDirectory(directory: string): Promise<void> {
  const create = (): Promise<string | undefined> =>
    mkdir(directory).then(
      () => undefined,
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT' || error.code === 'EEXIST') return error.code;
        throw error;
      },
    );
  if ((await create()) === 'ENOENT' && dirname(directory) !== directory) {
    await createDirectory(dirname(directory));
    await create();
  }
  if (!(await stat(directory)).isDirectory()) throw new Error(`ENOTDIR: ${directory} is no directory`);
}

async function readFormat(directory: string): Promise<string | undefined> {
  try {
    return await readFile(join(directory, FORMAT_FILE), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Through a temporary name: a crash leaves no file or a whole one. */
async function writeFormat(directory: string): Promise<void> {
  const temporary = join(directory, `${FORMAT_FILE}.new`);
  const file = await open(temporary, 'w');
  try {
    await file.writeFile(FORMAT_TEXT);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, join(directory, FORMAT_FILE));
  const folder = await open(directory, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function unsupported(directory: string, reason: string, format: string): StorageError {
  return new StorageError('STORAGE_FORMAT_UNSUPPORTED', `cannot use the data directory ${directory}: ${reason}`, {
    details: { directory, format },
  });
}

/**
 * @module
 * Owns `atoll export`: pages through a collection into a file or standard output.
 */
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { parseCollection, type CommandContext } from '../context.ts';
import { CliError } from '../exit-code.ts';
import { formatCount, formatDuration, Progress } from '../progress.ts';
import type { InputFormat } from '../transfer/element-splitter.ts';
import { encodeExport } from '../transfer/exporter.ts';

/** Documents per page asked for; the node ends a page earlier by its bytes. */
const PAGE_DOCUMENTS = 500;

export interface ExportCommandOptions {
  readonly id: string;
  readonly format?: InputFormat;
  readonly prefix?: string;
}

export async function exportCollection(
  context: CommandContext,
  target: string,
  file: string | undefined,
  options: ExportCommandOptions,
): Promise<void> {
  const { database, collection } = parseCollection(target);
  const client = context.client().database(database).collection(collection);
  const { output } = context;
  const { documents: total } = await client.info();
  const limits = await context.client().limits();
  const path = file === undefined || file === '-' ? null : file;
  const write = output.quiet || path === null ? null : (text: string): void => output.raw(text);
  const progress = new Progress({
    label: 'exporting',
    total: options.prefix === undefined ? total : null,
    write,
    redraw: output.isInteractive,
  });
  const items = client.list({
    limit: Math.min(PAGE_DOCUMENTS, limits.listItems),
    ...(options.prefix === undefined ? {} : { prefix: options.prefix }),
  });
  const format = options.format ?? (path?.endsWith('.json') === true ? 'array' : 'ndjson');
  const sink = path === null ? null : await ExportFile.open(path);
  let documents = 0;
  try {
    for await (const chunk of encodeExport(items, { format, idField: options.id })) {
      await (sink === null ? output.write(chunk.text) : sink.write(chunk.text));
      documents = chunk.documents;
      progress.update(documents, documents);
    }
    await sink?.finish();
  } catch (error) {
    await sink?.discard();
    throw error;
  } finally {
    progress.clear();
  }
  if (path === null) return;
  await output.result(
    { target, file: path, documents },
    () =>
      `${formatCount(documents)} documents of ${target} exported to ${path} in ${formatDuration(progress.elapsedMs())}`,
  );
}

/** Appears under its name only when complete, so that a cut-off export is never taken for a whole one. */
class ExportFile {
  readonly #path: string;
  readonly #handle: FileHandle;

  private constructor(path: string, handle: FileHandle) {
    this.#path = path;
    this.#handle = handle;
  }

  static async open(path: string): Promise<ExportFile> {
    try {
      return new ExportFile(path, await open(`${path}.part`, 'w'));
    } catch (error) {
      throw new CliError('CLI_FILE', `cannot write ${path}: ${(error as Error).message}`, { cause: error });
    }
  }

  async write(text: string): Promise<void> {
    await this.#handle.appendFile(text);
  }

  async finish(): Promise<void> {
    await this.#handle.sync();
    await this.#handle.close();
    await rename(`${this.#path}.part`, this.#path);
  }

  async discard(): Promise<void> {
    await this.#handle.close().catch(() => undefined);
    await rm(`${this.#path}.part`, { force: true });
  }
}

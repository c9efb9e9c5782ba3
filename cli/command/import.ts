/**
 * @module
 * Owns `atoll import`: connects input, journal, importer and progress. SPEC.md CL10–CL15.
 */
import { statSync } from 'node:fs';
import { addAbortSignal } from 'node:stream';
import type { ClientError } from '../client.ts';
import { parseCollection, type CommandContext } from '../context.ts';
import { CliError, EXIT, type ExitCode } from '../exit-code.ts';
import { formatCount, formatDuration, Progress } from '../progress.ts';
import { prepareDocument, type DocumentLine, type Refusal } from '../transfer/document-line.ts';
import { InputSyntaxError, type InputElement, type InputFormat } from '../transfer/element-splitter.ts';
import { importDocuments } from '../transfer/importer.ts';
import { openInputFile, readElements, type InputReader } from '../transfer/input.ts';
import { Journal } from '../transfer/journal.ts';

/** Refusals told one by one; the rest is only counted. */
const REFUSALS_SHOWN = 10;
/** Characters per request, soft: well under what any proxy refuses. */
const BATCH_SIZE = 512 * 1024;
const RETRY_NOTE_INTERVAL_MS = 5_000;

export interface ImportCommandOptions {
  readonly id?: string;
  readonly dropId?: boolean;
  readonly format?: InputFormat;
  readonly resume?: string | boolean;
  readonly batch: number;
  readonly parallel: number;
  readonly retry: number;
  readonly errorsMax: number;
}

export async function importFile(
  context: CommandContext,
  file: string,
  target: string,
  options: ImportCommandOptions,
): Promise<ExitCode> {
  const { database, collection } = parseCollection(target);
  const client = context.client();
  const journal = await Journal.open(journalPath(file, options), target, file === '-' ? null : file);
  const { bulkLineBytes } = await client.limits();
  const run = new ImportRun(context, journal, options);
  if (journal.state.position.number > 0) {
    context.output.message(
      `continuing after element ${formatCount(journal.state.position.number)}, as noted in ${journal.path}`,
    );
  }
  const reader = openInput(context, file, journal, options.format, bulkLineBytes, run.signal);
  await run.execute(client.database(database).collection(collection), reader, bulkLineBytes);
  return run.finish(target);
}

/** Beside the input unless told otherwise; what can be read only once, as a pipe, needs `--resume FILE`. */
function journalPath(file: string, options: ImportCommandOptions): string | null {
  if (typeof options.resume === 'string') return options.resume;
  const isPipe = file === '-' || statSync(file, { throwIfNoEntry: false })?.isFile() === false;
  return options.resume === false || isPipe ? null : `${file}.atoll-import`;
}

function openInput(
  context: CommandContext,
  file: string,
  journal: Journal,
  format: InputFormat | undefined,
  limit: number,
  signal: AbortSignal,
): InputReader {
  const { position, format: known } = journal.state;
  const choice = known ?? format;
  if (file !== '-')
    return readElements(openInputFile(file, position, signal), {
      elementBytesMax: limit,
      format: choice,
      start: position,
    });
  // Destroying the stream itself ends a read that waits for a producer that says nothing.
  const stdin = addAbortSignal(signal, context.io.stdin);
  const reader = readElements(stdin, { elementBytesMax: limit, format: choice });
  return {
    get format() {
      return reader.format;
    },
    elements: () => skip(reader.elements(), position.number),
  };
}

/** Standard input begins at its start again, so what is acknowledged is read past. */
async function* skip(
  elements: AsyncIterable<InputElement>,
  count: number,
): AsyncGenerator<InputElement, void, undefined> {
  for await (const element of elements) if (element.number > count) yield element;
}

class ImportRun {
  readonly #context: CommandContext;
  readonly #journal: Journal;
  readonly #options: ImportCommandOptions;
  readonly #progress: Progress;
  readonly #abort = new AbortController();
  readonly #startedImported: number;
  #refusedNow = 0;
  #syntaxError: CliError | null = null;
  #retryNotedAtMs: number | null = null;

  constructor(context: CommandContext, journal: Journal, options: ImportCommandOptions) {
    this.#context = context;
    this.#journal = journal;
    this.#options = options;
    this.#startedImported = journal.state.imported;
    const { output } = context;
    const { position, imported, input } = journal.state;
    const write = output.quiet ? null : (text: string): void => output.raw(text);
    this.#progress = new Progress(
      { label: 'importing', total: input?.size ?? null, write, redraw: output.isInteractive },
      position.offset,
      imported,
    );
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  async execute(
    collection: Parameters<typeof importDocuments>[1]['collection'],
    reader: InputReader,
    limit: number,
  ): Promise<void> {
    const stop = (): void => this.#abort.abort(this.#stopped('interrupted'));
    process.once('SIGINT', stop).once('SIGTERM', stop);
    try {
      await importDocuments(this.#prepare(reader, limit), {
        collection,
        batchDocuments: this.#options.batch,
        batchSize: BATCH_SIZE,
        inflightMax: this.#options.parallel,
        retryMs: this.#options.retry * 1000,
        signal: this.signal,
        onRefused: (refusal) => this.#refuse(refusal),
        onRetry: (error) => this.#noteRetry(error),
        onAcknowledged: (position, imported, refused) => this.#acknowledge(reader.format, position, imported, refused),
      });
      if (this.#syntaxError !== null) throw this.#syntaxError;
    } catch (error) {
      await this.#journal.record({}, true);
      throw this.signal.aborted ? this.signal.reason : error;
    } finally {
      this.#progress.clear();
      process.removeListener('SIGINT', stop).removeListener('SIGTERM', stop);
    }
  }

  async finish(target: string): Promise<ExitCode> {
    const { imported, refused } = this.#journal.state;
    await this.#journal.remove();
    const elapsedMs = this.#progress.elapsedMs();
    const perSecond = Math.round(((imported - this.#startedImported) / Math.max(elapsedMs, 1)) * 1000);
    const { output } = this.#context;
    if (this.#refusedNow > REFUSALS_SHOWN)
      output.warning(`${formatCount(this.#refusedNow - REFUSALS_SHOWN)} more documents were refused`);
    await output.result({ target, imported, refused, seconds: elapsedMs / 1000 }, () => {
      const counts = `${formatCount(imported)} documents imported into ${target}${refused > 0 ? `, ${formatCount(refused)} refused` : ''}`;
      return `${counts} in ${formatDuration(elapsedMs)} (${formatCount(perSecond)}/s)`;
    });
    return refused > 0 ? EXIT.degraded : EXIT.ok;
  }

  async *#prepare(reader: InputReader, limit: number): AsyncGenerator<DocumentLine | Refusal, void, undefined> {
    const rule = { field: this.#options.id, drop: this.#options.dropId === true, run: this.#journal.state.run };
    try {
      for await (const element of reader.elements()) yield prepareDocument(element, rule, limit);
    } catch (error) {
      if (!(error instanceof InputSyntaxError)) throw error;
      // What came before is whole and wanted: it is sent before the import ends with this.
      this.#syntaxError = new CliError('CLI_INPUT_INVALID', error.message, { cause: error });
    }
  }

  async #acknowledge(format: InputFormat, position: Refusal['end'], imported: number, refused: number): Promise<void> {
    const { state } = this.#journal;
    const counts = { imported: state.imported + imported, refused: state.refused + refused };
    await this.#journal.record({ format, position, ...counts });
    this.#progress.update(position.offset, counts.imported);
    const { errorsMax } = this.#options;
    if (errorsMax > 0 && this.#refusedNow >= errorsMax)
      throw this.#stopped(`${formatCount(this.#refusedNow)} documents were refused (--errors-max ${errorsMax})`);
  }

  #refuse({ number, line, id, code, message }: Refusal): void {
    this.#refusedNow += 1;
    if (this.#refusedNow > REFUSALS_SHOWN) return;
    this.#progress.clear();
    this.#context.output.warning(
      `document ${formatCount(number)}, line ${formatCount(line)}${id === null ? '' : `, id ${JSON.stringify(id)}`}: ${message} [${code}]`,
    );
  }

  #noteRetry(error: ClientError): void {
    const nowMs = performance.now();
    if (this.#retryNotedAtMs !== null && nowMs - this.#retryNotedAtMs < RETRY_NOTE_INTERVAL_MS) return;
    this.#retryNotedAtMs = nowMs;
    this.#progress.clear();
    this.#context.output.message(`${error.message}; trying again`);
  }

  /** The error of an import that can be continued. */
  #stopped(reason: string): CliError {
    const { path, state } = this.#journal;
    const message = `${reason}; ${formatCount(state.imported)} documents are imported`;
    const hint =
      path === null
        ? 'a rerun starts over, which is safe when the documents have ids'
        : 'run the same command again to continue';
    return new CliError('CLI_IMPORT_STOPPED', message, { hint });
  }
}

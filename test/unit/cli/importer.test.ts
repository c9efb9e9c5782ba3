import { expect, test } from 'vitest';
import { ClientError, type BulkAnswerLine } from '../../../cli/client.ts';
import type { DocumentLine, Refusal } from '../../../cli/transfer/document-line.ts';
import { importDocuments, type ImportOptions } from '../../../cli/transfer/importer.ts';

type WriteMany = (lines: readonly string[]) => Promise<readonly BulkAnswerLine[]>;

function documentLine(number: number, id = `d${number}`): DocumentLine {
  return {
    number,
    line: number,
    end: { offset: number * 10, number, line: number + 1 },
    id,
    text: JSON.stringify({ id, doc: { number } }),
  };
}

async function* linesOf(entries: readonly (DocumentLine | Refusal)[]): AsyncGenerator<DocumentLine | Refusal> {
  yield* entries;
}

const idsOf = (lines: readonly string[]): string[] => lines.map((line) => (JSON.parse(line) as { id: string }).id);
const ok = (lines: readonly string[]): BulkAnswerLine[] => idsOf(lines).map((id) => ({ id, status: 201, etag: '"e"' }));
const unreachable = (): ClientError => new ClientError('CLIENT_UNREACHABLE', 'gone', { retryable: true });

interface Run {
  readonly requests: string[][];
  readonly acknowledged: number[];
  readonly refused: Refusal[];
  imported: number;
  retries: number;
}

async function run(
  entries: readonly (DocumentLine | Refusal)[],
  writeMany: WriteMany,
  options: Partial<ImportOptions> = {},
): Promise<Run> {
  const result: Run = { requests: [], acknowledged: [], refused: [], imported: 0, retries: 0 };
  await importDocuments(linesOf(entries), {
    collection: {
      writeMany: async (lines) => {
        const list = [...lines] as string[];
        result.requests.push(idsOf(list));
        return writeMany(list);
      },
    },
    batchDocuments: 2,
    batchSize: 10_000,
    inflightMax: 3,
    retryMs: 5_000,
    signal: new AbortController().signal,
    onRefused: (refusal) => void result.refused.push(refusal),
    onRetry: () => void (result.retries += 1),
    onAcknowledged: async (position, imported) => {
      result.acknowledged.push(position.number);
      result.imported += imported;
    },
    ...options,
  });
  return result;
}

test('[CL15] batches are acknowledged in the order of the input, however they finish', async () => {
  const entries = Array.from({ length: 7 }, (_, index) => documentLine(index + 1));
  let batch = 0;
  const result = await run(entries, async (lines) => {
    await new Promise((resolve) => setTimeout(resolve, [20, 5, 1, 0][batch++]));
    return ok(lines);
  });
  expect(result.acknowledged).toEqual([2, 4, 6, 7]);
  expect(result.imported).toBe(7);
});

test('[CL15] a batch waits for an earlier one that writes the same id, so that the later line wins', async () => {
  let open = 0;
  let openMax = 0;
  const entries = [documentLine(1, 'a'), documentLine(2, 'b'), documentLine(3, 'b'), documentLine(4, 'c')];
  await run(entries, async (lines) => {
    openMax = Math.max(openMax, ++open);
    await new Promise((resolve) => setTimeout(resolve, 5));
    open -= 1;
    return ok(lines);
  });
  expect(openMax).toBe(1);
});

test('[CL15] while no node answers a batch is sent again, from the first line without a final answer', async () => {
  let calls = 0;
  const entries = [documentLine(1), documentLine(2)];
  const result = await run(entries, async (lines) => {
    calls += 1;
    if (calls === 1) throw unreachable();
    if (calls === 2) return ok(lines).slice(0, 1);
    if (calls === 3)
      return [
        {
          id: 'd2',
          status: 503,
          line: 1,
          error: { type: '', title: '', status: 503, detail: 'full', code: 'HTTP_DRAINING', retryable: true },
        },
      ];
    return ok(lines);
  });
  expect(result.requests).toEqual([['d1', 'd2'], ['d1', 'd2'], ['d2'], ['d2']]);
  expect(result).toMatchObject({ imported: 2, retries: 3, refused: [] });
});

test('[CL15] an error that retrying cannot cure, or that lasts too long, ends the import after noting what arrived', async () => {
  const fatal = new ClientError('HTTP_UNAUTHORIZED', 'no', { status: 401 });
  const entries = [documentLine(1), documentLine(2), documentLine(3), documentLine(4)];
  const acknowledged: number[] = [];
  const onAcknowledged = async (position: { number: number }): Promise<void> => void acknowledged.push(position.number);
  const writeMany: WriteMany = async (lines) => {
    if (idsOf(lines).includes('d3')) throw fatal;
    await new Promise((resolve) => setTimeout(resolve, 5));
    return ok(lines);
  };
  await expect(run(entries, writeMany, { onAcknowledged })).rejects.toBe(fatal);
  expect(acknowledged).toEqual([2]);
  await expect(run([documentLine(1)], async () => Promise.reject(unreachable()), { retryMs: 0 })).rejects.toMatchObject(
    { code: 'CLIENT_UNREACHABLE' },
  );
});

test('[CL11] refused documents are told with their line and do not stop the others', async () => {
  const bad: Refusal = {
    number: 2,
    line: 2,
    end: { offset: 20, number: 2, line: 3 },
    id: null,
    code: 'CLI_INPUT_INVALID',
    message: 'not JSON',
  };
  const result = await run([documentLine(1), bad, documentLine(3), documentLine(4)], async (lines) =>
    idsOf(lines).map((id, index) =>
      id === 'd4'
        ? {
            id,
            status: 400,
            line: index + 1,
            error: {
              type: '',
              title: '',
              status: 400,
              detail: 'too deep',
              code: 'CRDT_LIMIT_EXCEEDED',
              retryable: false,
            },
          }
        : { id, status: 201, etag: '"e"' },
    ),
  );
  expect(result.imported).toBe(2);
  expect(result.refused.map(({ line, code }) => [line, code])).toEqual([
    [2, 'CLI_INPUT_INVALID'],
    [4, 'CRDT_LIMIT_EXCEEDED'],
  ]);
});

test('[CL14] an interrupt ends an import that is waiting to try again', async () => {
  const abort = new AbortController();
  const writeMany: WriteMany = async () => {
    setTimeout(() => abort.abort(new Error('stop')), 5);
    throw unreachable();
  };
  await expect(run([documentLine(1)], writeMany, { signal: abort.signal })).rejects.toThrow();
});

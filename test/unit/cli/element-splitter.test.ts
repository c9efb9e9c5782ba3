import { expect, test } from 'vitest';
import { InputSyntaxError, type InputElement, type InputPosition } from '../../../cli/transfer/element-splitter.ts';
import { readElements } from '../../../cli/transfer/input.ts';

const LIMIT = 1000;

async function* chunksOf(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function split(
  text: string,
  size = 7,
  start?: { position: InputPosition; format: 'ndjson' | 'array' },
): Promise<InputElement[]> {
  const bytes = Buffer.from(text).subarray(start?.position.offset ?? 0);
  const options = { elementBytesMax: LIMIT, format: start?.format, start: start?.position };
  const elements: InputElement[] = [];
  for await (const element of readElements(chunksOf(bytes, size), options).elements()) elements.push(element);
  return elements;
}

const texts = (elements: readonly InputElement[]): (string | null)[] =>
  elements.map(({ bytes }) => (bytes === null ? null : Buffer.from(bytes).toString().trim()));

const DOCUMENTS = ['{"a":"é}]\\\\\\"[{,\\n"}', '{"b":[1,{"c":"]"}]}', '{}', '{"d":"😀 \\u00e9"}'];

test('[CL10] lines and array elements are the same documents, however the bytes arrive in chunks', async () => {
  const lines = DOCUMENTS.join('\n');
  const inputs = [
    lines,
    `${lines}\n`,
    `\n\n${DOCUMENTS.join('\r\n\r\n')}\r\n`,
    `\uFEFF${lines}`,
    `[${DOCUMENTS.join(',')}]`,
    ` \n[\n  ${DOCUMENTS.join(' ,\n  ')}\n]\n`,
    `\uFEFF[${DOCUMENTS.join(',\t')}]`,
  ];
  for (const input of inputs) {
    for (let size = 1; size <= Buffer.byteLength(input); size += 1) {
      expect(texts(await split(input, size))).toEqual(DOCUMENTS);
    }
  }
});

test('[CL10] an empty input has no documents, and scalars in an array are found as well', async () => {
  expect(await split('')).toEqual([]);
  expect(await split(' \n \n')).toEqual([]);
  expect(await split('[ ]')).toEqual([]);
  expect(texts(await split('[1, "two,]" ,null,true]', 3))).toEqual(['1', '"two,]"', 'null', 'true']);
});

test('[CL14] reading continues behind any element, with the same numbers and lines', async () => {
  for (const [format, input] of [
    ['ndjson', `${DOCUMENTS.join('\n\n')}\n`],
    ['array', `[\n${DOCUMENTS.join(',\n\n')}\n]`],
  ] as const) {
    const all = await split(input);
    for (const [index, element] of all.entries()) {
      const rest = await split(input, 5, { position: element.end, format });
      expect(rest).toEqual(all.slice(index + 1));
    }
  }
});

test('[CL11] an element over the limit is reported with its line and without its bytes, and the next ones follow', async () => {
  const large = `{"x":"${'y'.repeat(LIMIT)}"}`;
  for (const input of [`{}\n${large}\n{"a":1}`, `[{},\n${large},\n{"a":1}]`]) {
    const elements = await split(input, 64);
    expect(texts(elements)).toEqual(['{}', null, '{"a":1}']);
    expect(elements[1]).toMatchObject({ number: 2, line: 2, size: large.length });
    expect(elements[2]).toMatchObject({ number: 3, line: 3 });
  }
  const exact = `{"x":"${'y'.repeat(LIMIT - 8)}"}`;
  expect(exact.length).toBe(LIMIT);
  expect(texts(await split(exact))).toEqual([exact]);
});

test('[CL12] an array that is cut off or malformed is an error that names the last whole element and the line', async () => {
  const elements: InputElement[] = [];
  const reading = async (): Promise<void> => {
    const input = Buffer.from('[{"a":1},\n{"b":2},\n{"c"');
    for await (const element of readElements(chunksOf(input, 4), { elementBytesMax: LIMIT }).elements())
      elements.push(element);
  };
  await expect(reading()).rejects.toThrow(/cut off after element 2, at line 3/);
  expect(texts(elements)).toEqual(['{"a":1}', '{"b":2}']);
  await expect(split('[{"a":1} {"b":2}]')).rejects.toThrow(/unexpected "\{" at line 1, after element 1/);
  await expect(split('[{},]')).rejects.toThrow(InputSyntaxError);
  await expect(split('[,{}]')).rejects.toThrow(InputSyntaxError);
  await expect(split('[{}] x')).rejects.toThrow(InputSyntaxError);
});

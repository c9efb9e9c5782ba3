/** JSON text is read in two ways, by the engine where that loses nothing and by the strict reader: nobody can tell which one it was. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DEFAULT_LIMITS, parseJson, type CrdtError, type JsonValue, type Limits } from '../../crdt/index.ts';

const LIMITS: Limits = { ...DEFAULT_LIMITS, depthMax: 4, keyBytesMax: 12 };

const space = fc.constantFrom('', '', '', ' ', '\n ');
const string = fc.constantFrom('""', '"a"', '"a:b"', '"::"', String.raw`"\":"`, String.raw`"\n"`, '"ä:"', '"\\u003a"');
// Few, so that they meet in one object.
const key = fc.constantFrom('"a"', '"b"', '"a:"', '"__proto__"', '"toString"', '"0"', '"keyOfTooMany"');
const number = fc.constantFrom(
  '0',
  '-0',
  '-1',
  '1.5',
  '1e400',
  '1e15',
  '999999999999999',
  '9007199254740993',
  '1e-400',
  '01',
);

const text = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    number,
    string,
    fc.constantFrom('true', 'null', 'nul'),
    fc.array(tie('value'), { maxLength: 3 }).map((items) => `[${items.join(',')}]`),
    fc
      .array(fc.tuple(space, key, space, space, tie('value')), { maxLength: 4 })
      .map((members) => `{${members.map(([a, name, b, c, value]) => `${a}${name}${b}:${c}${value}`).join(',')}}`),
  ),
})).value;

function read(source: string, limits: Limits): JsonValue | string {
  try {
    return parseJson(new TextEncoder().encode(source), limits);
  } catch (error) {
    return `refused: ${(error as CrdtError).code}`;
  }
}

test('[CR14] text means the same whether the engine or the strict reader reads it', () => {
  fc.assert(
    fc.property(text, (source) => {
      const either = read(source, LIMITS);
      // An escaped letter in front leaves everything to the strict reader, one level deeper.
      const strict = read(`["\\u0061",${source}]`, { ...LIMITS, depthMax: LIMITS.depthMax + 1 });
      expect(either).toStrictEqual(Array.isArray(strict) ? strict[1] : strict);
    }),
    { seed: Number(process.env['SEED'] ?? 20_261_130), numRuns: Number(process.env['RUNS'] ?? 3000) },
  );
});

/**
 * @module
 * Patterns against the engine's own regular expressions, on patterns small enough for those.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PatternCostError, compilePattern } from '../../sync/pattern/pattern.ts';
import type { Pattern } from '../../sync/pattern/pattern.ts';

const atom = fc.constantFrom(
  'a',
  'b',
  '.',
  '\\d',
  '\\w',
  '\\b',
  '[ab]',
  '[^a]',
  '\\s',
  '^',
  '$',
  'é',
  '😀',
  '\\u0061',
  '[a-c1]',
  'K',
);
const { pattern } = fc.letrec<{ pattern: string; piece: string }>((tie) => ({
  piece: fc.oneof(
    { depthSize: 'small' },
    atom,
    fc
      .tuple(
        fc.constantFrom('a', '[ab]', '(?:ab|b)', '(a)', '.'),
        fc.constantFrom('*', '+', '?', '{2}', '{1,2}', '{2,}', '*?'),
      )
      .map((x) => x.join('')),
    tie('pattern').map((inner) => `(${inner})`),
  ),
  pattern: fc.oneof(
    fc.array(tie('piece'), { minLength: 1, maxLength: 4 }).map((pieces) => pieces.join('')),
    fc.tuple(tie('piece'), tie('piece')).map((x) => x.join('|')),
  ),
}));
const text = fc.string({
  unit: fc.constantFrom('a', 'b', 'A', 'c', '1', ' ', '\n', 'é', '😀', 'k', '_'),
  maxLength: 8,
});

function compiled(source: string, flags = ''): Pattern {
  const result = compilePattern(source, flags);
  if (typeof result === 'string') throw new Error(`${source}: ${result}`);
  return result;
}

test('[QU5] a pattern matches what the same regular expression matches', () => {
  fc.assert(
    fc.property(
      pattern,
      fc.constantFrom('', 'i', 's', 'm', 'im'),
      fc.array(text, { maxLength: 5 }),
      (source, flags, texts) => {
        const reference = new RegExp(source, `${flags}u`);
        const ours = compiled(source, flags);
        for (const each of texts)
          expect(ours.test(each), `/${source}/${flags} on ${JSON.stringify(each)}`).toBe(reference.test(each));
      },
    ),
    { numRuns: 3000, seed: 5 },
  );
});

test('[QU5] every text that matches begins with the prefix', () => {
  fc.assert(
    fc.property(pattern, text, (source, each) => {
      const ours = compiled(`^${source}`);
      if (ours.test(each)) expect(each.startsWith(ours.prefix)).toBe(true);
    }),
    { numRuns: 2000, seed: 6 },
  );
  expect(compiled('^New Y.*').prefix).toBe('New Y');
  expect(compiled('^ab*').prefix).toBe('a');
  expect(compiled('^ab|c').prefix).toBe('');
  expect(compiled('^ab', 'i').prefix).toBe('');
});

test('[QU5] a pattern that says only how a text begins matches what the same regular expression matches', () => {
  // Halves of surrogate pairs are no beginning of a whole one.
  const begin = fc.string({
    unit: fc.constantFrom('a', 'b', 'é', '😀', '\\ud83d', '\\ude00', '\\u0061', '\\.'),
    maxLength: 3,
  });
  fc.assert(
    fc.property(begin, fc.constantFrom('', 's', 'u'), fc.array(text, { maxLength: 5 }), (source, flags, texts) => {
      const reference = new RegExp(`^${source}`, 'u');
      const ours = compiled(`^${source}`, flags);
      expect(ours.isPrefix).toBe(true);
      for (const each of texts)
        expect(ours.test(each), `/^${source}/ on ${JSON.stringify(each)}`).toBe(reference.test(each));
    }),
    { numRuns: 2000, seed: 8 },
  );
});

test('[QU5] patterns that take other engines exponential time are answered in one pass', () => {
  for (const source of [
    '^(a+)+$',
    '^(a|a)*$',
    '(a*)*b',
    '^(([a-z])+.)+[A-Z]([a-z])+$',
    '(x+x+)+y',
    'a?'.repeat(30) + 'a'.repeat(30),
  ]) {
    expect(compiled(source).test(`${'a'.repeat(2000)}!`)).toBe(source.startsWith('a?'));
  }
  expect(compiled('(a*)*').test('')).toBe(true);
});

test('[QU5] a pattern with very many ways through a very long text is given up, and the process goes on', () => {
  const many = compiled('[^x]{0,400}y');
  expect(() => many.test('a'.repeat(1_000_000))).toThrow(PatternCostError);
  expect(many.test('a'.repeat(1000))).toBe(false);
  expect(compiled('^[^x]*y').test('a'.repeat(1_000_000))).toBe(false);
});

test('[QU5] what cannot be run in one pass is refused by name', () => {
  const faults = [
    '(?=a)',
    '(?<!a)b',
    '(a)\\1',
    '(?<n>a)',
    '\\p{L}',
    'a{2000}',
    '(((a{100}){100}){100})',
    '(((){999}){999}){999}',
    'a{2,1}',
    '(',
    ')',
    '[',
    '[b-a]',
    '*a',
    'a**',
    '\\',
    '\\q',
    `${'('.repeat(60)}a${')'.repeat(60)}`,
    'x'.repeat(513),
  ];
  for (const source of faults) expect(typeof compilePattern(source), source).toBe('string');
  expect(typeof compilePattern('a', 'g')).toBe('string');
  expect(typeof compilePattern('a', 'ii')).toBe('string');
});

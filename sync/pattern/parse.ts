/**
 * @module
 * Owns the syntax of patterns: text to tree.
 */

/** Inclusive ranges of code points, ascending. */
export type Ranges = readonly (readonly [from: number, to: number])[];

export type PatternNode =
  | { readonly kind: 'set'; readonly ranges: Ranges }
  | { readonly kind: 'assertion'; readonly what: 'start' | 'end' | 'word' | 'not-word' }
  | { readonly kind: 'sequence'; readonly nodes: readonly PatternNode[] }
  | { readonly kind: 'choice'; readonly nodes: readonly PatternNode[] }
  | { readonly kind: 'repeat'; readonly node: PatternNode; readonly min: number; readonly max: number };

const LAST = 0x10ffff;
const DEPTH_MAX = 50;
const REPEAT_MAX = 1000;
const DIGIT: Ranges = [[48, 57]];
export const WORD: Ranges = [
  [48, 57],
  [65, 90],
  [95, 95],
  [97, 122],
];
const SPACE: Ranges = [
  [9, 13],
  [32, 32],
  [160, 160],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
];
const NEWLINE: Ranges = [
  [10, 10],
  [13, 13],
  [0x2028, 0x2029],
];
const CLASSES: Readonly<Record<string, Ranges>> = {
  d: DIGIT,
  w: WORD,
  s: SPACE,
  D: invert(DIGIT),
  W: invert(WORD),
  S: invert(SPACE),
};
const CONTROLS: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, f: 12, v: 11, '0': 0 };

class PatternFault extends Error {}

/** @returns A string that says why, if the text is not a pattern. */
export function parsePattern(
  source: string,
  options: { readonly ignoreCase: boolean; readonly dotAll: boolean },
): PatternNode | string {
  try {
    return new Parser(Array.from(source), options).parse();
  } catch (error) {
    if (error instanceof PatternFault) return error.message;
    throw error;
  }
}

class Parser {
  readonly #text: readonly string[];
  readonly #any: Ranges;
  readonly #ignoreCase: boolean;
  #at = 0;
  #depth = 0;

  constructor(
    text: readonly string[],
    { ignoreCase, dotAll }: { readonly ignoreCase: boolean; readonly dotAll: boolean },
  ) {
    this.#text = text;
    this.#ignoreCase = ignoreCase;
    this.#any = dotAll ? [[0, LAST]] : invert(NEWLINE);
  }

  parse(): PatternNode {
    const node = this.#choice();
    if (this.#at < this.#text.length) throw new PatternFault('a ")" has no "("');
    return node;
  }

  get #next(): string | undefined {
    return this.#text[this.#at];
  }

  #take(expected: string): boolean {
    if (this.#next !== expected) return false;
    this.#at++;
    return true;
  }

  #choice(): PatternNode {
    if (++this.#depth > DEPTH_MAX) throw new PatternFault(`groups are nested deeper than ${DEPTH_MAX}`);
    const nodes = [this.#sequence()];
    while (this.#take('|')) nodes.push(this.#sequence());
    this.#depth--;
    return nodes.length === 1 ? nodes[0]! : { kind: 'choice', nodes };
  }

  #sequence(): PatternNode {
    const nodes: PatternNode[] = [];
    while (this.#next !== undefined && this.#next !== '|' && this.#next !== ')') nodes.push(this.#repeated());
    return nodes.length === 1 ? nodes[0]! : { kind: 'sequence', nodes };
  }

  #repeated(): PatternNode {
    const node = this.#atom();
    const [min, max] = this.#quantifier() ?? [1, 1];
    if (min === 1 && max === 1) return node;
    if (node.kind === 'assertion') throw new PatternFault('an assertion cannot be repeated');
    // Greedy or not is no difference to whether it matches.
    this.#take('?');
    if (this.#quantifier() !== null) throw new PatternFault('nothing to repeat');
    return { kind: 'repeat', node, min, max };
  }

  #quantifier(): readonly [min: number, max: number] | null {
    if (this.#take('*')) return [0, Infinity];
    if (this.#take('+')) return [1, Infinity];
    if (this.#take('?')) return [0, 1];
    if (this.#next !== '{') return null;
    const match = /^\{(\d{1,6})(?:(,)(\d{1,6})?)?\}/.exec(this.#text.slice(this.#at, this.#at + 20).join(''));
    if (match === null) return null;
    this.#at += match[0].length;
    const min = Number(match[1]);
    const max = match[2] === undefined ? min : match[3] === undefined ? Infinity : Number(match[3]);
    if (max < min) throw new PatternFault('the numbers of a {} are out of order');
    if (min > REPEAT_MAX || (max !== Infinity && max > REPEAT_MAX))
      throw new PatternFault(`something is repeated more than ${REPEAT_MAX} times`);
    return [min, max];
  }

  #atom(): PatternNode {
    const char = this.#text[this.#at++]!;
    switch (char) {
      case '^':
        return { kind: 'assertion', what: 'start' };
      case '$':
        return { kind: 'assertion', what: 'end' };
      case '.':
        return { kind: 'set', ranges: this.#any };
      case '(':
        return this.#group();
      case '[':
        return { kind: 'set', ranges: this.#class() };
      case '\\':
        return this.#escape();
      case '*':
      case '+':
      case '?':
        throw new PatternFault(`nothing to repeat before "${char}"`);
      default:
        return { kind: 'set', ranges: this.#fold([[char.codePointAt(0)!, char.codePointAt(0)!]]) };
    }
  }

  #group(): PatternNode {
    if (this.#take('?') && !this.#take(':')) {
      throw new PatternFault('groups other than ( ) and (?: ) are not supported: no lookahead, lookbehind or names');
    }
    const node = this.#choice();
    if (!this.#take(')')) throw new PatternFault('a "(" has no ")"');
    return node;
  }

  #escape(): PatternNode {
    const char = this.#next;
    if (char === 'b' || char === 'B') {
      this.#at++;
      return { kind: 'assertion', what: char === 'b' ? 'word' : 'not-word' };
    }
    return { kind: 'set', ranges: this.#fold(this.#escaped()) };
  }

  /** What follows a backslash, in a class or outside. */
  #escaped(): Ranges {
    const char = this.#text[this.#at++];
    if (char === undefined) throw new PatternFault('it ends with a backslash');
    const known = CLASSES[char];
    if (known !== undefined) return known;
    if (/[1-9]/.test(char) || char === 'k') throw new PatternFault('backreferences are not supported');
    if (char === 'p' || char === 'P') throw new PatternFault('classes of Unicode properties (\\p) are not supported');
    const control = CONTROLS[char];
    if (control !== undefined) return [[control, control]];
    if (char === 'x') return this.#hexadecimal(2);
    if (char === 'u') return this.#take('{') ? this.#braced() : this.#hexadecimal(4);
    if (/[A-Za-z]/.test(char)) throw new PatternFault(`"\\${char}" is not known`);
    const code = char.codePointAt(0)!;
    return [[code, code]];
  }

  #hexadecimal(digits: number): Ranges {
    const text = this.#text.slice(this.#at, this.#at + digits).join('');
    if (text.length < digits || !/^[0-9a-f]+$/i.test(text))
      throw new PatternFault('an escape lacks hexadecimal digits');
    this.#at += digits;
    const code = Number.parseInt(text, 16);
    return [[code, code]];
  }

  #braced(): Ranges {
    const end = this.#text.indexOf('}', this.#at);
    const text = end < 0 ? '' : this.#text.slice(this.#at, end).join('');
    const code = /^[0-9a-f]{1,8}$/i.test(text) ? Number.parseInt(text, 16) : Infinity;
    if (code > LAST) throw new PatternFault('an escape lacks hexadecimal digits');
    this.#at = end + 1;
    return [[code, code]];
  }

  #class(): Ranges {
    const isInverted = this.#take('^');
    const ranges: (readonly [number, number])[] = [];
    while (!this.#take(']')) {
      const from = this.#member();
      const isRange = this.#next === '-' && this.#text[this.#at + 1] !== ']' && this.#text[this.#at + 1] !== undefined;
      if (!isRange) {
        ranges.push(...from);
        continue;
      }
      this.#at++;
      const to = this.#member();
      const [first, last] = [from[0]?.[0], to[0]?.[0]];
      if (first === undefined || last === undefined || !isSingle(from) || !isSingle(to) || last < first)
        throw new PatternFault('a range in [] is out of order');
      ranges.push([first, last]);
    }
    const sorted = this.#fold(sort(ranges));
    return isInverted ? invert(sorted) : sorted;
  }

  #fold(ranges: Ranges): Ranges {
    return this.#ignoreCase ? bothCases(ranges) : ranges;
  }

  #member(): Ranges {
    const char = this.#text[this.#at++];
    if (char === undefined) throw new PatternFault('a "[" has no "]"');
    if (char !== '\\') return [[char.codePointAt(0)!, char.codePointAt(0)!]];
    if (this.#take('b')) return [[8, 8]];
    return this.#escaped();
  }
}

function isSingle(ranges: Ranges): boolean {
  return ranges.length === 1 && ranges[0]![0] === ranges[0]![1];
}

/** Ascending and without overlap. */
function sort(ranges: readonly (readonly [number, number])[]): Ranges {
  const result: [number, number][] = [];
  for (const [from, to] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const last = result.at(-1);
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else result.push([from, to]);
  }
  return result;
}

function invert(ranges: Ranges): Ranges {
  const result: [number, number][] = [];
  let next = 0;
  for (const [from, to] of ranges) {
    if (from > next) result.push([next, from - 1]);
    next = to + 1;
  }
  if (next <= LAST) result.push([next, LAST]);
  return result;
}

/** Characters that differ in case only, each with the other. */
let pairs: readonly (readonly [number, number])[] | null = null;

function casePairs(): readonly (readonly [number, number])[] {
  if (pairs !== null) return pairs;
  const found: (readonly [number, number])[] = [];
  for (let code = 0; code <= 0xffff; code++) {
    const char = String.fromCharCode(code);
    for (const other of [char.toLowerCase(), char.toUpperCase()]) {
      if (other !== char && other.length === 1) found.push([code, other.charCodeAt(0)], [other.charCodeAt(0), code]);
    }
  }
  return (pairs = found);
}

function bothCases(ranges: Ranges): Ranges {
  const more = [...ranges];
  for (const [code, other] of casePairs()) {
    if (ranges.some(([from, to]) => code >= from && code <= to)) more.push([other, other]);
  }
  return more.length === ranges.length ? ranges : sort(more);
}

/**
 * @module
 * Owns regular expressions that cannot take for ever: the time for a text is at most its length times PROGRAM_MAX. The syntax is
 * JavaScript's without what needs backtracking (lookaround, backreferences). Used for `$regex` and for `pattern` in schemas.
 *
 * A pattern is compiled to a small program that is run on all its ways through the text at once (Thompson 1968, Pike's machine).
 * One of plain characters only, which is most of them, is left to the engine's own regular expressions: those have one way.
 */
import { parsePattern } from './parse.ts';
import type { PatternNode } from './parse.ts';
import { PROGRAM_MAX, assemble, run } from './program.ts';

export { PatternCostError } from './program.ts';

export interface Pattern {
  readonly source: string;
  readonly flags: string;
  /** Every text that matches begins with it; empty = unknown. */
  readonly prefix: string;
  /** Every text that begins with `prefix` matches. */
  readonly isPrefix: boolean;
  /** @throws PatternCostError for a long text that the pattern has very many ways through. */
  test(text: string): boolean;
}

const SOURCE_MAX = 512;
const FLAGS = /^(?!.*(.).*\1)[imsu]*$/;

/** @returns A string that says why, if it cannot be used. */
export function compilePattern(source: string, flags: string = ''): Pattern | string {
  if (source.length > SOURCE_MAX) return `it is longer than ${SOURCE_MAX} characters`;
  if (flags !== '' && !FLAGS.test(flags)) return `the options are some of i, m, s, u`;
  const [ignoreCase, multiline] = [flags.includes('i'), flags.includes('m')];
  const node = parsePattern(source, { ignoreCase, dotAll: flags.includes('s') });
  if (typeof node === 'string') return node;
  const { prefix, isPrefix } = ignoreCase || multiline ? NO_PREFIX : prefixOf(node);
  const test = testOf(node, { source, flags, multiline, prefix: isPrefix ? prefix : null });
  if (test === null) return `it is too complex: more than ${PROGRAM_MAX} steps with its repetitions written out`;
  return { source, flags, prefix, isPrefix, test };
}

interface Parsed {
  readonly source: string;
  readonly flags: string;
  readonly multiline: boolean;
  /** All that the pattern says; null = it says something else. */
  readonly prefix: string | null;
}

/** Null when it is too complex. */
function testOf(node: PatternNode, { source, flags, multiline, prefix }: Parsed): Pattern['test'] | null {
  // Half a surrogate pair is no beginning of a whole one.
  if (prefix?.isWellFormed()) return (text) => text.startsWith(prefix);
  const native = isStraight(node) ? toNative(source, flags) : null;
  if (native !== null) return (text) => native.test(text);
  const program = assemble(node, multiline);
  return program === null ? null : (text) => run(program, text);
}

function toNative(source: string, flags: string): RegExp | null {
  try {
    return new RegExp(source, flags.includes('u') ? flags : `${flags}u`);
  } catch {
    // What only the older syntax allows is run here.
    return null;
  }
}

/** One character after another, without choice or repetition. */
function isStraight(node: PatternNode): boolean {
  if (node.kind === 'sequence') return node.nodes.every((each) => each.kind === 'set' || each.kind === 'assertion');
  return node.kind === 'set' || node.kind === 'assertion';
}

const NO_PREFIX = { prefix: '', isPrefix: false };

function prefixOf(node: PatternNode): Pick<Pattern, 'prefix' | 'isPrefix'> {
  const nodes = node.kind === 'sequence' ? node.nodes : [node];
  const [first, ...others] = nodes;
  if (first?.kind !== 'assertion' || first.what !== 'start') return NO_PREFIX;
  let prefix = '';
  for (const each of others) {
    if (each.kind !== 'set' || each.ranges.length !== 1 || each.ranges[0]![0] !== each.ranges[0]![1])
      return { prefix, isPrefix: false };
    prefix += String.fromCodePoint(each.ranges[0]![0]);
  }
  return { prefix, isPrefix: true };
}

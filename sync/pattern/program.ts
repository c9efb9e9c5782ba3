/**
 * @module
 * Owns patterns as programs, and running them: the set of all places in the program that the text so far can lead to moves through the
 * text once. No way is taken twice at one position, so the time is bounded by the length of both.
 */
import { WORD } from './parse.ts';
import type { PatternNode, Ranges } from './parse.ts';

export const PROGRAM_MAX = 1000;
/** Steps taken for one text: a fraction of a second. Patterns that have few ways through a text need far fewer. */
const WORK_MAX = 10_000_000;

/** The text is too long for the pattern. */
export class PatternCostError extends Error {}

type Step =
  | { readonly kind: 'set'; readonly ranges: Ranges }
  | { readonly kind: 'assertion'; readonly what: 'start' | 'end' | 'word' | 'not-word' }
  | Fork
  | { readonly kind: 'match' };

export interface Program {
  readonly steps: readonly Step[];
  readonly multiline: boolean;
}

class TooLong extends Error {}

interface Fork {
  readonly kind: 'split';
  first: number;
  second: number;
}

/** Null when it would have more than PROGRAM_MAX steps. */
export function assemble(node: PatternNode, multiline: boolean): Program | null {
  try {
    return { steps: new Assembler().assemble(node), multiline };
  } catch (error) {
    if (error instanceof TooLong) return null;
    throw error;
  }
}

class Assembler {
  readonly #steps: Step[] = [];
  /** Also what leaves no step, repeated often enough, takes time. */
  #visits = 0;

  assemble(node: PatternNode): readonly Step[] {
    this.#emit(node);
    this.#add({ kind: 'match' });
    return this.#steps;
  }

  #emit(node: PatternNode): void {
    if (++this.#visits > 4 * PROGRAM_MAX) throw new TooLong();
    if (node.kind === 'sequence') for (const part of node.nodes) this.#emit(part);
    else if (node.kind === 'choice') this.#emitChoice(node.nodes);
    else if (node.kind === 'repeat') this.#emitRepeat(node.node, node.min, node.max);
    else this.#add(node);
  }

  #emitChoice(nodes: readonly PatternNode[]): void {
    const ends: Fork[] = [];
    for (const option of nodes.slice(0, -1)) {
      const fork = this.#fork();
      this.#emit(option);
      ends.push(this.#fork());
      fork.second = this.#steps.length;
    }
    this.#emit(nodes.at(-1)!);
    for (const end of ends) end.first = end.second = this.#steps.length;
  }

  #emitRepeat(body: PatternNode, min: number, max: number): void {
    for (let i = 0; i < min; i++) this.#emit(body);
    if (max === Infinity) {
      const start = this.#steps.length;
      const fork = this.#fork();
      this.#emit(body);
      const back = this.#fork();
      back.first = back.second = start;
      fork.second = this.#steps.length;
      return;
    }
    const forks: Fork[] = [];
    for (let i = min; i < max; i++) {
      forks.push(this.#fork());
      this.#emit(body);
    }
    for (const fork of forks) fork.second = this.#steps.length;
  }

  /** Two ways: to what follows, and to what is filled in later. */
  #fork(): Fork {
    const fork: Fork = { kind: 'split', first: this.#steps.length + 1, second: 0 };
    this.#add(fork);
    return fork;
  }

  #add(step: Step): void {
    if (this.#steps.length >= PROGRAM_MAX) throw new TooLong();
    this.#steps.push(step);
  }
}

/** Does the pattern match anywhere in the text? */
export function run({ steps, multiline }: Program, text: string): boolean {
  /** Sets that wait for the next character. */
  let now: number[] = [];
  /** Position at which a step was last added. */
  const seen = new Int32Array(steps.length).fill(-1);
  const stack: number[] = [];
  let before = -1;
  let work = 0;
  for (let at = 0; ; at += before > 0xffff ? 2 : 1) {
    const code = at < text.length ? text.codePointAt(at)! : -1;
    for (const place of now) stack.push(place);
    // A match may begin here.
    stack.push(0);
    now = [];
    while (stack.length > 0) {
      const place = stack.pop()!;
      if (seen[place] === at) continue;
      seen[place] = at;
      work++;
      const step = steps[place]!;
      if (step.kind === 'match') return true;
      if (step.kind === 'split') stack.push(step.first, step.second);
      else if (step.kind === 'assertion') {
        if (holds(step.what, before, code, multiline)) stack.push(place + 1);
      } else if (code !== -1 && contains(step.ranges, code)) now.push(place + 1);
    }
    if (code === -1) return false;
    if (work > WORK_MAX) throw new PatternCostError(`more than ${WORK_MAX} steps`);
    before = code;
  }
}

function holds(what: string, before: number, code: number, multiline: boolean): boolean {
  if (what === 'start') return before === -1 || (multiline && isNewline(before));
  if (what === 'end') return code === -1 || (multiline && isNewline(code));
  const isEdge = (before !== -1 && contains(WORD, before)) !== (code !== -1 && contains(WORD, code));
  return isEdge === (what === 'word');
}

function isNewline(code: number): boolean {
  return code === 10 || code === 13 || code === 0x2028 || code === 0x2029;
}

function contains(ranges: Ranges, code: number): boolean {
  for (const [from, to] of ranges) {
    if (code < from) return false;
    if (code <= to) return true;
  }
  return false;
}

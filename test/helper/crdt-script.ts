/**
 * @module
 * Owns random scripts for replicas of a document: steps of plain numbers, which choose writes against what a replica shows when
 * the step runs. Numbers shrink well.
 */
import fc from 'fast-check';
import type { Change, JsonValue } from '../../crdt/index.ts';

/** Defaults of every property test here; SEED and RUNS override them. */
export function runParameters(numRuns: number): { seed: number; numRuns: number } {
  return { seed: Number(process.env['SEED'] ?? 20_260_801), numRuns: Number(process.env['RUNS'] ?? numRuns) };
}

/** One step: who, what, and numbers that choose paths and values. */
export interface Step {
  readonly who: number;
  readonly what: number;
  readonly choices: readonly number[];
}

export function steps(length: number): fc.Arbitrary<Step[]> {
  return fc.array(
    fc.record({ who: fc.nat(4), what: fc.nat(99), choices: fc.array(fc.nat(1000), { minLength: 12, maxLength: 12 }) }),
    { minLength: 1, maxLength: length },
  );
}

/** Hands out numbers of a step, then zeros. */
export class Choices {
  readonly #numbers: readonly number[];
  #index = 0;
  constructor(numbers: readonly number[]) {
    this.#numbers = numbers;
  }
  next(below: number): number {
    return (this.#numbers[this.#index++] ?? 0) % below;
  }
}

const KEYS = ['a', 'b', 'c', '', '~/', '__proto__'];
let unique = 0;

/** Starts the numbering of written values again, so that a run depends on its script only. */
export function restartNumbers(): void {
  unique = 0;
}

function chooseValue(choices: Choices, depth: number): JsonValue {
  const kind = choices.next(depth > 2 ? 4 : 8);
  if (kind === 0) return `s${unique++}`;
  if (kind <= 2) return unique++;
  if (kind === 3) return choices.next(2) === 0 ? null : true;
  if (kind <= 5) return Array.from({ length: choices.next(4) }, () => chooseValue(choices, depth + 1));
  return chooseObject(choices, depth + 1);
}

function chooseObject(choices: Choices, depth: number): Record<string, JsonValue> {
  const object = Object.create(null) as Record<string, JsonValue>;
  for (let count = choices.next(4); count > 0; count--)
    object[KEYS[choices.next(KEYS.length)] as string] = chooseValue(choices, depth + 1);
  return object;
}

/** Walks down a value by choice and returns the pointer reached. */
function choosePath(choices: Choices, value: JsonValue, canCreate: boolean): string {
  let path = '';
  let at: JsonValue | undefined = value;
  for (let depth = 0; depth < 4; depth++) {
    if (at === null || typeof at !== 'object') break;
    if (depth > 0 && choices.next(4) === 0) break;
    if (Array.isArray(at)) {
      const index = choices.next(at.length + 1);
      if (index === at.length) return canCreate ? `${path}/${choices.next(2) === 0 ? '-' : index}` : path;
      path += `/${index}`;
      at = at[index] as JsonValue;
    } else {
      const existing = Object.keys(at);
      const pool = canCreate ? KEYS : existing;
      if (pool.length === 0) break;
      const key = pool[choices.next(pool.length)] as string;
      path += `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
      at = (at as Record<string, JsonValue>)[key];
    }
  }
  return path;
}

export function chooseChange(what: number, choices: Choices, json: string): Change {
  const value = (json === '' ? {} : JSON.parse(json)) as JsonValue;
  if (what < 12) return { kind: 'replace', value: mutate(value, choices) as never };
  if (what < 16) return { kind: 'replace', value: chooseObject(choices, 0) };
  if (what < 36) return { kind: 'merge-patch', patch: chooseObject(choices, 0) };
  if (what < 40) return { kind: 'delete' };
  if (what < 66)
    return {
      kind: 'json-patch',
      operations: Array.from({ length: 1 + choices.next(2) }, () => chooseOperation(choices, value)) as never,
    };
  return {
    kind: 'operations',
    operations: Array.from({ length: 1 + choices.next(2) }, () => chooseIntent(choices, value)) as never,
  };
}

/** A small edit of a whole document, as a client that gets, edits and puts makes it. */
function mutate(value: JsonValue, choices: Choices): JsonValue {
  if (value === null || typeof value !== 'object' || choices.next(5) === 0) return chooseValue(choices, 1);
  if (Array.isArray(value)) {
    const copy = [...value];
    const index = choices.next(copy.length + 1);
    const kind = choices.next(3);
    if (kind === 0) copy.splice(index, 0, chooseValue(choices, 2));
    else if (kind === 1) copy.splice(index, 1);
    else if (index < copy.length) copy[index] = mutate(copy[index] as JsonValue, choices);
    return copy;
  }
  const copy: Record<string, JsonValue> = Object.assign(Object.create(null) as Record<string, JsonValue>, value);
  const key = KEYS[choices.next(KEYS.length)] as string;
  if (choices.next(4) === 0) delete copy[key];
  else copy[key] = mutate(copy[key] ?? null, choices);
  return copy;
}

function chooseOperation(choices: Choices, value: JsonValue): object {
  const op = (['add', 'add', 'replace', 'replace', 'remove', 'move', 'move', 'copy'] as const)[
    choices.next(8)
  ] as string;
  const path = choosePath(choices, value, op !== 'remove' && op !== 'replace');
  if (op === 'remove') return { op, path };
  if (op === 'move' || op === 'copy') {
    const parent = path.slice(0, path.lastIndexOf('/'));
    // Half the time within one parent, which for arrays is a real move.
    const from = choices.next(2) === 0 ? `${parent}/${choices.next(3)}` : choosePath(choices, value, false);
    return { op, path, from };
  }
  return { op, path, value: chooseValue(choices, 1) };
}

function chooseIntent(choices: Choices, value: JsonValue): object {
  const path = choosePath(choices, value, true) || '/a';
  switch (choices.next(11)) {
    case 0:
    case 1:
      return { op: 'increment', path, value: choices.next(20) - 8 };
    case 2:
      return { op: 'append', path, value: chooseValue(choices, 2) };
    case 3:
      return { op: 'insert', path, index: choices.next(3), value: chooseValue(choices, 2) };
    case 4:
      return { op: 'remove', path, index: choices.next(3) };
    case 5:
    case 6:
      return { op: 'move', path, from: choices.next(4), to: choices.next(4) };
    case 7:
      return { op: 'set-add', path, value: choices.next(4) };
    case 8:
      return { op: 'set-remove', path, value: choices.next(4) };
    case 9:
      return { op: 'text-insert', path, index: choices.next(3), value: `t${unique++}` };
    default:
      return { op: 'text-delete', path, index: choices.next(2), length: choices.next(3) };
  }
}

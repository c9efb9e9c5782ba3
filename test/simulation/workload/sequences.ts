/**
 * @module
 * Owns the sequence workloads: arrays that grow and whose elements move, and texts. Every element is unique, so each
 * acknowledged one must be there exactly once; appends keep the order in which clients saw them (CR5, CR7).
 */
import type { JsonValue } from '../../../crdt/index.ts';
import type { Attempt } from '../history.ts';
import { isAcknowledged, isDefinitelyBefore } from '../history.ts';
import { checkElements, describe, operations } from './workload.ts';
import type { Client, FinalState, Workload } from './workload.ts';

const LISTS = 'lists';
const MOVES = 'moves';
const TEXTS = 'texts';
/** First of 20,000 assigned characters outside the surrogates: one per write. */
const FIRST_CHARACTER = 0x4e00;
const CHARACTERS = 20_000;

export class ListWorkload implements Workload {
  readonly name = 'lists';

  async step(client: Client): Promise<void> {
    const { random, unique: value } = client;
    const document = `l${random.int(0, 1)}`;
    if (random.chance(0.25)) {
      const list = (await client.read(LISTS, document))?.['list'];
      const index = Array.isArray(list) ? random.int(0, list.length) : 0;
      await client.write(LISTS, document, operations({ op: 'insert', path: '/list', index, value }), value);
      return;
    }
    await client.write(LISTS, document, operations({ op: 'append', path: '/list', value }), value);
  }

  check(final: FinalState): string[] {
    const problems: string[] = [];
    for (const [key, attempts] of final.attempts(LISTS)) {
      const list = (final.documents.get(key)?.['list'] ?? []) as readonly JsonValue[];
      problems.push(...checkElements(key, attempts, list), ...checkOrder(key, attempts, list));
    }
    return problems;
  }
}

function checkOrder(key: string, attempts: readonly Attempt[], list: readonly JsonValue[]): string[] {
  const appends = attempts.filter(
    (attempt) =>
      isAcknowledged(attempt) && attempt.change.kind === 'operations' && attempt.change.operations[0]?.op === 'append',
  );
  const positions = new Map(list.map((value, index) => [value, index]));
  const problems: string[] = [];
  for (const a of appends) {
    for (const b of appends) {
      if (!isDefinitelyBefore(a, b) || (positions.get(a.tag) ?? -1) < (positions.get(b.tag) ?? Infinity)) continue;
      problems.push(`${key}: ${describe(b)} was appended after ${describe(a)} and stands before it`);
    }
  }
  return problems;
}

export class MoveWorkload implements Workload {
  readonly name = 'moves';

  async step(client: Client): Promise<void> {
    const { random, unique: value } = client;
    const document = `m${random.int(0, 1)}`;
    const list = (await client.read(MOVES, document))?.['list'];
    if (Array.isArray(list) && list.length > 1 && random.chance(0.6)) {
      const from = random.int(0, list.length - 1);
      const to = random.int(0, list.length - 1);
      await client.write(MOVES, document, operations({ op: 'move', path: '/list', from, to }), 'move');
      return;
    }
    await client.write(MOVES, document, operations({ op: 'append', path: '/list', value }), value);
  }

  check(final: FinalState): string[] {
    return [...final.attempts(MOVES)].flatMap(([key, attempts]) => {
      const list = (final.documents.get(key)?.['list'] ?? []) as readonly JsonValue[];
      return checkElements(
        key,
        attempts.filter(({ tag }) => tag !== 'move'),
        list,
      );
    });
  }
}

export class TextWorkload implements Workload {
  readonly name = 'texts';

  async step(client: Client): Promise<void> {
    const { random } = client;
    const document = `t${random.int(0, 1)}`;
    const value = String.fromCharCode(FIRST_CHARACTER + (client.unique % CHARACTERS));
    const text = (await client.read(TEXTS, document))?.['text'];
    const index = typeof text === 'string' ? random.int(0, text.length) : 0;
    await client.write(TEXTS, document, operations({ op: 'text-insert', path: '/text', index, value }), value);
  }

  check(final: FinalState): string[] {
    return [...final.attempts(TEXTS)].flatMap(([key, attempts]) =>
      checkElements(key, attempts, [...String(final.documents.get(key)?.['text'] ?? '')]),
    );
  }
}

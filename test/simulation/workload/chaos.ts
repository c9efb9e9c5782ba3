/**
 * @module
 * Owns the chaos workload: every kind of change, on a few hot documents, with values of every type at the same paths. It has
 * no oracle of its own; what it finds is divergence, broken invariants and crashes.
 */
import type { Change, IntentOperation, JsonObject, JsonPatchOperation, JsonValue } from '../../../crdt/index.ts';
import type { SeededRandom } from '../seeded-random.ts';
import type { Client, FinalState, Workload } from './workload.ts';

const COLLECTIONS = ['chaos', 'typed'] as const;
const DOCUMENTS = 3;
const KEYS = ['a', 'b', 'list', 'text', 'set', 'n', '__proto__', 'a/b~c', ''] as const;
const TYPES = { '/text': 'text', '/set': 'set', '/list': 'array', '/n': 'counter' };

type Kind = 'replace' | 'merge' | 'patch' | 'operations' | 'delete' | 'configure' | 'drop';

export class ChaosWorkload implements Workload {
  readonly name = 'chaos';
  readonly #dropShare: number;

  /** @param dropShare - Share of steps that drop a whole collection. */
  constructor(dropShare: number) {
    this.#dropShare = dropShare;
  }

  async step(client: Client): Promise<void> {
    const { random } = client;
    const collection = random.pick(COLLECTIONS);
    const document = `x${random.int(0, DOCUMENTS - 1)}`;
    const kind = random.weighted<Kind>({
      replace: 2,
      merge: 3,
      patch: 3,
      operations: 8,
      delete: 1,
      configure: 0.5,
      drop: this.#dropShare,
    });
    if (kind === 'configure') return client.configure('typed', { types: TYPES });
    if (kind === 'drop') return client.dropCollection(collection);
    const current = random.chance(0.7) ? await client.read(collection, document) : null;
    await client.write(collection, document, makeChange(kind, client, current ?? {}), kind);
  }

  check(_final: FinalState): string[] {
    return [];
  }
}

function makeChange(kind: Exclude<Kind, 'configure' | 'drop'>, client: Client, current: JsonObject): Change {
  const { random } = client;
  if (kind === 'delete') return { kind: 'delete' };
  if (kind === 'replace') return { kind: 'replace', value: makeReplacement(random, current) };
  if (kind === 'merge') return { kind: 'merge-patch', patch: makePatch(random) };
  if (kind === 'patch') {
    return { kind: 'json-patch', operations: times(random.int(1, 3), () => makePatchOperation(random, current)) };
  }
  return { kind: 'operations', operations: times(random.int(1, 3), () => makeIntent(random, current)) };
}

function times<T>(count: number, make: () => T): T[] {
  return Array.from({ length: count }, make);
}

/** What a client does that reads, edits and puts back. */
function makeReplacement(random: SeededRandom, current: JsonObject): JsonObject {
  const value: Record<string, JsonValue> = Object.create(null) as Record<string, JsonValue>;
  for (const [key, old] of Object.entries(current)) if (random.chance(0.7)) value[key] = old;
  for (let i = random.int(0, 2); i > 0; i--) value[random.pick(KEYS)] = makeValue(random, 2);
  return value;
}

function makePatch(random: SeededRandom): JsonObject {
  const patch: Record<string, JsonValue> = Object.create(null) as Record<string, JsonValue>;
  for (let i = random.int(1, 3); i > 0; i--) {
    patch[random.pick(KEYS)] = random.chance(0.2) ? null : makeValue(random, 2);
  }
  return patch;
}

function makeValue(random: SeededRandom, depth: number): JsonValue {
  const kind = random.int(0, depth > 0 ? 8 : 5);
  if (kind === 0) return null;
  if (kind === 1) return random.chance(0.5);
  if (kind <= 3) return random.int(-3, 100) / (random.chance(0.2) ? 8 : 1);
  if (kind <= 5) return random.pick(['', 'é🚀', 'tide', 'lagoon', `s${random.int(0, 50)}`]);
  if (kind === 6) return times(random.int(0, 3), () => makeValue(random, depth - 1));
  const object: Record<string, JsonValue> = Object.create(null) as Record<string, JsonValue>;
  for (let i = random.int(0, 2); i > 0; i--) object[random.pick(KEYS)] = makeValue(random, depth - 1);
  return object;
}

function pointerTo(key: string): string {
  return `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

/** A path that often exists. */
function makePath(random: SeededRandom, current: JsonObject): string {
  const key = random.pick(random.chance(0.6) && Object.keys(current).length > 0 ? Object.keys(current) : KEYS);
  const path = pointerTo(key);
  const value = current[key];
  if (random.chance(0.6) || typeof value !== 'object' || value === null) return path;
  if (Array.isArray(value)) return `${path}/${random.int(0, Math.max(0, value.length - 1))}`;
  return path + pointerTo(random.pick([...Object.keys(value), ...KEYS]));
}

function makePatchOperation(random: SeededRandom, current: JsonObject): JsonPatchOperation {
  const path = makePath(random, current);
  const op = random.pick(['add', 'add', 'replace', 'remove', 'move', 'copy'] as const);
  if (op === 'remove') return { op, path };
  if (op === 'move' || op === 'copy') return { op, from: makePath(random, current), path };
  return { op, path, value: makeValue(random, 2) };
}

function makeIntent(random: SeededRandom, current: JsonObject): IntentOperation {
  const op = random.pick([
    'increment',
    'append',
    'insert',
    'remove',
    'move',
    'set-add',
    'set-remove',
    'text-insert',
    'text-delete',
  ] as const);
  if (op === 'increment') return { op, path: random.pick(['/n', makePath(random, current)]), value: random.int(-5, 5) };
  if (op === 'set-add' || op === 'set-remove') return { op, path: '/set', value: random.int(0, 4) };
  if (op === 'text-insert' || op === 'text-delete') return makeTextIntent(random, current, op);
  const path = random.chance(0.8) ? '/list' : makePath(random, current);
  const list = current['list'];
  const last = Array.isArray(list) ? Math.max(0, list.length - 1) : 0;
  if (op === 'append') return { op, path, value: makeValue(random, 1) };
  if (op === 'insert') return { op, path, index: random.int(0, last), value: makeValue(random, 1) };
  if (op === 'remove') return { op, path, index: random.int(0, last) };
  return { op, path, from: random.int(0, last), to: random.int(0, last) };
}

function makeTextIntent(random: SeededRandom, current: JsonObject, op: 'text-insert' | 'text-delete'): IntentOperation {
  const text = current['text'];
  const length = typeof text === 'string' ? text.length : 0;
  const index = random.int(0, length);
  if (op === 'text-insert') return { op, path: '/text', index, value: random.pick(['x', 'coral', 'é', '🚀']) };
  return { op, path: '/text', index, length: random.int(0, Math.max(0, length - index)) };
}

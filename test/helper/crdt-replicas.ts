/**
 * @module
 * Owns a small world of replicas of one document for tests: they write, and updates travel in causal order, late, twice, or not
 * at all until `settle`. No transport, no clock: every choice is an argument.
 */
import { CrdtDocument, CrdtError, type Author, type Change, type JsonValue } from '../../crdt/index.ts';

/** Fresh writer ids: above the 32-bit ids of editors, as replicas draw them. */
export const CLIENT_BASE: number = 2 ** 32;

interface LoggedUpdate {
  readonly update: Uint8Array;
  /** How many updates of each replica the writer had applied. */
  readonly deps: readonly number[];
}

export interface ReplicaOptions {
  readonly client?: number;
  readonly types?: Author['types'];
  readonly deletePolicy?: Author['deletePolicy'];
}

/** One replica of the document. */
export class DocumentReplica {
  readonly index: number;
  readonly client: number;
  document: CrdtDocument = CrdtDocument.create();
  readonly log: LoggedUpdate[] = [];
  /** Updates applied, per replica. */
  readonly applied: number[];
  readonly #options: ReplicaOptions;

  constructor(index: number, count: number, options: ReplicaOptions) {
    this.index = index;
    this.client = options.client ?? CLIENT_BASE + 1000 * (index + 1);
    this.applied = Array.from({ length: count }, () => 0);
    this.#options = options;
  }

  /** Writes at a stamp; returns the update or null. */
  write(change: Change, stamp: number): Uint8Array | null {
    const author: Author = {
      client: this.client,
      stamp,
      ...(this.#options.types === undefined ? {} : { types: this.#options.types }),
      ...(this.#options.deletePolicy === undefined ? {} : { deletePolicy: this.#options.deletePolicy }),
    };
    const update = this.document.change(change, author);
    if (update !== null) this.record(update);
    return update;
  }

  /** Notes an update that is in the document, for the others. */
  record(update: Uint8Array): void {
    this.log.push({ update, deps: [...this.applied] });
    this.applied[this.index] = this.log.length;
  }

  put(value: JsonValue, stamp: number): void {
    this.write({ kind: 'replace', value: value as never }, stamp);
  }

  patch(patch: JsonValue, stamp: number): void {
    this.write({ kind: 'merge-patch', patch: patch as never }, stamp);
  }

  operate(stamp: number, ...operations: readonly object[]): void {
    this.write({ kind: 'operations', operations: operations as never }, stamp);
  }

  jsonPatch(stamp: number, ...operations: readonly object[]): void {
    this.write({ kind: 'json-patch', operations: operations as never }, stamp);
  }

  delete(stamp: number): void {
    this.write({ kind: 'delete' }, stamp);
  }

  get json(): string {
    return this.document.view().json;
  }

  get value(): JsonValue {
    return JSON.parse(this.json) as JsonValue;
  }

  /** Applies the next update of another replica if its dependencies are here; tells whether it did. */
  pull(from: DocumentReplica): boolean {
    const next = from.log[this.applied[from.index] as number];
    if (
      next === undefined ||
      next.deps.some((count, index) => index !== from.index && count > (this.applied[index] as number))
    )
      return false;
    this.document.apply(next.update);
    this.applied[from.index] = (this.applied[from.index] as number) + 1;
    return true;
  }
}

export function createReplicas(
  count: number,
  options: (index: number) => ReplicaOptions = () => ({}),
): DocumentReplica[] {
  return Array.from({ length: count }, (_, index) => new DocumentReplica(index, count, options(index)));
}

/** Delivers everything to everyone. `order` decides whose updates go first. */
export function settle(replicas: readonly DocumentReplica[], order: readonly DocumentReplica[] = replicas): void {
  for (let isMoving = true; isMoving;) {
    isMoving = false;
    for (const to of replicas) {
      for (const from of order) {
        while (from !== to && to.pull(from)) isMoving = true;
      }
    }
  }
}

/** Runs a write that may be refused; a refusal must leave the document alone. Returns the refusal, if any. */
export function tryWrite(replica: DocumentReplica, change: Change, stamp: number): CrdtError | null {
  const before = replica.json;
  try {
    replica.write(change, stamp);
    return null;
  } catch (error) {
    if (!(error instanceof CrdtError)) throw error;
    if (replica.json !== before)
      throw new Error(`a refused write changed the document: ${before} -> ${replica.json}`, { cause: error });
    return error;
  }
}

/**
 * @module
 * Owns the life-cycle workload: documents that are created, updated, deleted and created again, under both delete policies
 * (CR11). Every update writes a field of its own, so it is known whose writes live on.
 */
import type { Attempt } from '../history.ts';
import { isAcknowledged, isDefinitelyBefore, isPossible, isPossiblyBefore } from '../history.ts';
import { describe } from './workload.ts';
import type { Client, FinalState, Workload } from './workload.ts';

const UPDATE_WINS = 'mortals';
const DELETE_WINS = 'ephemera';
const DOCUMENTS = 4;

export class LifecycleWorkload implements Workload {
  readonly name = 'lifecycles';

  async step(client: Client): Promise<void> {
    const { random } = client;
    const collection = random.chance(0.5) ? UPDATE_WINS : DELETE_WINS;
    if (collection === DELETE_WINS && client.deletePolicy(DELETE_WINS) !== 'delete-wins') {
      await client.configure(DELETE_WINS, { deletePolicy: 'delete-wins' });
      return;
    }
    const document = `d${random.int(0, DOCUMENTS - 1)}`;
    if (random.chance(0.35)) {
      await client.write(collection, document, { kind: 'delete' }, 'delete');
      return;
    }
    const field = `f${client.unique}`;
    await client.write(collection, document, { kind: 'merge-patch', patch: { [field]: client.unique } }, field);
  }

  check(final: FinalState): string[] {
    const problems: string[] = [];
    for (const collection of [UPDATE_WINS, DELETE_WINS]) {
      for (const [key, attempts] of final.attempts(collection)) {
        const life = new Life(attempts, new Set(Object.keys(final.documents.get(key) ?? {})), final.documents.has(key));
        const found = collection === UPDATE_WINS ? life.checkUpdateWins() : life.checkDeleteWins();
        for (const problem of [...life.checkBoth(), ...found]) problems.push(`${key}: ${problem}`);
      }
    }
    return problems;
  }
}

/** May the write have been the first of a document, to its author? */
function isCreation({ outcome, status }: Attempt): boolean {
  return status !== 'acknowledged' || outcome.startsWith('created');
}

/** What happened to one document. */
class Life {
  readonly #updates: readonly Attempt[];
  readonly #deletes: readonly Attempt[];
  readonly #fields: ReadonlySet<string>;
  readonly #exists: boolean;

  constructor(attempts: readonly Attempt[], fields: ReadonlySet<string>, exists: boolean) {
    const possible = attempts.filter(isPossible);
    this.#updates = possible.filter(({ tag }) => tag !== 'delete');
    this.#deletes = possible.filter(({ tag, outcome }) => tag === 'delete' && outcome !== 'unchanged');
    this.#fields = fields;
    this.#exists = exists;
  }

  checkBoth(): string[] {
    const problems: string[] = [];
    for (const field of this.#fields) {
      if (!this.#updates.some(({ tag }) => tag === field)) problems.push(`field ${field} was never written`);
    }
    const last = this.#deletes.find(
      (del) => isAcknowledged(del) && this.#updates.every((update) => isDefinitelyBefore(update, del)),
    );
    if (last && this.#exists) problems.push(`exists although ${describe(last)} saw every write`);
    return problems;
  }

  checkUpdateWins(): string[] {
    const problems: string[] = [];
    for (const update of this.#updates) {
      const isUnseen = !this.#deletes.some((del) => isPossiblyBefore(update, del));
      if (isAcknowledged(update) && isUnseen && !this.#has(update)) {
        problems.push(`${describe(update)} is missing, and no delete can have seen it`);
      }
      for (const del of this.#deletes) {
        const isOrdered = this.#updates.every(
          (other) => isDefinitelyBefore(other, del) || isDefinitelyBefore(del, other),
        );
        if (isAcknowledged(del) && isOrdered && isDefinitelyBefore(update, del) && this.#has(update)) {
          problems.push(`${describe(update)} came back after ${describe(del)}`);
        }
      }
    }
    return [...problems, ...this.#checkWholeDocument()];
  }

  /** One delete, and an update that certainly was concurrent with it: the whole document lives on, not a fragment. */
  #checkWholeDocument(): string[] {
    const [del, ...more] = this.#deletes;
    if (del === undefined || more.length > 0 || !isAcknowledged(del)) return [];
    // Who writes to a document he has seen deleted starts from an empty one, and so removes what was left.
    if (this.#updates.some((update) => isPossiblyBefore(del, update))) return [];
    // Who saw the delete and wrote began with an empty document: what had been there is gone for good.
    if (this.#updates.some((update) => isCreation(update) && isPossiblyBefore(del, update))) return [];
    const saviour = this.#updates.find(
      (update) => isAcknowledged(update) && !isPossiblyBefore(update, del) && !isPossiblyBefore(del, update),
    );
    if (saviour === undefined) return [];
    return this.#updates
      .filter((update) => isAcknowledged(update) && isDefinitelyBefore(update, saviour) && !this.#has(update))
      .map(
        (update) =>
          `${describe(update)} is missing although ${describe(saviour)} saved the document from ${describe(del)}`,
      );
  }

  checkDeleteWins(): string[] {
    const problems: string[] = [];
    for (const del of this.#deletes.filter(isAcknowledged)) {
      // Somebody who had not seen the delete made the document anew: then it lives, with all that was in it (CR11).
      const isSaved = this.#updates.some((update) => isCreation(update) && !isDefinitelyBefore(update, del));
      const isLast = !this.#updates.some((update) => isPossiblyBefore(del, update));
      if (isSaved) continue;
      if (isLast && this.#exists) problems.push(`exists although ${describe(del)} wins over all`);
      for (const update of this.#updates) {
        if (isDefinitelyBefore(update, del) && this.#has(update))
          problems.push(`${describe(update)} came back after ${describe(del)}`);
      }
    }
    for (const update of this.#updates) {
      const isReborn = this.#deletes.every((del) => isDefinitelyBefore(del, update));
      if (isAcknowledged(update) && isReborn && !this.#has(update)) {
        problems.push(`${describe(update)} is missing although it came after every delete`);
      }
    }
    return problems;
  }

  #has(update: Attempt): boolean {
    return this.#fields.has(String(update.tag));
  }
}

/**
 * @module
 * Owns group commit: everything that changes while one fsynced batch is in flight becomes durable together in the next one.
 * At most one batch is in flight, so what a participant sealed last is what becomes durable next. A storage error is final:
 * nothing is retried and nothing acknowledged after it (invariants I1, I13).
 */
import { AtollError } from '../crdt/index.ts';
import { StorageError } from './errors.ts';
import type { Store, StoreOperation, Timers } from './port.ts';

/** What one participant contributes to a group. */
export interface SealedChanges {
  readonly operations: readonly StoreOperation[];
  /** Called synchronously once the group is durable, before anybody who waits for it. */
  readonly durable: () => void;
}

/** Something with changes in memory that are not durable yet. */
export interface CommitParticipant {
  seal(): SealedChanges;
}

interface Group {
  readonly participants: Set<CommitParticipant>;
  readonly done: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: AtollError) => void;
}

interface Pause {
  readonly run: () => void;
  readonly reject: (error: AtollError) => void;
}

export class GroupCommit {
  readonly #store: Store;
  readonly #onFailure: (error: AtollError) => void;
  readonly #soon: (run: () => void) => void;
  #open: Group = createGroup();
  /** What waits for a moment with nothing in flight. */
  #pauses: Pause[] = [];
  #running: Promise<void> | null = null;
  #inFlight: Promise<void> | null = null;
  #failure: AtollError | null = null;

  // Browsers do not let a function of theirs be called as somebody else's method.
  constructor(
    store: Store,
    onFailure: (error: AtollError) => void,
    soon: Timers['soon'] = (run) => queueMicrotask(run),
  ) {
    this.#store = store;
    this.#onFailure = onFailure;
    this.#soon = soon;
  }

  /** The storage error that ended all commits, if one did. */
  get failure(): AtollError | null {
    return this.#failure;
  }

  /** Adds a participant's changes to the open group; resolves when they are durable. */
  join(participant: CommitParticipant): Promise<void> {
    if (this.#failure) return Promise.reject(this.#failure);
    this.#open.participants.add(participant);
    const { done } = this.#open;
    this.#running ??= this.#run();
    return done;
  }

  /** Runs `look` while nothing is in flight: what the store holds then is exactly what participants know to be durable. */
  between<T>(look: () => T): Promise<T> {
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise<T>((resolve, reject) => {
      const run = (): void => {
        try {
          resolve(look());
        } catch (error) {
          reject(error);
        }
      };
      this.#pauses.push({ run, reject });
      if (!this.#running) this.#pause();
    });
  }

  #pause(): void {
    const pauses = this.#pauses;
    this.#pauses = [];
    for (const { run, reject } of pauses) {
      if (this.#failure) reject(this.#failure);
      else run();
    }
  }

  /**
   * Resolves when the group that is in flight now is durable. What the store shows may be of that group already, while the
   * vectors are not.
   */
  async landed(): Promise<void> {
    await this.#inFlight;
  }

  /** Resolves when nothing is in flight or waiting. Does not reject. */
  async idle(): Promise<void> {
    while (this.#running) await this.#running;
  }

  async #run(): Promise<void> {
    for (;;) {
      this.#pause();
      if (this.#open.participants.size === 0 || this.#failure) break;
      // A group costs as much as several documents: everything this turn of the event loop changes travels in one.
      await new Promise<void>((resolve) => this.#soon(resolve));
      // Somebody who writes past the groups may have failed meanwhile.
      if (this.#failure) continue;
      const group = this.#open;
      this.#open = createGroup();
      this.#inFlight = this.#commit(group);
      await this.#inFlight;
      this.#inFlight = null;
    }
    this.#running = null;
  }

  async #commit(group: Group): Promise<void> {
    try {
      const sealed = [...group.participants].map((participant) => participant.seal());
      await this.#store.batch(
        sealed.flatMap((changes) => changes.operations),
        { sync: true },
      );
      for (const changes of sealed) changes.durable();
      group.resolve();
    } catch (cause) {
      group.reject(this.fail(cause));
    }
  }

  /** Ends all commits: a write failed, of a group or of somebody who writes to the store directly. Returns the error to report. */
  fail(cause: unknown): AtollError {
    const error = asAtollError(cause);
    if (this.#failure) return error;
    this.#failure = error;
    this.#open.reject(error);
    // Only closing closes the store: what comes too late is refused, and that is no failure.
    if (error.code !== 'STORAGE_CLOSED') this.#onFailure(error);
    return error;
  }
}

function asAtollError(cause: unknown): AtollError {
  if (cause instanceof AtollError) return cause;
  return new StorageError('STORAGE_FAILED', 'A commit failed; the node stops acknowledging writes.', { cause });
}

function createGroup(): Group {
  let resolve!: () => void;
  let reject!: (error: AtollError) => void;
  const done = new Promise<void>((onDone, onError) => {
    resolve = onDone;
    reject = onError;
  });
  // A group nobody waits for may fail without being an unhandled rejection: the failure is reported through onFailure.
  done.catch(() => undefined);
  return { participants: new Set(), done, resolve, reject };
}

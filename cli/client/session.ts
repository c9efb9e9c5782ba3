/**
 * @module
 * Owns what a session has seen, a token per database, so that no later answer is older, whichever node gives it. SPEC.md CC6.
 */
import { joinTokens } from './session-token.ts';

/** Database → token. JSON, so that a session can go on in another process. */
export type SessionTokens = Readonly<Record<string, string>>;

/** What was seen of each database. @public */
export class Session {
  readonly #tokens: Map<string, string>;
  /** Database → cursor of the last change that was read: joined when it is needed, not for every change. */
  readonly #cursors = new Map<string, string>();

  constructor(tokens: SessionTokens = {}) {
    this.#tokens = new Map(Object.entries(tokens));
  }

  /** The token of a database, if anything of it was seen. */
  token(database: string): string | undefined {
    const cursor = this.#cursors.get(database);
    if (cursor !== undefined) {
      this.#cursors.delete(database);
      this.note(database, cursor);
    }
    return this.#tokens.get(database);
  }

  /** Adds what another session or process has seen. */
  add(tokens: SessionTokens): void {
    for (const [database, token] of Object.entries(tokens)) this.note(database, token);
  }

  /** Everything seen, to be given to another client. */
  export(): SessionTokens {
    for (const database of [...this.#cursors.keys()]) this.token(database);
    return Object.fromEntries(this.#tokens);
  }

  /** Gives up the guarantees for what was seen of a database, or of all: for a cluster that was restored from a backup. */
  forget(database?: string): void {
    for (const seen of [this.#tokens, this.#cursors]) {
      if (database === undefined) seen.clear();
      else seen.delete(database);
    }
  }

  /** A change was read. `isLater`: it came behind the one before, in the same stream. @internal */
  noteChange(database: string, cursor: string, isLater: boolean): void {
    // Behind the tilde stands how far a feed has got that begins with all documents.
    const [token = ''] = cursor.split('~');
    if (!isLater) this.token(database);
    this.#cursors.set(database, token);
  }

  /** @internal */
  note(database: string, token: string): void {
    const known = this.#tokens.get(database);
    this.#tokens.set(database, known === undefined ? token : joinTokens(known, token));
  }
}

/**
 * @module
 * Owns the order of writes to one document, some of which wait for more than that document: each is applied in the order of the calls.
 * Turns on several documents are taken at one moment, so that no two writes wait for each other.
 */
import type { DocumentSlot } from './document-slot.ts';

export interface WriteTurn {
  /** Resolves when all who came before have had their turn; null when nobody did. */
  readonly before: Promise<unknown> | null;
  /** What there was to apply is applied, or never will be. */
  end(): void;
}

export function takeTurn(slots: readonly DocumentSlot[]): WriteTurn {
  const turns = slots.flatMap(({ turn }) => turn ?? []);
  const { promise, resolve } = promiseOf();
  for (const slot of slots) slot.turn = promise;
  return {
    before: turns.length === 0 ? null : Promise.all(turns),
    end: () => {
      for (const slot of slots) if (slot.turn === promise) slot.turn = null;
      resolve();
    },
  };
}

function promiseOf(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve: () => void = () => {};
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}

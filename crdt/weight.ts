/**
 * @module
 * Owns how much memory a document takes, for caches that are bounded in bytes.
 */
import type * as Y from 'yjs';
import type { Model } from './model.ts';

/** Measured heap bytes: of a document at all, of a byte of state, and of a live element in the model and in a Y.Doc. */
const WEIGHT = { document: 2500, byte: 2, sharedByte: 12, modelElement: 800, docElement: 500 } as const;

export interface Weighed {
  readonly model: Model | null;
  readonly doc: Y.Doc | null;
  /** Of the state and what follows it. */
  readonly bytes: number;
  readonly isShared: boolean;
}

/** Approximate heap bytes. */
export function weigh({ model, doc, bytes, isShared }: Weighed): number {
  const elements = model === null ? 0 : countLive(model);
  const perElement = WEIGHT.modelElement + (doc === null ? 0 : WEIGHT.docElement);
  const perByte = isShared && doc !== null ? WEIGHT.sharedByte : WEIGHT.byte;
  return WEIGHT.document + bytes * perByte + elements * perElement;
}

function countLive(model: Model): number {
  let count = 0;
  for (const run of model.runs) count += run.live;
  return count;
}

/**
 * @module
 * Owns what a write must leave: a JSON object within the limit of its size.
 */
import type { DocumentView } from './change.ts';
import { CrdtError } from './errors.ts';
import type { Limits } from './limits.ts';
import type { Model } from './model.ts';
import type { Transaction } from './transaction.ts';
import { utf8Length } from './utf8.ts';
import { render } from './view.ts';

/** @throws CrdtError `CRDT_VALUE_INVALID` */
export function checkDocument(value: unknown): void {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new CrdtError('CRDT_VALUE_INVALID', 'a document is a JSON object', { details: { path: '' } });
  }
}

/** Refuses a write that leaves a document over the limit, unless it makes it smaller. */
export function checkSize(model: Model, before: DocumentView | null, transaction: Transaction): void {
  if (transaction.tombstone !== null) return;
  checkBytes(render(model.root, model), before, transaction.limits);
}

export function checkBytes(json: string, before: DocumentView | null, limits: Limits): void {
  const limit = limits.documentBytesMax;
  if (json.length * 3 <= limit) return;
  const actual = utf8Length(json);
  if (actual <= limit || (before !== null && actual < utf8Length(before.json))) return;
  throw new CrdtError('CRDT_LIMIT_EXCEEDED', `the document would have ${actual} bytes of JSON`, {
    details: { path: '', name: 'documentBytes', limit, actual },
  });
}

/**
 * @module
 * Owns the form in which one of several writes is sent: `{"id", "doc" | "merge" | "ops" | "delete"}`, and what is answered to it.
 */
import type { Change, IntentOperation, JsonObject, JsonValue } from '../../crdt/index.ts';
import { SyncError, type WriteOutcome } from '../../sync/index.ts';
import type { BatchResult } from '../api/index.ts';
import { requireArray, requireObject } from './body.ts';
import { requireDocumentId } from './document-id.ts';
import { HttpError } from './errors.ts';

const ACTIONS = ['doc', 'merge', 'ops', 'delete'] as const;

/** Where a write holds what the document layer speaks of. */
export const CHANGE_POINTERS: Readonly<Record<Change['kind'], string>> = {
  replace: '/doc',
  'merge-patch': '/merge',
  'json-patch': '',
  operations: '/ops',
  resolve: '',
  retract: '',
  late: '',
  delete: '',
};
/** @param base - JSON Pointer to the write. */
export function requireId(value: JsonValue | undefined, base: string): string {
  if (typeof value === 'string') return requireWellFormedId(value, base);
  throw new HttpError('HTTP_BODY_INVALID', 'a write has the id of its document, a string', {
    details: { pointer: `${base}/id` },
  });
}

/** The rule of ids, with the fault where a write has it. */
function requireWellFormedId(value: string, base: string): string {
  try {
    return requireDocumentId(value);
  } catch (cause) {
    if (!(cause instanceof SyncError)) throw cause;
    throw new SyncError(cause.code, cause.message, { cause, details: { ...cause.details, pointer: `${base}/id` } });
  }
}

/** @param others - Members besides the change itself. */
export function changeOf(envelope: JsonObject, others: readonly string[], base: string): Change {
  const actions = ACTIONS.filter((name) => Object.hasOwn(envelope, name));
  const [action] = actions;
  const stray = Object.keys(envelope).find(
    (name) => !others.includes(name) && !(ACTIONS as readonly string[]).includes(name),
  );
  if (stray !== undefined)
    throw invalid(`${base}/${stray.slice(0, 80)}`, `a write has ${others.join(', ')} and one of ${ACTIONS.join(', ')}`);
  if (action === undefined || actions.length > 1)
    throw invalid(base, `a write has exactly one of ${ACTIONS.join(', ')}`);
  const value = envelope[action];
  const pointer = `${base}/${action}`;
  switch (action) {
    case 'doc':
      return { kind: 'replace', value: requireObject(value, pointer) };
    case 'merge':
      return { kind: 'merge-patch', patch: requireObject(value, pointer) };
    case 'ops':
      return { kind: 'operations', operations: requireArray(value, pointer) as unknown as readonly IntentOperation[] };
    case 'delete':
      if (value !== true) throw invalid(pointer, 'delete is true or absent');
      return { kind: 'delete' };
  }
}

function invalid(pointer: string, message: string): HttpError {
  return new HttpError('HTTP_BODY_INVALID', message, { details: { pointer } });
}

export function resultOf(id: string, { status, etag }: Pick<WriteOutcome, 'status' | 'etag'>): BatchResult {
  if (status === 'deleted') return { id, status: 204 };
  return { id, status: status === 'created' ? 201 : 200, etag };
}

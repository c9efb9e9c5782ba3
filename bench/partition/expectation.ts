/**
 * @module
 * Owns what a city may look like after the partition, given what clients know. Pure.
 */
import { isDeepStrictEqual } from 'node:util';
import type { JsonObject, JsonValue } from '../../crdt/index.ts';
import type { WriteRecord } from './journal.ts';
import type { Edit } from './plan.ts';

interface EditRecord {
  readonly write: Edit;
  readonly isAcknowledged: boolean;
}

/** Returns what is wrong, or null. `found` is null when the node has no such document. */
export function findFault(base: JsonObject, records: readonly WriteRecord[], found: JsonObject | null): string | null {
  const edits = editsOf(records);
  const deletes = records.filter(({ write }) => write.kind === 'delete');
  if (found === null) {
    if (edits.some(({ isAcknowledged }) => isAcknowledged)) return 'is gone although it was edited';
    return deletes.length > 0 ? null : 'is gone';
  }
  if (edits.length === 0 && deletes.some(({ isAcknowledged }) => isAcknowledged))
    return 'is back although it was deleted';
  for (const field of new Set([...Object.keys(base), ...Object.keys(found)])) {
    const allowed = allowedValues(
      base[field],
      edits.filter(({ write }) => write.field === field),
    );
    if (!allowed.some((value) => isDeepStrictEqual(value, found[field]))) {
      return `has ${JSON.stringify(found[field])} at ${field}, not ${allowed.map((value) => JSON.stringify(value)).join(' or ')}`;
    }
  }
  return null;
}

/** Acknowledged values of a field; all but the shown one have to be readable conflicts. */
export function acknowledgedValues(records: readonly WriteRecord[], field: string): JsonValue[] {
  return editsOf(records).flatMap(({ write, isAcknowledged }) =>
    isAcknowledged && write.field === field ? [write.value] : [],
  );
}

function editsOf(records: readonly WriteRecord[]): EditRecord[] {
  return records.flatMap(({ write, isAcknowledged }) => ('field' in write ? [{ write, isAcknowledged }] : []));
}

function allowedValues(base: JsonValue | undefined, edits: readonly EditRecord[]): (JsonValue | undefined)[] {
  const values = edits.map(({ write }) => write.value);
  return edits.some(({ isAcknowledged }) => isAcknowledged) ? values : [base, ...values];
}

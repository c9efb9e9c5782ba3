/**
 * @module
 * Owns writes to members that editors wrote as shared types: a write at such a member or below it becomes other JSON for the whole member, and
 * that the smallest edit of the type (shared-edit.ts). Within such a member nothing has a path of its own.
 */
import { canonicalJson } from './canonical-json.ts';
import { shownAt, type Candidate } from './candidate.ts';
import type { JsonObject, JsonValue } from './json-value.ts';
import { sharedKey, type Model, type Node, type SharedContent } from './model.ts';
import { deltaContent, fitsShared } from './shared-edit.ts';
import type { Transaction } from './transaction.ts';
import { parseValue, render, textName } from './view.ts';

/** A member that is a shared type, and where in it a pointer leads. */
export interface SharedPlace {
  readonly node: Node;
  /** The JSON that the member shows: a copy, to be edited. */
  readonly value: JsonValue;
  readonly rest: readonly string[];
}

/** Finds the shared type that a pointer leads into or, with `isMember`, to; null when it leads elsewhere. */
export function sharedPlace(model: Model, segments: readonly string[], isMember = false): SharedPlace | null {
  const [key] = segments;
  const node = key === undefined ? undefined : model.root.children?.get(key);
  if (node === undefined || (segments.length === 1 && !isMember)) return null;
  const shown = shownAt(node);
  if (shown === null || contentOf(model, shown) === null) return null;
  return { node, value: parseValue(render(node, model)) as JsonValue, rest: segments.slice(1) };
}

/** Makes a shared type show a value that is of its form. False when it is not, or when it is empty: such a type shows nothing. */
export function assignShared(transaction: Transaction, node: Node, shown: Candidate, value: JsonValue): boolean {
  const { model } = transaction;
  const content = contentOf(model, shown);
  if (content === null || (shown.kind !== 'text' && shown.kind !== 'shared') || !fitsShared(content.kind, value))
    return false;
  if (Object.keys(value as object).length === 0) return false;
  const json = canonicalJson(value);
  if (json === content.json) return true;
  transaction.settleAncestors(node);
  transaction.settle(node, shown);
  transaction.editShared({ root: content.root, kind: content.kind, target: value });
  model.shared.set(sharedKey(content.kind, content.root), { ...content, json });
  if (shown.kind === 'text') {
    model.texts.set(content.root, typeof value === 'string' ? value : deltaContent(value as JsonValue[]));
  }
  node.invalidate();
  return true;
}

/** A merge patch of an object that is a shared type. */
export function mergeJson(value: JsonObject, patch: JsonObject): JsonObject {
  const result = Object.assign(Object.create(null) as Record<string, JsonValue>, value);
  for (const [key, change] of Object.entries(patch)) {
    const before = result[key];
    if (change === null) delete result[key];
    else result[key] = isObject(change) ? mergeJson(isObject(before) ? before : {}, change) : change;
  }
  return result;
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A text is one only while it has formats: without them it is a text like any other. */
function contentOf(model: Model, shown: Candidate): SharedContent | null {
  if (shown.kind === 'shared') return model.shared.get(shown.entry.value as string) ?? null;
  return shown.kind === 'text' ? (model.shared.get(sharedKey('text', textName(shown.entry))) ?? null) : null;
}

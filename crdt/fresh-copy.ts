/**
 * @module
 * Owns copies of a document without its history: what it shows, as somebody would write it today, who knows of nothing that was there
 * before. Only documents are copied whose JSON and types are all there is to know of them.
 */
import { DEFAULT_LIMITS } from './limits.ts';
import type { Limits } from './limits.ts';
import type { DeclaredType, TypeDeclarations } from './change.ts';
import { isNodeClient } from './client-id.ts';
import { CrdtDocument } from './document.ts';
import { parseJson } from './json-parse.ts';
import { formatPointer } from './json-pointer.ts';
import type { JsonObject } from './json-value.ts';
import { KIND, type Model, type Node } from './model.ts';
import { applyTo, createDoc, readDoc } from './yjs-state.ts';

/** Merges may have made a document larger than a write may. */
export const UNLIMITED: Limits = {
  depthMax: 1000,
  documentBytesMax: Number.MAX_SAFE_INTEGER,
  keyBytesMax: DEFAULT_LIMITS.documentBytesMax,
};

/**
 * Copies a document.
 *
 * @param client - Writes the copy, and nothing else ever.
 * @returns Null when it has losing values, is deleted, was edited by clients, or has what plain JSON and types by path cannot say.
 */
export function copyFresh(document: CrdtDocument, client: number): CrdtDocument | null {
  const view = document.view();
  if (!view.exists || view.conflicts > 0) return null;
  const model = readModel(document);
  const isShared = model.shared.size > 0 || [...model.clocks.keys()].some((writer) => !isNodeClient(writer));
  if (isShared || model.tombstones.length > 0) return null;
  const types = typesOf(model);
  if (types === null) return null;
  const copy = CrdtDocument.create();
  const value = parseShown(view.json);
  // What others add to an array of the copy, they add to that array.
  for (const path of arraysBelow(model.root, [])) types[path] = 'array';
  copy.change({ kind: 'replace', value }, { client, stamp: view.modified, types, limits: UNLIMITED });
  return copy.view().json === view.json ? copy : null;
}

/** Did somebody edit it who is no node? */
export function hasClientEdits(document: CrdtDocument): boolean {
  return [...readModel(document).clocks.keys()].some((writer) => !isNodeClient(writer));
}

/** Types of texts and sets by path; those within elements are left out. */
export function shownTypes(document: CrdtDocument): TypeDeclarations {
  const types: Record<string, DeclaredType> = {};
  collectTypes(readModel(document).root, [], types);
  return types;
}

export function parseShown(json: string): JsonObject {
  return parseJson(new TextEncoder().encode(json), UNLIMITED) as JsonObject;
}

export function readModel(document: CrdtDocument): Model {
  const doc = createDoc();
  applyTo(doc, document.encode());
  return readDoc(doc);
}

/** Null when an element of an array holds a text or a set. */
function typesOf(model: Model): Record<string, DeclaredType> | null {
  const types: Record<string, DeclaredType> = {};
  return collectTypes(model.root, [], types) ? types : null;
}

/** @returns False when there is a type that no path names, or an edit of what was deleted. */
function collectTypes(node: Node, keys: readonly string[] | null, types: Record<string, DeclaredType>): boolean {
  let isComplete = node.orphans === null;
  for (const { kind } of node.entries) {
    const type = kind === KIND.text ? 'text' : kind === KIND.set ? 'set' : null;
    if (type === null) continue;
    if (keys === null) isComplete = false;
    else types[formatPointer(keys)] = type;
  }
  for (const [key, child] of node.children ?? []) {
    if (!collectTypes(child, keys === null ? null : [...keys, key], types)) isComplete = false;
  }
  for (const list of node.lists ?? []) {
    for (const { node: element } of list.elements) if (!collectTypes(element, null, types)) isComplete = false;
  }
  return isComplete;
}

/** Paths of arrays, except within elements. */
function* arraysBelow(node: Node, keys: readonly string[]): Generator<string> {
  if (node.lists !== null) yield formatPointer(keys);
  for (const [key, child] of node.children ?? []) yield* arraysBelow(child, [...keys, key]);
}

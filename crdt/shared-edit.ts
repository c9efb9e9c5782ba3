/**
 * @module
 * Owns making a shared type show other JSON by the smallest edits, so that what editors do meanwhile survives. Types within types stay
 * what they are where the new value fits them; values that are new come in as plain JSON.
 */
import * as Y from 'yjs';
import { diffArray } from './array-diff.ts';
import { canonicalJson } from './canonical-json.ts';
import type { JsonObject, JsonValue } from './json-value.ts';
import { contentOf, deltaOf, EMBEDDED, membersOf, rowOf, type SharedKind, type SharedType } from './shared-type.ts';

/** An edit of a root type: what it is to show, or null for nothing. */
export interface SharedEdit {
  readonly root: string;
  readonly kind: SharedKind;
  readonly target: JsonValue | null;
}

interface DeltaOperation {
  readonly insert: JsonValue;
  readonly attributes?: JsonObject;
}

const ROOT_TYPES = { text: Y.Text, array: Y.Array, map: Y.Map, xml: Y.XmlFragment } as const;

/** Tells whether a value is of the form that a kind of content shows. */
export function fitsShared(kind: SharedKind, value: JsonValue): boolean {
  if (kind === 'map') return isObject(value);
  if (!Array.isArray(value)) return kind === 'text' && typeof value === 'string';
  if (kind === 'text') return value.length > 0 && value.every(isDelta);
  return kind === 'array' || value.every(isXmlNode);
}

/** The characters that the operations of a text show. */
export function deltaContent(delta: readonly JsonValue[]): string {
  return delta.map((operation) => textOf(operation as unknown as DeltaOperation)).join('');
}

/** Tells whether an edit can be made: a root type that was opened as one kind stays that for as long as the Y.Doc lives. */
export function canEdit(doc: Y.Doc, { root, kind, target }: SharedEdit): boolean {
  if (target === null) return true;
  const type = doc.share.get(root);
  return type === undefined || type.constructor === Y.AbstractType || type instanceof ROOT_TYPES[kind];
}

/** Edits a root type, within a transaction of a Y.Doc. What is to show nothing stays unopened: another edit may need it as another kind. */
export function editRoot(doc: Y.Doc, { root, kind, target }: SharedEdit): void {
  if (target === null) return clearRoot(doc, doc.share.get(root), kind);
  if (kind === 'map') return editMap(doc.getMap(root), target as JsonObject);
  const values = target as JsonValue[];
  if (kind === 'text') editText(doc.getText(root), target);
  else if (kind === 'xml') editRow(doc.getXmlFragment(root), values, toXml);
  else editRow(doc.getArray(root), values, toPlain);
}

/** Deletes what a root type holds of one kind: two editors may have used its name for different ones. */
function clearRoot(doc: Y.Doc, type: SharedType | undefined, kind: SharedKind): void {
  if (type === undefined) return;
  doc.transact((transaction) => {
    if (kind === 'map') for (const item of type._map.values()) item.delete(transaction);
    else for (let item = type._start; item !== null; item = item.right) item.delete(transaction);
  });
}

/** A type in a row that can be written by index. */
interface Row extends SharedType {
  get(index: number): unknown;
  delete(index: number, length?: number): void;
  insert(index: number, values: never[]): void;
}

function editRow(row: Row, target: readonly JsonValue[], create: (value: JsonValue) => unknown): void {
  const current = rowOf(row, 1).map(canonicalJson);
  let shift = 0;
  for (const edit of diffArray(current, target)) {
    const index = edit.index + shift;
    if (edit.op === 'replace') {
      if (editWithin(row.get(index), edit.value)) continue;
      row.delete(index, 1);
      row.insert(index, [create(edit.value) as never]);
    } else if (edit.op === 'remove') {
      row.delete(index, 1);
      shift--;
    } else {
      row.insert(index, edit.values.map(create) as never[]);
      shift += edit.values.length;
    }
  }
}

function editMap(map: Y.Map<unknown>, target: JsonObject): void {
  const current = membersOf(map, 1);
  for (const key of Object.keys(current)) if (!Object.hasOwn(target, key)) map.delete(key);
  for (const [key, value] of Object.entries(target)) {
    if (Object.hasOwn(current, key) && canonicalJson(current[key] as JsonValue) === canonicalJson(value)) continue;
    if (!editWithin(map.get(key), value)) map.set(key, toPlain(value));
  }
}

/** Edits a nested type in its place. False when there is none, or the value does not fit it. */
function editWithin(type: unknown, value: JsonValue): boolean {
  if (type instanceof Y.XmlElement) {
    if (!isXmlNode(value) || typeof value === 'string') return false;
    const {
      name,
      attributes = {},
      children = [],
    } = value as { name?: string; attributes?: JsonObject; children?: JsonValue[] };
    if (name !== type.nodeName) return false;
    const before = membersOf(type, 1);
    for (const key of Object.keys(before)) if (!Object.hasOwn(attributes, key)) type.removeAttribute(key);
    for (const [key, each] of Object.entries(attributes)) {
      if (!Object.hasOwn(before, key) || canonicalJson(before[key] as JsonValue) !== canonicalJson(each))
        type.setAttribute(key, toPlain(each) as string);
    }
    editRow(type, children, toXml);
    return true;
  }
  const kind =
    type instanceof Y.Text ? 'text' : type instanceof Y.Array ? 'array' : type instanceof Y.Map ? 'map' : null;
  if (kind === null || !fitsShared(kind, value)) return false;
  if (kind === 'text') editText(type as Y.Text, value);
  else if (kind === 'array') editRow(type as Y.Array<unknown>, value as JsonValue[], toPlain);
  else editMap(type as Y.Map<unknown>, value as JsonObject);
  return true;
}

/** Edits what lies between the common start and end. A string has no formats. */
function editText(text: Y.Text, target: JsonValue): void {
  const current = contentOf(text);
  if (typeof target === 'string') {
    const [start, end] = commonEnds(current, target);
    if (current.length - end > start) text.delete(start, current.length - end - start);
    if (target.length - end > start) text.insert(start, target.slice(start, target.length - end));
    clearFormats(text);
    return;
  }
  const before = (deltaOf(text, 1) ?? (current === '' ? [] : [{ insert: current }])) as unknown as DeltaOperation[];
  const after = target as unknown as DeltaOperation[];
  const isSame = (a: DeltaOperation | undefined, b: DeltaOperation | undefined): boolean =>
    canonicalJson(a as unknown as JsonValue) === canonicalJson(b as unknown as JsonValue);
  let start = 0;
  const shortest = Math.min(before.length, after.length);
  while (start < shortest && isSame(before[start], after[start])) start++;
  let end = 0;
  while (end < shortest - start && isSame(before.at(-1 - end), after.at(-1 - end))) end++;
  let index = lengthOf(before.slice(0, start));
  const removed = lengthOf(before.slice(start, before.length - end));
  if (removed > 0) text.delete(index, removed);
  for (const operation of after.slice(start, after.length - end)) {
    const attributes = toPlain((operation.attributes ?? {}) as JsonValue) as object;
    if (typeof operation.insert === 'string') text.insert(index, operation.insert, attributes);
    else text.insertEmbed(index, toPlain(operation.insert) as object, attributes);
    index += textOf(operation).length;
  }
}

function clearFormats(text: Y.Text): void {
  const delta = (deltaOf(text, 1) ?? []) as unknown as DeltaOperation[];
  const keys = new Set(delta.flatMap(({ attributes = {} }) => Object.keys(attributes)));
  if (keys.size > 0) text.format(0, text.length, Object.fromEntries([...keys].map((key) => [key, null])));
}

/** Lengths of the common start and end, without cutting a character in half. */
function commonEnds(a: string, b: string): readonly [start: number, end: number] {
  const shortest = Math.min(a.length, b.length);
  let start = 0;
  while (start < shortest && a[start] === b[start]) start++;
  if (start > 0 && isHigh(a.charCodeAt(start - 1))) start--;
  let end = 0;
  while (end < shortest - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++;
  if (end > 0 && isLow(a.charCodeAt(a.length - end))) end--;
  return [start, end];
}

const isHigh = (unit: number): boolean => (unit & 0xfc00) === 0xd800;
const isLow = (unit: number): boolean => (unit & 0xfc00) === 0xdc00;

function textOf({ insert }: DeltaOperation): string {
  return typeof insert === 'string' ? insert : EMBEDDED;
}

function lengthOf(delta: readonly DeltaOperation[]): number {
  return delta.reduce((sum, operation) => sum + textOf(operation).length, 0);
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isDelta(value: JsonValue): boolean {
  if (!isObject(value)) return false;
  const { insert, attributes, ...rest } = value as { insert?: JsonValue; attributes?: JsonValue };
  const isInsert = typeof insert === 'string' ? insert !== '' : isObject(insert);
  return isInsert && (attributes === undefined || isObject(attributes)) && Object.keys(rest).length === 0;
}

function isXmlNode(value: JsonValue): boolean {
  if (typeof value === 'string') return true;
  if (Array.isArray(value)) return value.length > 0 && value.every(isDelta);
  if (!isObject(value)) return false;
  const { name, attributes, children = [], ...rest } = value as Record<string, JsonValue | undefined>;
  if (typeof name !== 'string' || Object.keys(rest).length > 0) return false;
  return (attributes === undefined || isObject(attributes)) && Array.isArray(children) && children.every(isXmlNode);
}

function toXml(value: JsonValue): Y.XmlElement | Y.XmlText {
  if (typeof value === 'string' || Array.isArray(value)) {
    const text = new Y.XmlText();
    if (typeof value === 'string') text.insert(0, value);
    else text.applyDelta(toPlain(value) as object[], { sanitize: false });
    return text;
  }
  const {
    name,
    attributes = {},
    children = [],
  } = value as { name: string; attributes?: JsonObject; children?: JsonValue[] };
  const element = new Y.XmlElement(name);
  for (const [key, each] of Object.entries(attributes)) element.setAttribute(key, toPlain(each) as string);
  element.insert(0, children.map(toXml));
  return element;
}

/** A copy with ordinary prototypes, which Yjs insists on. */
function toPlain(value: JsonValue): unknown {
  return typeof value === 'object' && value !== null ? JSON.parse(JSON.stringify(value)) : value;
}

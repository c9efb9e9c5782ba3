/**
 * @module
 * Owns what the shared types of editors look like as JSON. Yjs does not say of which kind a root type is: whoever opens it decides, so
 * here its live content does. Reads internals of Yjs (`_start`, `_map`) and never turns a type into another one, because that
 * would keep an editor's kind of it from being opened later. SPEC.md section "Shared types".
 */
import * as Y from 'yjs';
import { canonicalJson } from './canonical-json.ts';
import type { JsonObject, JsonValue } from './json-value.ts';

/** What can be shown of one root type: content in a row, and members. Most have one of them. */
export type SharedKind = 'text' | 'array' | 'xml' | 'map';

export interface SharedFace {
  readonly kind: SharedKind;
  /** Canonical. */
  readonly json: string;
  /** Of a text: its characters, with a placeholder for each embedded object, so that indexes agree with Yjs. */
  readonly content: string;
}

/** Any shared type, opened or not. */
export interface SharedType {
  readonly _start: Y.Item | null;
  readonly _map: ReadonlyMap<string, Y.Item>;
}

interface Delta {
  readonly insert: JsonValue;
  readonly attributes?: JsonObject;
}

/** Stands for an embedded object in a text. */
export const EMBEDDED = '\uFFFC';
/** Types within types: deeper ones are shown as null. Updates of clients that nest deeper are refused. */
export const SHARED_DEPTH_MAX = 100;

/** Reads a root type. Empty when nothing in it is live. */
export function facesOf(type: SharedType): readonly SharedFace[] {
  const faces: SharedFace[] = [];
  const kind = rowKindOf(type);
  if (kind === 'text') faces.push(textFace(type));
  else if (kind !== null) faces.push({ kind, json: canonicalJson(rowOf(type, 0)), content: '' });
  const members = membersOf(type, 0);
  if (Object.keys(members).length > 0) faces.push({ kind: 'map', json: canonicalJson(members), content: '' });
  return faces;
}

/** What of a root type decides where it shows and whether it does: not what is in it. */
export function formOf(type: SharedType): string {
  const kind = rowKindOf(type);
  const isText = kind === 'text' && hasContent(type);
  const hasMembers = [...type._map.values()].some((item) => !item.deleted);
  return `${kind ?? ''} ${isText} ${hasMembers}`;
}

function hasContent(type: SharedType): boolean {
  for (let item = type._start; item !== null; item = item.right) if (!item.deleted && item.countable) return true;
  return false;
}

function textFace(type: SharedType): SharedFace {
  const content = contentOf(type);
  const delta = deltaOf(type, 0);
  return { kind: 'text', json: delta === null ? JSON.stringify(content) : canonicalJson(delta), content };
}

/** The characters of a text. */
export function contentOf(type: SharedType): string {
  const pieces: string[] = [];
  for (let item = type._start; item !== null; item = item.right) {
    if (item.deleted || !item.countable) continue;
    pieces.push(item.content instanceof Y.ContentString ? item.content.str : EMBEDDED.repeat(item.length));
  }
  return pieces.join('');
}

/** What stands in the row of a type, or null when nothing does. */
function rowKindOf(type: SharedType): Exclude<SharedKind, 'map'> | null {
  let kind: 'array' | 'xml' | null = null;
  for (let item = type._start; item !== null; item = item.right) {
    if (item.deleted) continue;
    const { content } = item;
    if (content instanceof Y.ContentString || content instanceof Y.ContentFormat || content instanceof Y.ContentEmbed)
      return 'text';
    kind ??= content instanceof Y.ContentType && isXml(content.type) ? 'xml' : 'array';
  }
  return kind;
}

function isXml(type: unknown): boolean {
  return type instanceof Y.XmlFragment || type instanceof Y.XmlText || type instanceof Y.XmlHook;
}

/** The operations of a rich text in the form of Quill; null when it is plain. */
export function deltaOf(type: SharedType, depth: number): JsonValue[] | null {
  const delta: Delta[] = [];
  const attributes = Object.create(null) as Record<string, JsonValue>;
  let text = '';
  let isRich = false;
  const push = (insert: JsonValue): void => {
    if (insert === '') return;
    const copy = Object.assign(Object.create(null) as object, attributes) as JsonObject;
    delta.push(Object.keys(copy).length === 0 ? { insert } : { insert, attributes: copy });
  };
  for (let item = type._start; item !== null; item = item.right) {
    if (item.deleted) continue;
    const { content } = item;
    if (content instanceof Y.ContentString) {
      text += content.str;
      continue;
    }
    isRich = true;
    push(text);
    text = '';
    if (content instanceof Y.ContentFormat) {
      const value = toJson(content.value);
      if (value === null) delete attributes[content.key];
      else attributes[content.key] = value;
    } else {
      for (const value of valuesOf(content, depth)) push(value);
    }
  }
  push(text);
  // A format that encloses nothing is no reason to show another form.
  return isRich && delta.some(({ insert, attributes: own }) => own !== undefined || typeof insert !== 'string')
    ? (delta as unknown as JsonValue[])
    : null;
}

/** The values of a row; their places are those that Yjs counts. */
export function rowOf(type: SharedType, depth: number): JsonValue[] {
  const values: JsonValue[] = [];
  for (let item = type._start; item !== null; item = item.right) {
    if (item.deleted) continue;
    for (const value of valuesOf(item.content, depth)) values.push(value);
  }
  return values;
}

export function membersOf(type: SharedType, depth: number): JsonObject {
  const members = Object.create(null) as Record<string, JsonValue>;
  for (const [key, item] of type._map) {
    if (item.deleted) continue;
    const values = valuesOf(item.content, depth);
    members[key] = values.at(-1) ?? null;
  }
  return members;
}

/** The values of one item. */
function valuesOf(content: Y.Item['content'], depth: number): JsonValue[] {
  if (content instanceof Y.ContentType) return [valueOf(content.type, depth + 1)];
  if (content instanceof Y.ContentString) return [content.str];
  if (content instanceof Y.ContentDoc) return [{ guid: content.doc.guid }];
  if (content instanceof Y.ContentFormat) return [];
  return content.getContent().map(toJson);
}

/** A type within another one, whose kind is known. */
function valueOf(type: SharedType, depth: number): JsonValue {
  if (depth > SHARED_DEPTH_MAX) return null;
  if (type instanceof Y.XmlElement) {
    const attributes = membersOf(type, depth);
    return {
      name: type.nodeName,
      ...(Object.keys(attributes).length > 0 && { attributes }),
      children: rowOf(type, depth),
    };
  }
  if (type instanceof Y.XmlHook) return { hook: type.hookName, ...membersOf(type, depth) };
  if (type instanceof Y.Text) return deltaOf(type, depth) ?? contentOf(type);
  if (type instanceof Y.Map) return membersOf(type, depth);
  return rowOf(type, depth);
}

/** JSON of what Yjs can hold beyond JSON: the same on every replica. */
function toJson(value: unknown): JsonValue {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      return Number.isFinite(value) ? (value === 0 ? 0 : value) : null;
    case 'bigint':
      return String(value);
    case 'object':
      break;
    default:
      return null;
  }
  if (value === null) return null;
  if (value instanceof Uint8Array) return base64(value);
  if (Array.isArray(value)) return value.map(toJson);
  const object = Object.create(null) as Record<string, JsonValue>;
  for (const [key, member] of Object.entries(value)) object[key] = toJson(member);
  return object;
}

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

function base64(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 3) {
    const bits = ((bytes[at] as number) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    for (let digit = 0; digit < 4; digit++) {
      text += at + digit > bytes.length ? '=' : (DIGITS[(bits >> (18 - digit * 6)) & 63] as string);
    }
  }
  return text;
}

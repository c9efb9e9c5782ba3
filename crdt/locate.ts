/**
 * @module
 * Owns finding the target of a JSON Pointer in a document as this replica shows it. Indexes become element identities here, so
 * that a concurrent insertion cannot shift them.
 */
import { shownAt } from './candidate.ts';
import { CrdtError } from './errors.ts';
import { formatPointer } from './json-pointer.ts';
import type { List, Model, Node } from './model.ts';
import { render } from './view.ts';

const INDEX = /^(?:0|[1-9][0-9]*)$/;

/** Where a pointer leads: an object key, present or not, or a place in an array. */
export type Target =
  | { readonly kind: 'key'; readonly node: Node }
  | { readonly kind: 'element'; readonly list: List; readonly index: number };

/** Returns the node of an existing value. @throws CrdtError `CRDT_PATCH_TARGET_MISSING`. */
export function locateValue(model: Model, segments: readonly string[]): Node {
  let node = model.root;
  for (let depth = 0; depth < segments.length; depth++) {
    const next = step(node, segments[depth] as string);
    if (next === null || render(next, model) === '') throw missing(segments.slice(0, depth + 1));
    node = next;
  }
  return node;
}

/** Returns the place a value can be written to: its parent exists, the place itself may not. `segments` is not empty. */
export function locateTarget(model: Model, segments: readonly string[]): Target {
  const parent = locateValue(model, segments.slice(0, -1));
  const last = segments.at(-1) as string;
  const shown = shownAt(parent);
  if (shown?.kind === 'object') return { kind: 'key', node: parent.child(last) };
  if (shown?.kind !== 'array') throw missing(segments);
  const { length } = shown.list.elements;
  if (last === '-') return { kind: 'element', list: shown.list, index: length };
  const index = INDEX.test(last) ? Number(last) : Number.POSITIVE_INFINITY;
  if (index > length) throw missing(segments);
  return { kind: 'element', list: shown.list, index };
}

/** Returns the node at a pointer, which may show nothing yet; missing objects on the way are implied. */
export function locateOrImply(model: Model, segments: readonly string[]): Node {
  let node = model.root;
  for (let depth = 0; depth < segments.length; depth++) {
    const segment = segments[depth] as string;
    const shown = shownAt(node);
    if (shown !== null && shown.kind !== 'object' && shown.kind !== 'array') {
      throw new CrdtError(
        'CRDT_TYPE_MISMATCH',
        `no members below a ${shown.kind} at ${formatPointer(segments.slice(0, depth)).slice(0, 200)}`,
        {
          details: { path: formatPointer(segments.slice(0, depth)).slice(0, 200), actual: shown.kind },
        },
      );
    }
    const next = shown?.kind === 'array' ? step(node, segment) : node.child(segment);
    if (next === null) throw missing(segments.slice(0, depth + 1));
    node = next;
  }
  return node;
}

export function missing(segments: readonly string[]): CrdtError {
  const path = formatPointer(segments).slice(0, 200);
  return new CrdtError('CRDT_PATCH_TARGET_MISSING', `nothing at ${path}`, { details: { path } });
}

function step(node: Node, segment: string): Node | null {
  const shown = shownAt(node);
  if (shown?.kind === 'object') return node.children?.get(segment) ?? null;
  if (shown?.kind !== 'array' || !INDEX.test(segment)) return null;
  return shown.list.elements[Number(segment)]?.node ?? null;
}

/**
 * @module
 * Owns where in a document the items of shared types stand: root type, and the way within it as a JSON Pointer. An element of a row is `-`,
 * because its place changes; characters and formats stand where their text does.
 */
import * as Y from 'yjs';
import { listAmong, markersOf } from './collected.ts';
import type { CompactionMarker } from './collected.ts';
import { encodeSegment } from './json-pointer.ts';

export interface SharedPath {
  readonly root: string;
  /** Below the root type; empty for all of it. */
  readonly path: string;
  /** It is a member, and not one of a row. */
  readonly isMember: boolean;
  /** Clocks from the one asked for to the end of the item. */
  readonly left: number;
}

/** Tells where an item stands; null for what has no place any more. */
export function createSharedPaths(doc: Y.Doc): (id: Y.ID) => SharedPath | null {
  const markers = markersOf(doc);
  const names = new Map<unknown, string>([...doc.share].map(([name, type]) => [type, name]));
  return (id) => {
    const struct: Y.Item | Y.GC = Y.getItem(doc.store, id);
    if (!(struct instanceof Y.Item)) return collectedPlace(markers, id);
    const left = struct.id.clock + struct.length - id.clock;
    let path = '';
    for (let item: Y.Item = struct; ;) {
      path = segmentOf(item) + path;
      const name = names.get(item.parent);
      if (name !== undefined) return { root: name, path, isMember: struct.parentSub !== null, left };
      const above: Y.Item | null = item.parent instanceof Y.AbstractType ? item.parent._item : null;
      if (above === null) return null;
      item = above;
    }
  };
}

/** Of what was collected it is known in which list it was. */
function collectedPlace(markers: readonly CompactionMarker[], id: Y.ID): SharedPath | null {
  const list = listAmong(markers, id);
  return typeof list === 'string' ? { root: list, path: '', isMember: false, left: 1 } : null;
}

function segmentOf({ parentSub, content }: Y.Item): string {
  if (parentSub !== null) return `/${encodeSegment(parentSub)}`;
  const isPart =
    content instanceof Y.ContentString || content instanceof Y.ContentFormat || content instanceof Y.ContentEmbed;
  // What was deleted may have been either.
  return isPart || content instanceof Y.ContentDeleted ? '' : '/-';
}

/**
 * @module
 * Owns the `sort` of a query: `{"population": -1, "name": 1}`, or the same as an array of objects.
 */
import type { JsonValue } from '../../crdt/index.ts';
import { INDEX_PATHS_MAX } from './index-definition.ts';
import type { IndexPath } from './index-definition.ts';
import { isObject, pathFault } from './path.ts';
import { invalid } from './query-fault.ts';

/** @throws SyncError `SYNC_QUERY_INVALID` */
export function parseSort(value: JsonValue): readonly IndexPath[] {
  const parts = Array.isArray(value) ? (value as readonly JsonValue[]) : [value];
  const paths = parts.flatMap((part, i) => {
    const pointer = Array.isArray(value) ? `/sort/${i}` : '/sort';
    if (!isObject(part)) throw invalid(pointer, 'sort is an object from path to 1 or -1, or an array of such objects.');
    return Object.entries(part).map(([path, direction]) => readPath(path, direction, pointer));
  });
  if (paths.length > INDEX_PATHS_MAX) throw invalid('/sort', `A query sorts by at most ${INDEX_PATHS_MAX} paths.`);
  const names = paths.map(({ path }) => path);
  const twice = names.find((path, i) => names.indexOf(path) < i);
  if (twice !== undefined) throw invalid('/sort', `"${twice}" is there twice.`);
  return paths;
}

function readPath(path: string, direction: JsonValue, pointer: string): IndexPath {
  const at = `${pointer}/${path.slice(0, 200).replaceAll('~', '~0').replaceAll('/', '~1')}`;
  const fault = pathFault(path);
  if (fault !== null) throw invalid(at, `${fault}.`);
  if (direction === 1 || direction === 'asc') return { path, order: 'asc' };
  if (direction === -1 || direction === 'desc') return { path, order: 'desc' };
  throw invalid(at, 'The direction of a sort is 1 or -1.');
}

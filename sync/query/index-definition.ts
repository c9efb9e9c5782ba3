/**
 * @module
 * Owns what an index is defined by, and its check.
 */
import type { JsonValue } from '../../crdt/index.ts';
import { SyncError } from '../errors.ts';
import { isIndexSegment, isObject, pathFault } from './path.ts';
import type { Path } from './path.ts';

export const INDEX_PATHS_MAX = 8;
export const INDEXES_PER_COLLECTION_MAX = 32;
const NAME = /^[a-z][a-z0-9_-]{0,62}$/;

export interface IndexPath {
  /** Names of members, joined by dots. */
  readonly path: string;
  readonly order: 'asc' | 'desc';
}

export interface IndexDefinition {
  readonly paths: readonly IndexPath[];
  /** Documents that have none of the paths are left out. */
  readonly sparse: boolean;
}

/** A definition made ready for use. */
export interface CompiledDefinition extends IndexDefinition {
  readonly segments: readonly Path[];
  /** As stored: equal definitions are equal texts. */
  readonly text: string;
}

/** @throws SyncError `SYNC_INDEX_INVALID` */
export function validateIndexName(name: string): void {
  if (!NAME.test(name)) {
    const message =
      'The name of an index is a lower-case letter, then up to 62 lower-case letters, digits, "_" or "-".';
    throw new SyncError('SYNC_INDEX_INVALID', message, { details: { parameter: 'name' } });
  }
}

/**
 * Checks a definition as sent by a user: `{"paths": ["country", {"path": "population", "order": "desc"}], "sparse": false}`.
 *
 * @throws SyncError `SYNC_INDEX_INVALID` with `details.path`, the JSON Pointer of the member at fault.
 */
export function parseIndexDefinition(value: JsonValue): CompiledDefinition {
  if (!isObject(value)) throw invalid('', 'An index is defined by a JSON object with "paths".');
  for (const member of Object.keys(value)) {
    if (member !== 'paths' && member !== 'sparse')
      throw invalid(`/${member}`, `"${member}" is not a setting of an index; known are paths and sparse.`);
  }
  const { paths, sparse = false } = value;
  if (!Array.isArray(paths) || paths.length === 0 || paths.length > INDEX_PATHS_MAX)
    throw invalid('/paths', `paths is an array of 1 to ${INDEX_PATHS_MAX} paths.`);
  if (typeof sparse !== 'boolean') throw invalid('/sparse', 'sparse is true or false.');
  const parsed = (paths as readonly JsonValue[]).map(parsePath);
  const names = parsed.map(({ path }) => path);
  const twice = names.findIndex((path, i) => names.indexOf(path) < i);
  if (twice >= 0) throw invalid(`/paths/${twice}`, `"${names[twice]}" is there twice.`);
  return compile({ paths: parsed, sparse });
}

/** Of a definition that was checked before, as it is stored. */
export function readIndexDefinition(text: string): CompiledDefinition {
  return parseIndexDefinition(JSON.parse(text) as JsonValue);
}

function compile({ paths, sparse }: IndexDefinition): CompiledDefinition {
  const text = JSON.stringify({ paths: paths.map(({ path, order }) => ({ path, order })), sparse });
  return { paths, sparse, text, segments: paths.map(({ path }) => path.split('.')) };
}

function parsePath(value: JsonValue, at: number): IndexPath {
  const pointer = `/paths/${at}`;
  if (typeof value === 'string') return { path: checkPath(value, pointer), order: 'asc' };
  if (!isObject(value)) throw invalid(pointer, 'A path is a string, or {"path", "order"}.');
  const { path, order = 'asc', ...others } = value;
  const [other] = Object.keys(others);
  if (other !== undefined)
    throw invalid(`${pointer}/${other}`, `"${other}" is not known here; known are path and order.`);
  if (typeof path !== 'string') throw invalid(`${pointer}/path`, 'path is a string.');
  if (order !== 'asc' && order !== 'desc') throw invalid(`${pointer}/order`, 'order is "asc" or "desc".');
  return { path: checkPath(path, `${pointer}/path`), order };
}

/** A JSON Pointer is taken as well, when it can be said with dots. */
function checkPath(given: string, pointer: string): string {
  const path = /^\/[^.~]+$/.test(given) ? given.slice(1).replaceAll('/', '.') : given;
  const fault = pathFault(path);
  if (fault !== null) throw invalid(pointer, `${fault}; "${given.slice(0, 80)}" is none.`);
  if (path.split('.').some(isIndexSegment))
    throw invalid(pointer, 'An index covers all elements of an array: leave out the position.');
  return path;
}

function invalid(path: string, message: string): SyncError {
  return new SyncError('SYNC_INDEX_INVALID', message, { details: { path } });
}

/**
 * @module
 * Owns the filters and orders of nodes for leaves. A program hands them to the leaves that need them: pages that do not are a tenth smaller.
 */
import { placeOf, positionOf } from '../query/index-key.ts';
import { parseFilter } from '../query/filter.ts';
import { compileFilter } from '../query/predicate.ts';
import { parseSort } from '../query/sort.ts';
import type { LeafQueries } from './leaf-query.ts';

/** What `createLeaf` takes as `queries`. */
export const leafQueries: LeafQueries = {
  compile: (filter) => compileFilter(parseFilter(filter)),
  order: (sort) => {
    const paths = parseSort(sort);
    if (paths.length === 0) return null;
    const order = { paths, segments: paths.map(({ path }) => path.split('.')) };
    return (id, document) => positionOf(placeOf(order, document, false), id);
  },
};

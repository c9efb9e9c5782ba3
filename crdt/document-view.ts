/**
 * @module
 * Owns what a whole document shows, or that it shows nothing.
 */
import type { Conflict, DocumentView } from './change.ts';
import type { Model } from './model.ts';
import { exists } from './tombstone.ts';
import { countConflicts, listConflicts, listLost, render } from './view.ts';

export function viewOf(model: Model): DocumentView {
  let modified = 0;
  for (const run of model.runs) {
    if (run.stamp > modified) modified = run.stamp;
  }
  const isThere = exists(model);
  const json = isThere ? render(model.root, model) : '';
  return { exists: isThere, json, modified, conflicts: countConflicts(conflictsOf(model)) };
}

/** Losing values of concurrent writes; of a deleted document what the delete took without having seen it. */
export function conflictsOf(model: Model): readonly Conflict[] {
  return exists(model) ? listConflicts(model) : listLost(model);
}

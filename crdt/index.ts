/**
 * @module
 * JSON documents that merge without coordination. Bytes and plain JSON in and out; Yjs stays behind this door.
 * Pure: no clock, no randomness, no IO. SPEC.md sections "Merging" and "Values".
 *
 * @public
 */
export { AtollError, CrdtError } from './errors.ts';
export type { AtollErrorOptions, CrdtErrorCode } from './errors.ts';
export { assert, unreachable } from './assert.ts';
export type { JsonObject, JsonScalar, JsonValue } from './json-value.ts';
export { DEFAULT_LIMITS } from './limits.ts';
export type { Limits } from './limits.ts';
export { STAMP_EPOCH_MS, STAMPS_PER_MS, encodeStamp, stampCounter, stampMs } from './stamp.ts';
export type {
  Author,
  Change,
  Conflict,
  ConflictingValue,
  DeclaredType,
  DeletePolicy,
  DocumentOutline,
  DocumentView,
  DuplicateWrite,
  Increment,
  IntentOperation,
  JsonPatchOperation,
  Resolution,
  TypeDeclarations,
  WrittenBy,
} from './change.ts';
export { CrdtDocument } from './document.ts';
export { mergeClient, mergeClients } from './client-merge.ts';
export { misdeclared } from './type-declaration.ts';
export { openDocument } from './live-document.ts';
export type { LiveDocument, LiveEvent, LiveObserver, LiveOptions, LiveWrite } from './live-document.ts';
export type { JsonChange } from './json-change.ts';
export type { At, Item, Path } from './typed-path.ts';
export { ByteWriter } from './byte-writer.ts';
export { isCompaction } from './collected.ts';
export { withoutHistory } from './compaction.ts';
export { isCanonicalObject } from './canonical-check.ts';
export { checkFirstState, restoreFirstState, type FirstState } from './first-state.ts';
export { parseJson } from './json-parse.ts';
export { canonicalJson } from './canonical-json.ts';
export type { ClientAdmission, ClientEdit, ClientMerge } from './client-update.ts';
export { inspectUpdate, mergeUpdates, normaliseState, standsAlone } from './update.ts';
export type { UpdateInspection } from './update.ts';
export { describeWrites } from './write-description.ts';
export type { WriteDescription } from './write-description.ts';

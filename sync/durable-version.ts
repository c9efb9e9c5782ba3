/**
 * @module
 * Owns what follows from one version of a document that the store holds, or is about to.
 */
import type { DocumentOutline } from '../crdt/index.ts';
import { isCounted, toStoredDocument } from './document-record.ts';
import type { DocumentContent } from './document-record.ts';
import type { DocumentSlot, DurableVersion } from './document-slot.ts';

const utf8 = new TextEncoder();

export function durableVersionOf(record: Parameters<typeof toStoredDocument>[0]): DurableVersion {
  const { exists, element, json, bytes, conflicts } = record;
  return { element, exists, document: exists && json !== null ? toStoredDocument(record) : null, bytes, conflicts };
}

/** What the digest counts of a version; null = nothing. */
export function countedIn(version: DurableVersion | null): Uint8Array | null {
  if (version === null) return null;
  return isCounted(version) ? version.element : null;
}

/** A first state can be left out if the writer is who the document vector says. */
export function contentOfSlot({ document, vector }: DocumentSlot, json: Uint8Array | null): DocumentContent {
  const { first } = document;
  if (json === null || first === null || vector.size !== 1 || !vector.has(first.client)) return document.encodeParts();
  return { json, stamp: first.stamp, client: first.client };
}

/**
 * What a commit stores of the view: everything, unless that would cost more than the changes.
 *
 * @param lateBytesMin - Of so much JSON on it may be left out.
 */
export function viewToStore(
  slot: DocumentSlot,
  lateBytesMin: number,
): DocumentOutline & { readonly json: Uint8Array | null; readonly bytes: number } {
  const bytes = slot.durable?.bytes ?? 0;
  const isChange = bytes >= lateBytesMin && !slot.isRestored && slot.sealed !== null && slot.sealed.length > 0;
  const outline = isChange ? slot.document.outline : null;
  if (outline !== null) return { ...outline, json: null, bytes };
  const view = slot.document.view();
  const json = slot.sealedFirst?.json ?? utf8.encode(view.json);
  return { ...view, json, bytes: json.length };
}

/**
 * @module
 * Owns the check of one stored document by itself: both values decode, belong together, and say the same. What it cannot find is
 * content that is well-formed and wrong; that is what replicas compare content hashes for.
 */
import { GenerationalDocument, normaliseState } from '../crdt/index.ts';
import { computeElement } from './digest.ts';
import { decodeView, encodeDocumentVector, statePartsOf } from './document-record.ts';
import { compareBytes } from './key.ts';
import type { Sha256 } from './port.ts';

const SAMPLE_BYTES = 8;

export interface AuditInput {
  readonly sha256: Sha256;
  readonly secret: Uint8Array;
  /** Collection, 0, id. */
  readonly documentKey: Uint8Array;
  /** Null = it could not be read, or is missing. */
  readonly view: Uint8Array | null;
  /** Undefined = there is none. */
  readonly base: Uint8Array | null | undefined;
}

export interface AuditVerdict {
  /** The document cannot be used, or not be trusted. */
  readonly isDamaged: boolean;
  /** First bytes of the digest element and of the hash of the normalised state; null when damaged. */
  readonly sample: { readonly element: Uint8Array; readonly content: Uint8Array } | null;
}

const DAMAGED: AuditVerdict = { isDamaged: true, sample: null };

export function auditDocument({ sha256, secret, documentKey, view, base }: AuditInput): AuditVerdict {
  if (view === null || base === null) return DAMAGED;
  try {
    const record = decodeView(view);
    const element = computeElement(sha256, secret, documentKey, encodeDocumentVector(record.vector));
    const document = GenerationalDocument.load(...statePartsOf(record, base));
    const { exists, json } = document.view();
    const isSameJson = record.json === null || json === new TextDecoder().decode(record.json);
    const isSame = exists === record.exists && isSameJson;
    if (!isSame || compareBytes(element, record.element) !== 0) return DAMAGED;
    const content = sha256(normaliseState(document.encode()));
    const sample = { element: element.slice(0, SAMPLE_BYTES), content: content.slice(0, SAMPLE_BYTES) };
    return { isDamaged: false, sample };
  } catch {
    return DAMAGED;
  }
}

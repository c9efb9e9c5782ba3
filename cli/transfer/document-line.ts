/**
 * @module
 * Owns turning one element of an input into a line of a bulk request: where its id comes from and what is refused before it
 * is sent. SPEC.md CL13.
 */
import { AtollError } from '../../crdt/errors.ts';
import type { JsonObject } from '../../crdt/json-value.ts';
import { parseInput } from '../json-input.ts';
import type { InputElement, InputPosition } from './element-splitter.ts';

export interface IdRule {
  /** Field that holds the id; default `_id`, else `id`, else an id is made. */
  readonly field?: string | undefined;
  /** Take the field out of the document. `_id` is always taken out: it is how exports carry the id. */
  readonly drop: boolean;
  /** Starts made ids. The same run makes the same id for the same element, so that a rerun changes nothing. */
  readonly run: string;
}

/** A document ready to be sent. */
export interface DocumentLine {
  readonly number: number;
  readonly line: number;
  readonly end: InputPosition;
  readonly id: string;
  /** Line of the bulk request, without its newline. */
  readonly text: string;
}

/** A document that was not written, and why. */
export interface Refusal {
  readonly number: number;
  readonly line: number;
  readonly end: InputPosition;
  readonly id: string | null;
  readonly code: string;
  readonly message: string;
}

export function isRefusal(entry: DocumentLine | Refusal): entry is Refusal {
  return 'code' in entry;
}

/** Digits of the element number in made ids: enough to keep ten billion of them sorted. */
const NUMBER_DIGITS = 10;

const STRICT_UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function prepareDocument(element: InputElement, rule: IdRule, elementBytesMax: number): DocumentLine | Refusal {
  const { number, line, end } = element;
  const refuse = (message: string, code = 'CLI_INPUT_INVALID'): Refusal => ({
    number,
    line,
    end,
    id: null,
    code,
    message,
  });
  if (element.bytes === null) {
    return refuse(
      `${element.size.toLocaleString('en')} bytes are more than the limit of ${elementBytesMax.toLocaleString('en')} bytes for one document`,
      'HTTP_LINE_TOO_LARGE',
    );
  }
  let text: string;
  let value: unknown;
  try {
    text = STRICT_UTF8.decode(element.bytes);
    value = JSON.parse(text);
  } catch (error) {
    return refuse(error instanceof SyntaxError ? `not valid JSON: ${error.message}` : 'not valid UTF-8');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return refuse('a document must be a JSON object');
  const document = value as Record<string, unknown>;
  const found = findId(document, rule, number);
  if ('message' in found) return refuse(found.message);
  try {
    // The text itself travels, so that the node sees it as written; line breaks between tokens would end the bulk line.
    const body = found.drop ? withoutField(element.bytes, found.field) : text.replace(/[\r\n]+/g, ' ').trim();
    return { number, line, end, id: found.id, text: `{"id":${JSON.stringify(found.id)},"doc":${body}}` };
  } catch (error) {
    if (error instanceof AtollError) return refuse(error.message, error.code);
    throw error;
  }
}

type FoundId = { readonly id: string; readonly field: string; readonly drop: boolean } | { readonly message: string };

function findId(document: Record<string, unknown>, rule: IdRule, number: number): FoundId {
  const field = rule.field ?? ['_id', 'id'].find((name) => Object.hasOwn(document, name));
  if (field === undefined)
    return { id: `${rule.run}-${String(number).padStart(NUMBER_DIGITS, '0')}`, field: '', drop: false };
  if (!Object.hasOwn(document, field)) return { message: `the id field ${JSON.stringify(field)} is missing` };
  const id = document[field];
  const drop = rule.drop || field === '_id';
  if (typeof id === 'string')
    return id === '' ? { message: `the id field ${JSON.stringify(field)} is empty` } : { id, field, drop };
  if (typeof id === 'number') return { id: String(id), field, drop };
  return { message: `the id field ${JSON.stringify(field)} must be a string or a number` };
}

/** @throws CrdtError for what would not survive being written anew. */
function withoutField(bytes: Uint8Array, field: string): string {
  const { [field]: _dropped, ...rest } = parseInput(bytes) as JsonObject;
  return JSON.stringify(rest);
}

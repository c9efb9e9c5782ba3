/**
 * @module
 * Owns reading JSON Schemas (2020-12) for collections, by Ajv. Whoever writes a schema may not make a node fetch, wait or run on: nothing
 * remote is followed, patterns run in linear time, `uniqueItems` compares hashes, texts of a format are short, and the number of
 * references followed per document is bounded.
 */
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import { fullFormats, type FormatName } from 'ajv-formats/dist/formats.js';
import { canonicalJson, type JsonObject, type JsonValue } from '../../crdt/index.ts';
import { PatternCostError, SyncError, compilePattern, type SchemaCheck, type SchemaFault } from '../../sync/index.ts';
import { prepareSchema, STEP_KEYWORD } from './prepare-schema.ts';

const FAULTS_MAX = 20;
/** References followed for one document. */
const STEPS_MAX = 20_000;
const FORMAT_LENGTH_MAX = 2048;
const FORMATS: readonly FormatName[] = [
  'date',
  'time',
  'date-time',
  'duration',
  'uri',
  'uri-reference',
  'email',
  'hostname',
  'ipv4',
  'ipv6',
  'uuid',
  'json-pointer',
];

class OutOfSteps extends Error {}

/** Of the check under way: checks are synchronous. */
let steps = 0;

let ajv: Ajv2020 | null = null;

/** @throws SyncError `SYNC_CONFIG_INVALID` with the place in `details.path`. */
export function compileSchema(schema: JsonObject): SchemaCheck {
  const prepared = prepareSchema(schema);
  ajv ??= createAjv();
  let validate: ValidateFunction;
  try {
    if (ajv.validateSchema(prepared) !== true) {
      const [fault] = ajv.errors ?? [];
      throw invalid(`/schema${fault?.instancePath ?? ''}`, `The schema is not valid: ${fault?.message ?? 'unknown'}.`);
    }
    validate = ajv.compile(prepared);
  } catch (cause) {
    if (cause instanceof SyncError) throw cause;
    throw invalid('/schema', `The schema cannot be used: ${(cause as Error).message.slice(0, 300)}.`);
  } finally {
    // What is compiled is kept by who asked for it.
    ajv.removeSchema(prepared);
  }
  return (document) => check(validate, document);
}

function check(validate: ValidateFunction, document: JsonValue): readonly SchemaFault[] | null {
  steps = STEPS_MAX;
  try {
    return validate(document) ? null : faultsOf(validate.errors ?? []);
  } catch (error) {
    if (error instanceof PatternCostError)
      return [{ pointer: '', detail: 'has a text that is too long for a pattern of the schema' }];
    // A reference that leads to itself ends with the stack.
    if (!(error instanceof OutOfSteps) && !(error instanceof RangeError)) throw error;
    return [{ pointer: '', detail: `needs more than ${STEPS_MAX} references of the schema to be followed` }];
  } finally {
    validate.errors = null;
  }
}

/** One fault per place: what the branches of a choice say of one value repeats itself. */
function faultsOf(errors: readonly ErrorObject[]): readonly SchemaFault[] {
  const faults = new Map<string, SchemaFault>();
  for (const { instancePath, message = 'is not valid', params } of errors) {
    const member: unknown =
      params['missingProperty'] ?? params['additionalProperty'] ?? params['unevaluatedProperty'] ?? undefined;
    const pointer = typeof member === 'string' ? `${instancePath}/${escape(member)}` : instancePath;
    if (!faults.has(pointer)) faults.set(pointer, { pointer, detail: message.slice(0, 300) });
    if (faults.size >= FAULTS_MAX) break;
  }
  return [...faults.values()];
}

function createAjv(): Ajv2020 {
  const created = new Ajv2020({
    allErrors: true,
    strictSchema: true,
    strictTypes: false,
    strictTuples: false,
    strictRequired: false,
    logger: false,
    ownProperties: true,
    inlineRefs: false,
    code: { regExp: Object.assign(linearPattern, { code: 'linearPattern' }) },
  });
  for (const name of FORMATS) created.addFormat(name, shortFormat(fullFormats[name]));
  created.removeKeyword('uniqueItems');
  created.addKeyword({ keyword: 'uniqueItems', type: 'array', schemaType: 'boolean', validate: isUnique });
  created.addKeyword({
    keyword: STEP_KEYWORD,
    schemaType: 'boolean',
    validate: () => {
      if (--steps < 0) throw new OutOfSteps();
      return true;
    },
  });
  return created;
}

/** Ajv takes patterns with one text for the same. */
function linearPattern(source: string): { test(text: string): boolean; toString(): string } {
  const pattern = compilePattern(source);
  if (typeof pattern === 'string') throw new Error(`the pattern ${JSON.stringify(source.slice(0, 80))}: ${pattern}`);
  return { test: (text) => pattern.test(text), toString: () => source };
}

/** In one pass; Ajv's own compares objects pair by pair. */
function isUnique(isWanted: boolean, items: readonly JsonValue[]): boolean {
  if (!isWanted) return true;
  return new Set(items.map(canonicalJson)).size === items.length;
}

type FormatDefinition = (typeof fullFormats)[FormatName];

function shortFormat(format: FormatDefinition): (text: string) => boolean {
  const test = testOf(format);
  return (text) => text.length <= FORMAT_LENGTH_MAX && test(text);
}

function testOf(format: FormatDefinition): (text: string) => boolean {
  if (format instanceof RegExp) return (text) => format.test(text);
  if (typeof format === 'function') return format as (text: string) => boolean;
  const { validate } = format as { validate: RegExp | ((text: string) => boolean) };
  return validate instanceof RegExp ? (text) => validate.test(text) : validate;
}

function escape(token: string): string {
  return token.replaceAll('~', '~0').replaceAll('/', '~1');
}

function invalid(path: string, message: string): SyncError {
  return new SyncError('SYNC_CONFIG_INVALID', message, { details: { path } });
}

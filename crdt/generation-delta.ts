/**
 * @module
 * Owns the bytes of documents that have generations: states and updates alike say to which generation they belong, and what they bring
 * for those that are to follow it. A document that was never compacted has plain Yjs bytes; these begin as no Yjs update does. SPEC.md
 * section "Generations" has the grammar.
 */
import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import { NO_COVERAGE, type Coverage, type Covered } from './coverage.ts';
import { CrdtError } from './errors.ts';

/** A Yjs update without content. */
export const NOTHING: Uint8Array = Uint8Array.of(0, 0);

/** A count of no clients, with more bytes than it needs. */
const MARK = [0x80, 0x00] as const;
const FORMAT = 1;
const FLAG_CORE = 1;
const FLAG_WHOLE = 2;

/** Generation 0 has no id. Later ones win, and of two with one number the greater id. */
export interface GenerationName {
  readonly number: number;
  readonly id: string;
}

/** What is brought for a generation that is to follow. */
export interface SuccessorDelta {
  readonly id: string;
  /** What it has followed of the generation before, and of those before that: what goes beyond it lacks. */
  readonly covers: Coverage;
  /** What the copy includes that it began with. Only when it is whole. */
  readonly copied: Coverage;
  /** All of it, and not an update. */
  readonly isWhole: boolean;
  readonly bytes: Uint8Array;
}

export interface GenerationDelta {
  readonly generation: GenerationName;
  /** A Yjs update, or with `isWhole` a state. */
  readonly core: Uint8Array | null;
  readonly isWhole: boolean;
  /** What it brings of earlier generations. */
  readonly covers: Coverage;
  /** What the copy includes that the generation began with. Only with `isWhole`. */
  readonly copied: Coverage;
  readonly successors: readonly SuccessorDelta[];
  /** Successors that were given up. */
  readonly closed: readonly string[];
}

export const FIRST_GENERATION: GenerationName = { number: 0, id: '' };

/** Positive when `a` is the later one. */
export function compareGenerations(a: GenerationName, b: GenerationName): number {
  return a.number - b.number || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

/** Are these bytes of a document with generations? */
export function isDelta(bytes: Uint8Array): boolean {
  return bytes[0] === MARK[0] && bytes[1] === MARK[1];
}

/** An update that brings nothing; with `of`, what it brings. */
export function deltaOf(generation: GenerationName, of: Partial<GenerationDelta> = {}): GenerationDelta {
  return {
    generation,
    core: null,
    isWhole: false,
    covers: NO_COVERAGE,
    copied: NO_COVERAGE,
    successors: [],
    closed: [],
    ...of,
  };
}

export function encodeDelta({
  generation,
  core,
  isWhole,
  covers,
  copied,
  successors,
  closed,
}: GenerationDelta): Uint8Array {
  const writer = new ByteWriter();
  for (const byte of [...MARK, FORMAT]) writer.uint8(byte);
  writer.uint8((core === null ? 0 : FLAG_CORE) | (isWhole ? FLAG_WHOLE : 0));
  writer.varUint(generation.number);
  writer.string(generation.id);
  if (core !== null) writeBytes(writer, core);
  writeCoverage(writer, covers);
  if (isWhole) writeCoverage(writer, copied, covers);
  writer.varUint(successors.length);
  for (const successor of [...successors].sort((a, b) => (a.id < b.id ? -1 : 1))) {
    writer.string(successor.id);
    writeCoverage(writer, successor.covers);
    writer.uint8(successor.isWhole ? FLAG_WHOLE : 0);
    if (successor.isWhole) writeCoverage(writer, successor.copied, successor.covers);
    writeBytes(writer, successor.bytes);
  }
  writer.varUint(closed.length);
  for (const id of [...closed].sort()) writer.string(id);
  return writer.take();
}

/** @param of - Includes it: what is equal to that is not written. Clock 0 says that there is nothing. */
function writeCoverage(writer: ByteWriter, coverage: Coverage, of: Coverage = NO_COVERAGE): void {
  const clients = [...new Set([...coverage.keys(), ...of.keys()])].sort((a, b) => a - b);
  const written = clients.flatMap((client) => {
    const [covered, other] = [coverage.get(client), of.get(client)];
    const isEqual = covered?.generation === other?.generation && covered?.clock === other?.clock;
    return isEqual ? [] : [[client, covered?.generation ?? 0, covered?.clock ?? 0] as const];
  });
  writer.varUint(written.length);
  for (const numbers of written) for (const number of numbers) writer.varUint(number);
}

function writeBytes(writer: ByteWriter, bytes: Uint8Array): void {
  writer.varUint(bytes.length);
  writer.raw(bytes);
}

/**
 * Reads bytes of any document: plain ones belong to generation 0.
 *
 * @param isWhole - Plain bytes are a state.
 * @throws CrdtError `CRDT_UPDATE_MALFORMED`
 */
export function decodeDelta(bytes: Uint8Array, isWhole: boolean = false): GenerationDelta {
  if (!isDelta(bytes)) return deltaOf(FIRST_GENERATION, { core: bytes, isWhole });
  try {
    const reader = new ByteReader(bytes);
    for (const expected of [...MARK, FORMAT]) if (reader.uint8() !== expected) throw new RangeError('unknown format');
    const flags = reader.uint8();
    const generation = { number: reader.varUint(), id: reader.string() };
    const core = (flags & FLAG_CORE) === 0 ? null : reader.bytes();
    const covers = readCoverage(reader);
    const copied = (flags & FLAG_WHOLE) === 0 ? NO_COVERAGE : readCoverage(reader, covers);
    const successors = Array.from({ length: reader.varUint() }, () => readSuccessor(reader));
    const closed = Array.from({ length: reader.varUint() }, () => reader.string());
    if (!reader.isAtEnd) throw new RangeError('trailing bytes');
    return { generation, core, isWhole: (flags & FLAG_WHOLE) !== 0, covers, copied, successors, closed };
  } catch (cause) {
    if (!(cause instanceof RangeError) && !(cause instanceof TypeError)) throw cause;
    throw new CrdtError('CRDT_UPDATE_MALFORMED', 'not an update of a document with generations', { cause });
  }
}

function readSuccessor(reader: ByteReader): SuccessorDelta {
  const id = reader.string();
  const covers = readCoverage(reader);
  const isWhole = (reader.uint8() & FLAG_WHOLE) !== 0;
  const copied = isWhole ? readCoverage(reader, covers) : NO_COVERAGE;
  return { id, covers, copied, isWhole, bytes: reader.bytes() };
}

function readCoverage(reader: ByteReader, of: Coverage = NO_COVERAGE): Coverage {
  const count = reader.varUint();
  if (count === 0) return of;
  const coverage = new Map<number, Covered>(of);
  for (let left = count; left > 0; left--) {
    const client = reader.varUint();
    const covered = { generation: reader.varUint(), clock: reader.varUint() };
    if (covered.clock === 0) coverage.delete(client);
    else coverage.set(client, covered);
  }
  return coverage;
}

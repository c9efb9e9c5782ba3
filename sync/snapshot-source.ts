/**
 * @module
 * Owns snapshots on their way out: the documents of one moment that a peer lacks, and the vector of that very moment, so that no
 * document is newer than the vector says (I3). What changed is found through the log and the change index, so that the cost
 * follows what was missed; only for a peer that lacks about everything all documents are read.
 */
import { changesAfter } from './change-index.ts';
import type { Change } from './change-index.ts';
import { isCorrupt } from './damage-scan.ts';
import type { Database } from './database.ts';
import { contentOf, decodeView, readFirstView } from './document-record.ts';
import type { DocumentVector, FirstView } from './document-record.ts';
import type { HeldPart, OriginId, SnapshotSource } from './engine.ts';
import type { OriginRegistry } from './ingest.ts';
import { isWithin } from './forgotten.ts';
import type { ForgottenVector } from './forgotten.ts';
import { compareBytes, documentOf, documentOfName } from './key.ts';
import type { Holding } from './horizon.ts';
import { DocumentLookup } from './document-lookup.ts';
import { expand, wholeOf } from './lineage.ts';
import { removeEntries } from './log-cutter.ts';
import type { StoreSnapshot } from './port.ts';
import { readDocuments } from './stored-document.ts';
import { SnapshotRows, encodeChunkOf } from './snapshot.ts';
import type { SnapshotOptions } from './snapshot-options.ts';
import type { SnapshotRow } from './snapshot.ts';
import type { VectorEntry, VersionVector } from './version-vector.ts';
import { dominates } from './version-vector.ts';

/** A change costs a read of its own, a scan reads documents in order: it is this many times cheaper per document. */
const SCAN_ADVANTAGE = 4;
/** Documents whose version is remembered, because the log names them again and again. */
const VERSIONS_MAX = 4096;
/** Stale entries of the index are removed so many at a time. */
const STALE_MAX = 256;

/** Documents passed over in a scan until something is sent all the same: the receiver waits for a sign of life. */
const SILENT_DOCUMENTS_MAX = 10_000;
const NO_NAME = new Uint8Array(0);
const utf8 = new TextEncoder();

/** All documents up to one, as of a moment. */
interface KeptPart {
  readonly until: Uint8Array;
  readonly has: Holding;
}

/** One snapshot being given. */
interface Giving {
  readonly options: SnapshotOptions;
  readonly database: Database;
  readonly view: StoreSnapshot;
  readonly vector: VersionVector;
  /** Of the vector what the receiver does not know: it lists everything. */
  readonly adopted: ReadonlyMap<OriginId, VectorEntry>;
  /** What the receiver has, as far as it is known here what follows from what it lists. */
  readonly since: Holding;
  /** What the receiver has of an interrupted transfer, if what is here goes on from there. */
  readonly held: readonly KeptPart[];
  readonly forgotten: ForgottenVector;
}

/** Of a document: a vector, or what there is of one. */
type Version = Iterable<readonly [OriginId, number]>;

/** A document to be sent, or `null` for a look at one that is not; and its name, where they come in the order of names. */
interface Step {
  readonly row: SnapshotRow | FirstView | null;
  readonly until: Uint8Array;
}

/** What the next chunk will hold. */
class Filling {
  readonly rows: SnapshotRows = new SnapshotRows();
  readonly names: { collection: string; id: string }[] = [];
  #nameBytes = 0;
  passed = 0;

  get bytes(): number {
    return this.rows.bytes + this.#nameBytes;
  }

  add({ row, until }: Step, isPruning: boolean): void {
    this.passed++;
    if (row !== null) {
      if ('json' in row) this.rows.addView(until, row);
      else this.rows.add(row);
    } else if (isPruning) {
      this.names.push(documentOfName(until));
      this.#nameBytes += until.length + 2;
    }
  }
}

/** See `Engine.snapshot`. To be called while no commit is in flight: then the store holds what the vector says, and no more. */
export function snapshotOf(
  database: Database,
  registry: OriginRegistry,
  since: VersionVector,
  held: readonly HeldPart[],
  options: SnapshotOptions,
): SnapshotSource {
  const { log, store } = database.parts;
  const forgotten = new Map(database.parts.forgotten.vector);
  const vector = log.durableVector;
  const has = expand(vector, since);
  const view = store.snapshot();
  // What is held may not be newer than what is adopted in the end.
  const isContinued = held.every((part) => dominates(vector, part.vector));
  const kept = held.map((part) => ({ until: part.until, has: expand(vector, part.vector) }));
  // What follows from what is listed, the receiver cannot know before it holds that.
  const adopted = new Map([...vector, ...has.lacking()]);
  const giving = { options, database, view, vector, adopted, since: has, held: isContinued ? kept : [], forgotten };
  return {
    vector: adopted,
    chunks: () => snapshotChunks(giving, registry),
    close: () => view.close(),
  };
}

async function* snapshotChunks(giving: Giving, registry: OriginRegistry): AsyncGenerator<Uint8Array> {
  const { vector, database, held, options, since, forgotten } = giving;
  // Who has not seen every delete of which no trace is left here is told the names of all documents that are.
  const isPruning = [since, ...held.map((part) => part.has)].some((seen) => !isWithin(forgotten, seen));
  const changes = isPruning ? null : await countChanges(giving);
  const isScan = changes === null;
  const begin = { vector, continues: held.length > 0, documents: changes ?? database.documents, forgotten };
  const origins = ownersOf(giving.adopted.keys(), registry);
  yield encodeChunkOf({ begin, until: NO_NAME, presence: null, origins }, new SnapshotRows());
  let filling = new Filling();
  let after: Uint8Array = NO_NAME;
  let last: Uint8Array = NO_NAME;
  const chunk = (until: Uint8Array, upTo: Uint8Array): Uint8Array => {
    const { rows, names } = filling;
    const presence = isPruning ? { after, upTo, names } : null;
    filling = new Filling();
    after = upTo;
    return encodeChunkOf({ begin: null, until, presence, origins: ownersOf(rows.origins, registry) }, rows);
  };
  for await (const steps of isScan ? scanRows(giving) : changedRows(giving)) {
    for (const step of steps) {
      last = step.until;
      filling.add(step, isPruning);
      if (filling.bytes < options.chunkBytes && filling.passed < SILENT_DOCUMENTS_MAX) continue;
      yield chunk(last, last);
    }
  }
  if (filling.rows.count > 0 || isPruning) yield chunk(last, NO_NAME);
}

/** Every document, in the order of keys. */
async function* scanRows(giving: Giving): AsyncGenerator<readonly Step[]> {
  for await (const documents of readDocuments(giving.view, giving.database.parts.db)) {
    yield documents.map(({ key, view, base }) => {
      const until = key.subarray(5);
      // To decode what is passed on as it is stored costs more than all the rest.
      const first = readFirstView(view);
      if (first !== null) return { row: isHeld(giving, until, [[first.origin, first.seq]]) ? null : first, until };
      const record = decodeView(view);
      const { vector } = record;
      if (isHeld(giving, until, vector)) return { row: null, until };
      return { row: { ...documentOf(key), vector, content: contentOf(record, base) }, until };
    });
  }
}

/** The receiver has this version of a document, in its database or aside. */
function isHeld({ since, held }: Giving, name: Uint8Array, version: Version): boolean {
  if (isCovered(version, since)) return true;
  return held.some(({ until, has }) => compareBytes(name, until) <= 0 && isCovered(version, since, has));
}

/**
 * The documents that changed, through log and index. A document that several origins changed is given with the first of them, and
 * one that an origin changed several times with the last change, so nothing has to be remembered.
 */
async function* changedRows(giving: Giving): AsyncGenerator<readonly Step[]> {
  const { database, view, vector, since } = giving;
  const versions = new Map<string, DocumentVector>();
  const stale: Uint8Array[] = [];
  const lookup = new DocumentLookup(database, view, vector);
  for (const [origin, { seq }] of wholeOf(vector)) {
    const after = since.get(origin) ?? 0;
    if (seq <= after) continue;
    const isDone = ({ name, seq }: Change): boolean => {
      const known = versions.get(name);
      return known !== undefined && !isTurn(known, since, origin, seq);
    };
    for await (const group of lookup.groups(changesAfter(view, database.parts.db, origin, after))) {
      const found = await lookup.read(group.filter((change) => !isDone(change)));
      const steps: Step[] = [];
      for (const change of group) {
        const version = versions.get(change.name) ?? found.get(change.name)?.record.vector;
        if (version === undefined) continue;
        remember(versions, change.name, version);
        const document = found.get(change.name);
        if (isDone(change)) await noteStale(database, change, version.get(origin) ?? 0, stale);
        else if (document !== undefined && !isHeld(giving, utf8.encode(change.name), version)) {
          const { collection, id } = change;
          const content = contentOf(document.record, document.base);
          steps.push({ row: { collection, id, vector: version, content }, until: NO_NAME });
        }
      }
      yield steps;
    }
  }
  await removeEntries(database.parts, stale);
}

function remember(versions: Map<string, DocumentVector>, name: string, version: DocumentVector): void {
  if (versions.size >= VERSIONS_MAX) versions.delete(versions.keys().next().value!);
  versions.set(name, version);
}

/** Is `seq` the last change by the origin, and the origin the first of those the peer lacks something of? */
function isTurn(version: DocumentVector, since: Holding, origin: OriginId, seq: number): boolean {
  if (version.get(origin) !== seq) return false;
  for (const [other, last] of version) if (other < origin && last > (since.get(other) ?? 0)) return false;
  return true;
}

async function noteStale(
  database: Database,
  { key, seq }: Change,
  current: number,
  stale: Uint8Array[],
): Promise<void> {
  if (key === null || current <= seq) return;
  stale.push(key);
  if (stale.length >= STALE_MAX) await removeEntries(database.parts, stale.splice(0));
}

/** Who holds nothing lacks everything. A damaged log does not tell what changed, so then there is no other way than a scan either. */
async function countChanges(giving: Giving): Promise<number | null> {
  const { database, vector, since, options } = giving;
  const isNothingHeld = [...wholeOf(vector)].every(([origin]) => (since.get(origin) ?? 0) === 0);
  if (isNothingHeld && database.documents > options.changesMin) return null;
  try {
    return await countUpTo(giving, Math.max(options.changesMin, database.documents / SCAN_ADVANTAGE));
  } catch (error) {
    if (isCorrupt(error)) return null;
    throw error;
  }
}

/** Changes to be looked up; `null` when there are so many that a scan is cheaper. */
async function countUpTo({ database, view, vector, since }: Giving, changesMax: number): Promise<number | null> {
  let changes = 0;
  for (const [origin, { seq }] of wholeOf(vector)) {
    const after = since.get(origin) ?? 0;
    if (seq <= after) continue;
    for await (const _ of changesAfter(view, database.parts.db, origin, after)) if (++changes > changesMax) break;
    if (changes > changesMax) return null;
  }
  return changes;
}

function isCovered(version: Version, ...holdings: readonly Holding[]): boolean {
  for (const [origin, seq] of version) if (holdings.every((has) => (has.get(origin) ?? 0) < seq)) return false;
  return true;
}

function ownersOf(origins: Iterable<OriginId>, registry: OriginRegistry): Map<OriginId, string> {
  const owners = new Map<OriginId, string>();
  for (const origin of origins) {
    const nodeId = registry.owners.get(origin);
    if (nodeId !== undefined) owners.set(origin, nodeId);
  }
  return owners;
}

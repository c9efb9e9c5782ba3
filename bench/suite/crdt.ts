/**
 * @module
 * Owns the budgets of documents as bytes and as processor time: what merging costs in state, in updates and in writes, compared
 * with the JSON itself and with a plain `Y.Map` of Yjs.
 */
import {
  CrdtDocument,
  DEFAULT_LIMITS,
  encodeStamp,
  type Change,
  type JsonObject,
  withoutHistory,
} from '../../crdt/index.ts';
import { TARGET } from '../config.ts';
import { interleave, median } from '../harness/statistic.ts';
import type { Measure } from '../report.ts';
import { loadCities } from '../workload/city.ts';
import { CHANGED_FIELD, createFlatRecord, createProfile } from '../workload/record.ts';
import { SeededRandom } from '../workload/seeded-random.ts';
import { YjsMap } from '../yardstick/yjs-map.ts';
import type { Suite, SuiteContext } from './suite.ts';

/** Client ids of nodes are that large. */
const CLIENT = 2 ** 41 + 123_456_789;
const OVERWRITTEN_FIELDS = 10;
const FLAT_BYTES = 1_024;
/** Edits of one character, at random places of a text that stays about as long. */
const TEXT_EDITS = 10_000;
const TEXT_LENGTH = 400;
/** Calls between two looks at the clock. */
const CALLS_PER_LOOK = 20;

interface Sample {
  readonly name: string;
  readonly documents: readonly JsonObject[];
  /** A number among the top-level fields. */
  readonly field: string;
}

export const crdtSuite: Suite = {
  name: 'crdt',
  question: 'What do mergeable documents cost in bytes and in time, compared with their JSON and with a plain Y.Map?',
  async run(context) {
    const samples = createSamples(context);
    const measures = samples.map(measureState);
    measures.push(...samples.map(measureUpdate), measureOverwrites(context), measureCompaction(context));
    const flat = samples.at(-1)!.documents;
    context.progress('cold writes');
    measures.push(
      await measureColdWrites(context, flat, 'update'),
      await measureColdWrites(context, flat, 'view and state'),
    );
    context.progress('hot writes');
    measures.push(
      await measureHotWrites(context, flat, 'update'),
      await measureHotWrites(context, flat, 'view and state'),
    );
    return measures;
  },
};

/** Stamps of one writer, increasing. */
let counter = 0;
function author(): { client: number; stamp: number; limits: typeof DEFAULT_LIMITS } {
  counter++;
  return { client: CLIENT, stamp: encodeStamp(Date.UTC(2026, 10, 22), 0) + counter * 5, limits: DEFAULT_LIMITS };
}

function createSamples({ config }: SuiteContext): Sample[] {
  const random = new SeededRandom(config.seed);
  const { documents } = config.crdt;
  const cities = random.shuffle(loadCities()).slice(0, documents);
  return [
    { name: 'small city', documents: cities.map(({ doc }) => doc), field: 'population' },
    {
      name: '0.6 KB nested profile',
      documents: Array.from({ length: documents }, () => createProfile(random)),
      field: 'born',
    },
    {
      name: '1 KB flat record',
      documents: Array.from({ length: documents }, () => createFlatRecord(random, FLAT_BYTES)),
      field: CHANGED_FIELD,
    },
  ];
}

function create(value: JsonObject): CrdtDocument {
  const document = CrdtDocument.create();
  document.change({ kind: 'replace', value }, author());
  return document;
}

function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function measureState({ name, documents }: Sample): Measure {
  const json = average(documents.map((value) => Buffer.byteLength(JSON.stringify(value))));
  const state = average(documents.map((value) => create(value).encode().length));
  const plain = average(documents.map((value) => YjsMap.create(value).encode().length));
  return {
    name: `state of a ${name}`,
    value: state,
    unit: 'B',
    yardstick: { name: 'JSON', value: json },
    target: { of: 'ratio', atMost: TARGET.stateRatioMax },
    detail: `Y.Map: ${plain.toFixed(0)} B`,
  };
}

function measureUpdate({ name, documents, field }: Sample): Measure {
  const sizes = documents.map(
    (value) => create(value).change({ kind: 'merge-patch', patch: { [field]: 654_321 } }, author())?.length ?? 0,
  );
  const plain = average(documents.map((value) => YjsMap.create(value).set(field, 654_321).length));
  return {
    name: `update of one number in a ${name}, largest`,
    value: Math.max(...sizes),
    unit: 'B',
    target: { of: 'value', atMost: TARGET.updateBytesMax },
    detail: `mean ${average(sizes).toFixed(1)} B; Y.Map: ${plain.toFixed(1)} B`,
  };
}

function measureOverwrites({ config }: SuiteContext): Measure {
  const document = CrdtDocument.create();
  const plain = YjsMap.create({});
  for (let write = 0; write < config.crdt.overwrites; write++) {
    const field = `field${write % OVERWRITTEN_FIELDS}`;
    document.change({ kind: 'merge-patch', patch: { [field]: write } }, author());
    plain.set(field, write);
  }
  return {
    name: `state after ${config.crdt.overwrites.toLocaleString('en-US')} overwrites of ${OVERWRITTEN_FIELDS} fields`,
    value: document.encode().length,
    unit: 'B',
    yardstick: { name: 'Y.Map', value: plain.encode().length },
    target: { of: 'value', atMost: TARGET.overwrittenBytesMax },
  };
}

/** What a text takes with its history, without it, and as a new document. */
function measureCompaction({ config }: SuiteContext): Measure {
  const random = new SeededRandom(config.seed);
  const document = CrdtDocument.create();
  const operate = (operation: object): unknown =>
    document.change({ kind: 'operations', operations: [operation] } as Change, author());
  operate({ op: 'text-insert', path: '/text', index: 0, value: 'x'.repeat(TEXT_LENGTH) });
  let length = TEXT_LENGTH;
  for (let edit = 0; edit < TEXT_EDITS; edit++) {
    const isDelete = length > TEXT_LENGTH;
    const index = random.integer(length);
    operate({
      path: '/text',
      index,
      ...(isDelete ? { op: 'text-delete', length: 1 } : { op: 'text-insert', value: 'y' }),
    });
    length += isDelete ? -1 : 1;
  }
  const before = document.encode().length;
  document.apply(withoutHistory(document, CLIENT));
  const fresh = CrdtDocument.create();
  const value = JSON.parse(document.view().json) as JsonObject;
  fresh.change({ kind: 'replace', value }, { ...author(), types: { '/text': 'text' } });
  return {
    name: `state of a text of ${length} characters after ${TEXT_EDITS.toLocaleString('en-US')} edits, compacted`,
    value: document.encode().length,
    unit: 'B',
    yardstick: { name: 'a new document', value: fresh.encode().length },
    detail: `${before.toLocaleString('en-US')} B before`,
  };
}

type Outcome = 'update' | 'view and state';

/** Load the state, change one field, take the update; for `view and state` also what a node stores. */
function measureColdWrites(
  context: SuiteContext,
  documents: readonly JsonObject[],
  outcome: Outcome,
): Promise<Measure> {
  const states = documents.map((value) => create(value).encode());
  const plainStates = documents.map((value) => YjsMap.create(value).encode());
  const atoll = (at: number): void => changeOne(CrdtDocument.load(states[at % states.length]!), at, outcome);
  const plain = (at: number): void => setOne(YjsMap.load(plainStates[at % states.length]!), at, outcome);
  return measureWrites(
    context,
    `write to a cold 1 KB document: ${outcome}`,
    atoll,
    plain,
    TARGET.coldWritesPerSecondMin,
    outcome,
  );
}

function measureHotWrites(context: SuiteContext, documents: readonly JsonObject[], outcome: Outcome): Promise<Measure> {
  const live = documents.map(create);
  const plainLive = documents.map((value) => YjsMap.create(value));
  const atoll = (at: number): void => changeOne(live[at % live.length]!, at, outcome);
  const plain = (at: number): void => setOne(plainLive[at % live.length]!, at, outcome);
  return measureWrites(
    context,
    `write to a hot 1 KB document: ${outcome}`,
    atoll,
    plain,
    TARGET.hotWritesPerSecondMin,
    outcome,
  );
}

function changeOne(document: CrdtDocument, at: number, outcome: Outcome): void {
  document.change({ kind: 'merge-patch', patch: { [CHANGED_FIELD]: 100_000 + at } }, author());
  if (outcome === 'update') return;
  if (document.encode().length + document.view().json.length < FLAT_BYTES)
    throw new Error('the document lost its fields');
}

function setOne(document: YjsMap, at: number, outcome: Outcome): void {
  document.set(CHANGED_FIELD, 100_000 + at);
  if (outcome === 'update') return;
  if (document.encode().length + document.json().length < FLAT_BYTES) throw new Error('the document lost its fields');
}

async function measureWrites(
  { config }: SuiteContext,
  name: string,
  atoll: (at: number) => void,
  plain: (at: number) => void,
  atLeast: number,
  outcome: Outcome,
): Promise<Measure> {
  const { rounds, roundMs } = config.crdt;
  timed(roundMs, atoll);
  timed(roundMs, plain);
  const { first, second } = await interleave(
    rounds,
    () => timed(roundMs, atoll),
    () => timed(roundMs, plain),
  );
  return {
    name,
    value: median(first),
    unit: '/s',
    yardstick: { name: 'Y.Map', value: median(second) },
    ...(outcome === 'update' && { target: { of: 'value', atLeast } }),
  };
}

/** Calls a second. */
function timed(durationMs: number, run: (at: number) => void): number {
  const startMs = performance.now();
  let calls = 0;
  while (performance.now() - startMs < durationMs) {
    for (const end = calls + CALLS_PER_LOOK; calls < end; calls++) run(calls);
  }
  return (calls * 1000) / (performance.now() - startMs);
}

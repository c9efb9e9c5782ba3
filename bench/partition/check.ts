/**
 * @module
 * Owns the checks after (and during) the partition: what nodes say against what clients know.
 */
import { isDeepStrictEqual } from 'node:util';
import type { AtollClient, CollectionClient } from '../../cli/client.ts';
import type { JsonObject } from '../../crdt/index.ts';
import { forEachConcurrently } from '../harness/concurrency.ts';
import type { NodeProcess } from '../harness/node-process.ts';
import { acknowledgedValues, findFault } from './expectation.ts';
import type { Journal, WriteRecord } from './journal.ts';
import {
  CITIES,
  CONTESTED_FIELD,
  COUNTER,
  COUNTERS,
  COUNTER_FIELD,
  COUNTER_START,
  DATABASE,
  type Plan,
} from './plan.ts';

const READS_IN_FLIGHT = 16;
const PAGE_DOCUMENTS = 1_000;
const FAILURES_SHOWN = 10;

export interface CheckResult {
  /** What has to hold. */
  readonly name: string;
  readonly checked: number;
  readonly failed: number;
  /** The first failures. */
  readonly failures: readonly string[];
}

/** Collects the outcome of one check. */
export class Check {
  readonly #name: string;
  #checked = 0;
  readonly #failures: string[] = [];

  constructor(name: string) {
    this.#name = name;
  }

  add(fault: string | null): void {
    this.#checked++;
    if (fault !== null) this.#failures.push(fault);
  }

  result(): CheckResult {
    const failures = this.#failures.slice(0, FAILURES_SHOWN);
    return { name: this.#name, checked: this.#checked, failed: this.#failures.length, failures };
  }
}

export function collectionOf(client: AtollClient, name: string): CollectionClient {
  return client.database(DATABASE).collection(name);
}

/** Every city on every node: visible writes, living and deleted documents, nothing else changed. */
export async function checkCities(nodes: readonly NodeProcess[], plan: Plan, journal: Journal): Promise<CheckResult> {
  const check = new Check('every city on every node is what its acknowledged writes make it');
  const bases = new Map(plan.cities.map(({ id, doc }) => [id, doc]));
  for (const node of nodes) {
    const missing = new Set(bases.keys());
    for await (const { id, doc } of collectionOf(node.client(), CITIES).list({ limit: PAGE_DOCUMENTS })) {
      const base = bases.get(id);
      check.add(
        base === undefined
          ? `${id} on ${node.name} came from nowhere`
          : tell(node, id, findFault(base, journal.of(id), doc)),
      );
      missing.delete(id);
    }
    for (const id of missing) check.add(tell(node, id, findFault(bases.get(id)!, journal.of(id), null)));
  }
  return check.result();
}

/** Cities changed in the same field on both sides: one value shown, the other readable, the same on every node. */
export async function checkConflicts(
  nodes: readonly NodeProcess[],
  plan: Plan,
  journal: Journal,
): Promise<CheckResult> {
  const check = new Check('of concurrent values one is shown and the others are readable conflicts, on every node');
  for (const node of nodes) {
    const cities = collectionOf(node.client(), CITIES);
    await forEachConcurrently(plan.contested, READS_IN_FLIGHT, async (id) => {
      const [found, conflicts] = await Promise.all([cities.get(id), cities.conflicts(id)]);
      const conflict = conflicts.find(({ path }) => path === `/${CONTESTED_FIELD}`);
      const readable = [found?.doc[CONTESTED_FIELD], ...(conflict?.others.map(({ value }) => value) ?? [])];
      const lost = acknowledgedValues(journal.of(id), CONTESTED_FIELD).filter(
        (value) => !readable.some((known) => isDeepStrictEqual(known, value)),
      );
      check.add(
        lost.length === 0 ? null : `${id} on ${node.name}: ${JSON.stringify(lost)} is neither shown nor a conflict`,
      );
    });
  }
  return check.result();
}

/** Cities changed in different fields merged without anything to decide. */
export async function checkComplementary(node: NodeProcess, plan: Plan): Promise<CheckResult> {
  const check = new Check('cities changed in different fields have no conflicts');
  const cities = collectionOf(node.client(), CITIES);
  await forEachConcurrently(plan.complementary, READS_IN_FLIGHT, async (id) => {
    const found = await cities.get(id);
    check.add(found?.conflicts === 0 ? null : `${id}: ${found?.conflicts ?? 'gone'}`);
  });
  return check.result();
}

export async function checkCounters(nodes: readonly NodeProcess[], journal: Journal): Promise<CheckResult> {
  const check = new Check('counters are exact on every node');
  for (const node of nodes) {
    for (const id of Object.values(COUNTER)) {
      const found = await collectionOf(node.client(), COUNTERS).get(id);
      check.add(tell(node, id, counterFault(journal, id, found?.doc ?? null)));
    }
  }
  return check.result();
}

/** What a node acknowledged before it was killed, read from its own disk while nobody could have helped it. */
export async function checkSurvival(
  node: NodeProcess,
  plan: Plan,
  acknowledged: readonly WriteRecord[],
  journal: Journal,
): Promise<CheckResult> {
  const check = new Check(`after kill -9, ${node.name} alone still has every write it acknowledged`);
  const client = node.client();
  const bases = new Map(plan.cities.map(({ id, doc }) => [id, doc]));
  await forEachConcurrently(acknowledged, READS_IN_FLIGHT, async (record) => {
    const { write } = record;
    if (write.kind === 'increment') {
      check.add(null);
      return;
    }
    const found = await collectionOf(client, CITIES).get(write.id);
    check.add(tell(node, write.id, findFault(bases.get(write.id)!, [record], found?.doc ?? null)));
  });
  const counter = await collectionOf(client, COUNTERS).get(COUNTER.killed);
  check.add(tell(node, COUNTER.killed, counterFault(journal, COUNTER.killed, counter?.doc ?? null)));
  return check.result();
}

function counterFault(journal: Journal, id: string, found: JsonObject | null): string | null {
  const start = id === COUNTER.shared ? COUNTER_START : 0;
  const { least, most } = journal.increments(id);
  const value = found?.[COUNTER_FIELD] ?? 0;
  const isExact = typeof value === 'number' && value >= start + least && value <= start + most;
  return isExact
    ? null
    : `is ${JSON.stringify(value)}, not ${start + least}${most > least ? ` to ${start + most}` : ''}`;
}

function tell(node: NodeProcess, id: string, fault: string | null): string | null {
  return fault === null ? null : `${id} on ${node.name} ${fault}`;
}

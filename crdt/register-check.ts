/**
 * @module
 * Owns what a Yjs client may do to the root array, judged by what it does: the document before and after. Who may write may write any JSON,
 * as over REST; nobody may change what others have written without taking its place, nor what others have counted (SPEC VW).
 */
import * as Y from 'yjs';
import { checkClaims } from './claim-check.ts';
import { talliesKnown } from './counter.ts';
import { CrdtError } from './errors.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import {
  elementName,
  KIND,
  nodePath,
  type Element,
  type Entry,
  type List,
  type Model,
  type Node,
  type Run,
  type SeenTallies,
  type SeenTally,
  type Written,
} from './model.ts';
import { FormReader } from './register-form.ts';
import { isOwnText, ROOT } from './root-name.ts';
import { exists } from './tombstone.ts';

/** Client ids from here on are those of nodes. */
const NODE_MIN = 2 ** 32;

/** What one who writes in the root array may do there. */
export interface RegisterAdmission {
  /** Writes may not come from further in the future. */
  readonly stampMax: number;
  /** The ids of a leaf, which may delete documents, and take back what it has seen deleted. Left out: of an editor, who may not. */
  readonly writers?: ReadonlySet<number>;
}

/**
 * @param doc - With the update in it.
 * @throws CrdtError `CRDT_UPDATE_FORBIDDEN`; of a leaf `CRDT_UPDATE_GAP` when it has seen what is not here.
 */
export function checkRegisters(doc: Y.Doc, before: Model, after: Model, admission: RegisterAdmission): void {
  const { writers } = admission;
  if (writers !== undefined) checkClaims(after, writers);
  checkForms(doc, before, after, admission);
  checkSurvivors(doc, before, after);
  if (writers === undefined && !exists(before)) checkTombstones(doc, before);
  checkCounters(before, after);
  checkTexts(before, after);
}

/** Everything new in the root array is of a form that clients may write. */
function checkForms(doc: Y.Doc, before: Model, after: Model, { stampMax, writers }: RegisterAdmission): void {
  const root = doc.getArray(ROOT);
  const added = new Map<number, Y.Item[]>();
  for (let item = root._start; item !== null; item = item.right) note(item);
  for (const item of root._map.values())
    if (note(item)) throw forbidden('the root array has no members', item.id.client);
  const { keyBytesMax, depthMax } = DEFAULT_LIMITS;
  for (const [client, items] of added) {
    const from = before.clocks.get(client) ?? 0;
    const end = after.clocks.get(client) ?? 0;
    const mayDelete = writers !== undefined;
    const reader = new FormReader({ stampMax, end, keyBytesMax, segmentsMax: depthMax + 1, mayDelete });
    for (const { id, content } of items.sort((a, b) => a.id.clock - b.id.clock)) {
      if (!(content instanceof Y.ContentAny)) throw forbidden('only elements belong in the root array', client);
      (content.arr as readonly unknown[]).forEach((value, index) => {
        const clock = id.clock + index;
        const refusal = clock < from ? null : reader.refusal(clock, value);
        if (refusal !== null) throw forbidden(refusal, client);
      });
    }
  }

  function note(item: Y.Item): boolean {
    const { client } = item.id;
    if (item.deleted || item.id.clock + item.length <= (before.clocks.get(client) ?? 0)) return false;
    const items = added.get(client);
    if (items === undefined) added.set(client, [item]);
    else items.push(item);
    return true;
  }
}

/** Where something that is written stands, and as what. */
interface Place {
  readonly written: Written;
  readonly kind: number;
  readonly node: Node;
  readonly list: List | null;
}

const SLOT = -1;
const MOVE = -2;

/** What was there and is not deleted means what it meant: headers go with what follows them, and not before. */
function checkSurvivors(doc: Y.Doc, before: Model, after: Model): void {
  const headers = new Map([...after.runs].map((run) => [runKey(run), run]));
  const isWhole = (run: Run): boolean => headers.get(runKey(run))?.live === run.live;
  const clients = new Set<number>();
  for (const run of before.runs) if (!isWhole(run)) clients.add(run.client);
  if (clients.size === 0) return;
  const places = new Map<string, Place>();
  for (const place of placesOf(after))
    if (clients.has(place.written.run.client)) places.set(keyOf(place.written), place);
  for (const place of placesOf(before)) {
    const { run, clock } = place.written;
    if (!clients.has(run.client) || isWhole(run)) continue;
    const now = places.get(keyOf(place.written));
    const stands = now === undefined ? Y.getItem(doc.store, Y.createID(run.client, clock)).deleted : isSame(place, now);
    if (!stands) throw forbidden('it changes what another write says', run.client);
  }
}

function isSame(a: Place, b: Place): boolean {
  const ofA = a.written.run;
  const ofB = b.written.run;
  return (
    a.kind === b.kind &&
    ofA.clock === ofB.clock &&
    ofA.stamp === ofB.stamp &&
    ofA.creation === ofB.creation &&
    a.list?.generation === b.list?.generation &&
    nodePath(a.node) === nodePath(b.node)
  );
}

function* placesOf(model: Model): Generator<Place> {
  for (const node of nodesOf(model.root, true)) {
    for (const entry of node.entries) {
      if (entry.clock >= 0) yield { written: entry, kind: entry.kind, node, list: entry.list };
    }
    for (const { written, list, kind } of slotsOf(node)) yield { written, kind, node, list };
  }
}

function* slotsOf(node: Node): Generator<{ written: Element | Written; list: List; kind: number }> {
  for (const list of node.lists ?? []) {
    for (const element of list.elements) {
      yield { written: element, list, kind: SLOT };
      for (const move of element.moves) yield { written: move, list, kind: MOVE };
    }
  }
}

/** Who has not seen a delete cannot take it back, and who begins anew does so with the node. */
function checkTombstones(doc: Y.Doc, before: Model): void {
  for (const { run, clock } of before.tombstones) {
    if (Y.getItem(doc.store, Y.createID(run.client, clock)).deleted)
      throw forbidden('it takes back that the document was deleted', run.client);
  }
}

/** What is known of the tallies at a path only grows, and nobody claims to have seen what was not there. */
function checkCounters(before: Model, after: Model): void {
  const known = countersOf(before);
  const now = countersOf(after);
  const elements = new Set<string>();
  if (known.size > 0)
    for (const node of nodesOf(after.root, false)) if (node.elementId) elements.add(elementName(node.elementId));
  for (const [path, { node, tallies }] of known) {
    if (!isWithin(node, elements)) continue;
    for (const [holder, seen] of tallies) {
      if (!covers(now.get(path)?.tallies.get(holder), seen))
        throw forbidden('it forgets what others have counted', holder);
    }
  }
  for (const [path, { node }] of now) {
    for (const { run, clock, seen } of node.entries) {
      if (seen === null || clock < (before.clocks.get(run.client) ?? 0)) continue;
      for (const [holder, pair] of seen) {
        if (holder === run.client || isTrue(holder, pair, known.get(path)?.tallies)) continue;
        throw forbidden('it says that others have counted what they have not', holder);
      }
    }
  }

  function isTrue(holder: number, pair: SeenTally, tallies: SeenTallies | undefined): boolean {
    // What came and went with this update, as changes of somebody who was offline with it.
    if (holder < NODE_MIN && pair.clock >= (before.clocks.get(holder) ?? 0))
      return pair.clock < (after.clocks.get(holder) ?? 0);
    return covers(tallies?.get(holder), pair);
  }
}

/** Is this at least as much? Of one clock there is one tally. */
function covers(known: SeenTally | undefined, seen: SeenTally): boolean {
  if (known === undefined || known.clock < seen.clock) return false;
  return known.clock > seen.clock || known.tally === seen.tally;
}

function countersOf(model: Model): Map<string, { readonly node: Node; readonly tallies: SeenTallies }> {
  const counters = new Map<string, { readonly node: Node; readonly tallies: SeenTallies }>();
  for (const node of nodesOf(model.root, false)) {
    const tallies = talliesKnown(node, Number.MAX_SAFE_INTEGER);
    if (tallies !== null) counters.set(nodePath(node), { node, tallies });
  }
  return counters;
}

/** Are all elements that a node lies within still there? */
function isWithin(node: Node, elements: ReadonlySet<string>): boolean {
  for (let at: Node | null = node; at !== null; at = at.parent) {
    if (at.elementId !== null && !elements.has(elementName(at.elementId))) return false;
  }
  return true;
}

/** The root text of an entry is one that was made for its place. */
function checkTexts(before: Model, after: Model): void {
  for (const node of nodesOf(after.root, true)) {
    for (const entry of node.entries)
      if (!isOwnPlace(entry)) throw forbidden('it shows a text at two places', entry.run.client);
  }

  function isOwnPlace({ kind, clock, run, value, node }: Entry): boolean {
    if (kind !== KIND.text || clock < (before.clocks.get(run.client) ?? 0)) return true;
    const name = value as string;
    if (!isOwnText(name)) return name === '' || (node.parent === after.root && node.key === name);
    const [client, begun] = name
      .slice(1)
      .split('.')
      .map((part) => Number.parseInt(part, 36)) as [number, number];
    return begun < (after.clocks.get(client) ?? 0);
  }
}

/** All nodes; `orphans`: also below deleted elements. */
function* nodesOf(node: Node, orphans: boolean): Generator<Node> {
  yield node;
  for (const child of node.children?.values() ?? []) yield* nodesOf(child, orphans);
  for (const list of node.lists ?? []) for (const element of list.elements) yield* nodesOf(element.node, orphans);
  if (orphans) for (const orphan of node.orphans ?? []) yield* nodesOf(orphan, orphans);
}

function runKey({ client, clock }: Run): string {
  return `${client}.${clock}`;
}

function keyOf({ run, clock }: Written): string {
  return `${run.client}.${clock}`;
}

function forbidden(reason: string, client: number): CrdtError {
  return new CrdtError('CRDT_UPDATE_FORBIDDEN', reason, { details: { client, isTaken: false } });
}

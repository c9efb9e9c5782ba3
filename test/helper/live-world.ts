/**
 * @module
 * Owns a small world of nodes and pages with one document: nodes write as REST does, pages write JSON and edit shared types, offline until
 * they meet a node, and may meet another one the next time. No transport, no clock: every choice is an argument.
 */
import * as Y from 'yjs';
import { CrdtError, encodeStamp, openDocument, stampMs, mergeClient } from '../../crdt/index.ts';
import type {
  Change,
  ClientAdmission,
  JsonChange,
  JsonObject,
  JsonValue,
  LiveDocument,
  LiveWrite,
} from '../../crdt/index.ts';
import { createReplicas, settle, type DocumentReplica, type ReplicaOptions } from './crdt-replicas.ts';

const ADMISSION: ClientAdmission = { isReadOnly: false, bytesMax: 16_000_000 };
const START = stampMs(encodeStamp(Date.UTC(2026, 0), 0));

/** A page: a Y.Doc, its JSON, and what its observer was told. */
export class Page {
  readonly doc: Y.Doc = new Y.Doc();
  readonly live: LiveDocument<JsonObject>;
  /** What the events make of an empty page. */
  told: JsonValue | undefined = undefined;
  readonly events: (readonly JsonChange[])[] = [];

  constructor(client: number, now: () => number, types: ReplicaOptions['types']) {
    this.doc.clientID = client;
    this.live = openDocument<JsonObject>(this.doc, { now, ...(types && { types }) });
    this.live.observe(({ changes }) => {
      this.events.push(changes);
      for (const change of changes) this.told = applied(this.told, change);
    });
  }

  /** Returns the refusal, if any; a refused write must leave the page alone. */
  tryWrite(change: LiveWrite): CrdtError | null {
    const before = Y.encodeStateAsUpdate(this.doc);
    try {
      this.live.write(change);
      return null;
    } catch (error) {
      if (!(error instanceof CrdtError)) throw error;
      if (Buffer.compare(before, Y.encodeStateAsUpdate(this.doc)) !== 0)
        throw new Error('a refused write wrote', { cause: error });
      return error;
    }
  }
}

export class LiveWorld {
  readonly nodes: readonly DocumentReplica[];
  readonly pages: readonly Page[];
  /** Milliseconds. */
  time: number = START;

  constructor(nodes: number, pages: number, options: ReplicaOptions = {}) {
    this.nodes = createReplicas(nodes, () => options);
    this.pages = Array.from({ length: pages }, (_, index) => new Page(100 + index, () => this.time, options.types));
  }

  get stamp(): number {
    return encodeStamp(this.time, 0);
  }

  write(node: number, change: Change): void {
    this.time++;
    try {
      this.nodes[node]!.write(change, this.stamp);
    } catch (error) {
      if (!(error instanceof CrdtError)) throw error;
    }
  }

  /** A page meets a node: both have what the other had, unless the node lacks what the page builds on. */
  meet(page: Page, node: DocumentReplica): boolean {
    this.time++;
    const { document } = node;
    const known = document.encodeStateVector();
    const shown = document.view().exists ? document.encodeDiff(Y.encodeStateVector(page.doc)) : null;
    try {
      this.send(Y.encodeStateAsUpdate(page.doc, known), node);
    } catch (error) {
      if (error instanceof CrdtError && error.code === 'CRDT_UPDATE_GAP') return false;
      throw error;
    }
    if (shown !== null) Y.applyUpdate(page.doc, shown, 'provider');
    // What the node made of it, as it is told to all who are here.
    if (document.view().exists) Y.applyUpdate(page.doc, document.encodeDiff(Y.encodeStateVector(page.doc)), 'provider');
    return true;
  }

  /** Gives a node an update of a client. */
  send(update: Uint8Array, node: DocumentReplica): void {
    const author = { client: node.client, stamp: this.stamp };
    for (const effect of mergeClient(node.document, update, ADMISSION, author)) node.record(effect);
  }

  /** Everybody meets everybody. */
  settle(): void {
    for (let round = 0; round < 3; round++) {
      settle(this.nodes);
      for (const page of this.pages) if (!this.meet(page, this.nodes[0]!)) throw new Error('a page is left behind');
    }
    settle(this.nodes);
  }
}

/** Applies one operation of a JSON Patch to frozen JSON. */
export function applied(json: JsonValue | undefined, { op, path, value }: JsonChange): JsonValue | undefined {
  const copy = json === undefined ? undefined : (JSON.parse(JSON.stringify(json)) as JsonValue);
  const segments = path
    .split('/')
    .slice(1)
    .map((each) => each.replaceAll('~1', '/').replaceAll('~0', '~'));
  const last = segments.pop();
  if (last === undefined) return op === 'remove' ? undefined : value;
  let at = copy as Record<string, JsonValue>;
  for (const segment of segments) at = at[segment] as Record<string, JsonValue>;
  if (Array.isArray(at)) {
    if (op === 'add') at.splice(Number(last), 0, value);
    else if (op === 'remove') at.splice(Number(last), 1);
    else at[Number(last)] = value;
  } else if (op === 'remove') {
    delete at[last];
  } else {
    Object.defineProperty(at, last, { value, enumerable: true, configurable: true, writable: true });
  }
  return copy;
}

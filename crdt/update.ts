/**
 * @module
 * Owns checks on updates (Yjs v1 bytes) before they touch a document: Yjs applies half of a truncated update, parks what has a
 * gap for ever, and lets anyone delete another client's future (SPEC CR13).
 */
import * as Y from 'yjs';
import { assert } from './assert.ts';
import { ByteReader } from './byte-reader.ts';
import { CrdtError } from './errors.ts';
import { decodeDelta, encodeDelta, isDelta } from './generation-delta.ts';
import { applyTo, createDoc, hasGap } from './yjs-state.ts';

export interface ClockRange {
  /** First clock. */
  readonly from: number;
  /** Clock after the last. */
  readonly to: number;
}

/** What an update carries. @public */
export interface UpdateInspection {
  /** Client id to the clocks of its new structs. */
  readonly clients: ReadonlyMap<number, ClockRange>;
  /** Client id to the ranges of clocks it deletes. */
  readonly deletes: ReadonlyMap<number, readonly ClockRange[]>;
  /** Client id to the clock it must have reached before, for everything the update builds on. */
  readonly needs: ReadonlyMap<number, number>;
  readonly structs: number;
}

/**
 * Decodes an update without applying it.
 *
 * @throws CrdtError `CRDT_UPDATE_MALFORMED`, also for trailing bytes and for gaps inside one client.
 */
export function inspectUpdate(update: Uint8Array): UpdateInspection {
  return inspectDecoded(decodeUpdate(update));
}

/** @throws CrdtError `CRDT_UPDATE_MALFORMED` for gaps inside one client, and for structs that wait for each other. */
export function inspectDecoded({ structs, ds }: DecodedUpdate): UpdateInspection {
  const clients = new Map<number, ClockRange>();
  const needs = new Map<number, number>();
  const need = (id: { readonly client: number; readonly clock: number } | null): void => {
    if (id !== null && id.clock >= (needs.get(id.client) ?? 0)) needs.set(id.client, id.clock + 1);
  };
  for (const struct of structs) {
    const { client, clock } = struct.id;
    const range = clients.get(client);
    if (struct instanceof Y.Skip || (range !== undefined && range.to !== clock)) throw malformed('it has a gap inside');
    clients.set(client, { from: range?.from ?? clock, to: clock + struct.length });
    if (struct instanceof Y.Item) {
      need(struct.origin);
      need(struct.rightOrigin);
      if (struct.parent instanceof Y.ID) need(struct.parent);
    }
  }
  if (clients.size > 1 && hasCircle(structs, clients)) throw malformed('its structs wait for each other');
  const deletes = new Map<number, ClockRange[]>();
  for (const [client, ranges] of ds.clients) {
    deletes.set(
      client,
      ranges.map(({ clock, len }) => ({ from: clock, to: clock + len })),
    );
  }
  return { clients, deletes, needs, structs: structs.length };
}

/**
 * Checks that an update can be applied whole on top of known clocks.
 *
 * @throws CrdtError `CRDT_UPDATE_GAP` (details: client, clock, known): something it builds on is missing.
 */
export function checkContiguous(inspection: UpdateInspection, clocks: ReadonlyMap<number, number>): void {
  const known = (client: number): number => clocks.get(client) ?? 0;
  const reached = (client: number): number => Math.max(known(client), inspection.clients.get(client)?.to ?? 0);
  for (const [client, { from }] of inspection.clients) {
    if (from > known(client)) throw gap(client, from, known(client));
  }
  for (const [client, clock] of inspection.needs) {
    if (clock > reached(client)) throw gap(client, clock, reached(client));
  }
  for (const [client, ranges] of inspection.deletes) {
    for (const { to } of ranges) {
      if (to > reached(client)) throw gap(client, to, reached(client));
    }
  }
}

/** Can an update be applied to an empty document, so that it builds on nothing that was there before? */
export function standsAlone(update: Uint8Array): boolean {
  try {
    const head = new ByteReader(update);
    if (head.varUint() === 0) return false;
    head.varUint();
    head.varUint();
    // Most updates continue what their author has written: no need to decode them.
    if (head.varUint() !== 0) return false;
    checkContiguous(inspectUpdate(update), new Map());
    return true;
  } catch (error) {
    // Malformed, too: who applies it says so.
    if (error instanceof CrdtError || error instanceof RangeError) return false;
    throw error;
  }
}

/**
 * Re-encodes a state through a fresh document, collecting what it can: replicas that hold the same writes get the same bytes.
 *
 * @throws CrdtError `CRDT_UPDATE_MALFORMED` or `CRDT_UPDATE_GAP`.
 */
export function normaliseState(state: Uint8Array): Uint8Array {
  if (!isDelta(state)) return normaliseYjs(state);
  const { core, successors, ...rest } = decodeDelta(state);
  return encodeDelta({
    ...rest,
    core: core === null ? null : normaliseYjs(core),
    successors: successors.map((successor) => ({ ...successor, bytes: normaliseYjs(successor.bytes) })),
  });
}

function normaliseYjs(state: Uint8Array): Uint8Array {
  checkContiguous(inspectUpdate(state), new Map());
  const doc = createDoc();
  applyTo(doc, state);
  assert(!hasGap(doc), 'a checked state has no gap');
  return Y.encodeStateAsUpdate(doc);
}

/** Joins updates into one; nothing is collected. */
export function mergeUpdates(updates: readonly Uint8Array[]): Uint8Array {
  return Y.mergeUpdates([...updates]);
}

/** Tells whether structs build on each other in a circle: no order of applying them exists, and Yjs would apply a part. */
function hasCircle(structs: DecodedUpdate['structs'], clients: ReadonlyMap<number, ClockRange>): boolean {
  const queues = new Map<number, DecodedUpdate['structs'][number][]>();
  for (const struct of structs) {
    const queue = queues.get(struct.id.client);
    if (queue === undefined) queues.set(struct.id.client, [struct]);
    else queue.push(struct);
  }
  const next = new Map<number, number>();
  for (const client of queues.keys()) next.set(client, 0);
  const isReady = (id: unknown): boolean => {
    if (!(id instanceof Y.ID)) return true;
    const range = clients.get(id.client);
    if (range === undefined || id.clock < range.from) return true;
    const waiting = queues.get(id.client)?.[next.get(id.client) as number];
    return waiting === undefined || id.clock < waiting.id.clock;
  };
  for (let isMoving = true; isMoving;) {
    isMoving = false;
    for (const [client, queue] of queues) {
      let index = next.get(client) as number;
      for (; index < queue.length; index++) {
        const struct = queue[index] as Y.Item;
        if (
          struct instanceof Y.Item &&
          !(isReady(struct.origin) && isReady(struct.rightOrigin) && isReady(struct.parent))
        )
          break;
        next.set(client, index + 1);
        isMoving = true;
      }
    }
  }
  return [...queues].some(([client, queue]) => (next.get(client) as number) < queue.length);
}

export interface DecodedUpdate {
  readonly structs: readonly (Y.Item | Y.GC | Y.Skip)[];
  readonly ds: { readonly clients: ReadonlyMap<number, readonly { readonly clock: number; readonly len: number }[]> };
}

/** Notes the decoder that Yjs makes. One class for all updates: each of its own would be of another shape to every reader in Yjs. */
class ObservedDecoder extends Y.UpdateDecoderV1 {
  static latest: Y.UpdateDecoderV1 | null = null;

  constructor(...parameters: ConstructorParameters<typeof Y.UpdateDecoderV1>) {
    super(...parameters);
    ObservedDecoder.latest = this;
  }
}

/** @throws CrdtError `CRDT_UPDATE_MALFORMED`, also for trailing bytes. */
export function decodeUpdate(update: Uint8Array): DecodedUpdate {
  try {
    const decoded = Y.decodeUpdateV2(update, ObservedDecoder) as DecodedUpdate;
    const { restDecoder } = ObservedDecoder.latest!;
    // Yjs ignores trailing bytes, and so reads v2 bytes as an empty v1 update.
    if (restDecoder.pos === restDecoder.arr.length) return decoded;
  } catch (cause) {
    throw malformed('it cannot be decoded', cause);
  } finally {
    ObservedDecoder.latest = null;
  }
  throw malformed('bytes follow its end');
}

function malformed(reason: string, cause?: unknown): CrdtError {
  return new CrdtError('CRDT_UPDATE_MALFORMED', `not a Yjs v1 update: ${reason}`, { cause });
}

function gap(client: number, clock: number, known: number): CrdtError {
  return new CrdtError(
    'CRDT_UPDATE_GAP',
    `the update builds on clock ${clock} of client ${client}, but only ${known} are known`,
    {
      retryable: true,
      details: { client, clock, known },
    },
  );
}

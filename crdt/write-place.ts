/**
 * @module
 * Owns where a write is in each generation of its document, and what taking it back is there.
 */
import type { Change, DuplicateWrite, WritePlace } from './change.ts';
import type { Coverage } from './coverage.ts';
import { decodeDelta, type GenerationName } from './generation-delta.ts';
import type { PlacedWrite } from './retract.ts';
import { inspectUpdate } from './update.ts';

/** Clocks that a write of a client took, in each generation it was made for; none when it wrote nothing. */
export function placesOf(update: Uint8Array | null, client: number): readonly WritePlace[] {
  if (update === null) return [];
  const { generation, core, successors } = decodeDelta(update);
  const places: WritePlace[] = [];
  const add = ({ number, id }: GenerationName, bytes: Uint8Array): void => {
    const range = inspectUpdate(bytes).clients.get(client);
    if (range !== undefined) places.push([number, id, range.from, range.to]);
  };
  if (core !== null) add(generation, core);
  for (const { id, bytes } of successors) add({ number: generation.number + 1, id }, bytes);
  return places;
}

/** Null when the write is not in that generation. */
export function placeIn(id: string, { client, places, increments, operation }: DuplicateWrite): PlacedWrite | null {
  const place = places.find(([, name]) => name === id);
  return place === undefined ? null : { client, increments, operation, from: place[2], to: place[3] };
}

/** A generation, or a successor. */
export interface CopiedGeneration {
  readonly id: string;
  /** What the copy that it began with includes; what was taken along since is not part of that. */
  readonly copied: Coverage;
  readonly covers: Coverage;
}

/**
 * What a change is in one of the generations; only what is taken back has a place. Null when it is nothing there: of what was copied, only
 * one is in the copy of writes that are the same, since whoever held them had taken the others back.
 */
export function changeIn({ id, copied, covers }: CopiedGeneration, change: Change): Change | null {
  if (change.kind !== 'retract') return change;
  const { duplicate } = change;
  const isBack = covers.has(duplicate.operation) || duplicate.twins.some((twin) => areWithin(copied, duplicate, twin));
  const isCounted = isWithin(covers, duplicate) && !isBack;
  const placed = placeIn(id, duplicate) ?? (isCounted ? { from: 0, to: 0 } : null);
  return placed && { kind: 'retract', duplicate: { ...duplicate, places: [[0, '', placed.from, placed.to]] } };
}

type Placed = Pick<DuplicateWrite, 'client' | 'places'>;

function areWithin(coverage: Coverage, ...writes: readonly Placed[]): boolean {
  return writes.every((write) => isWithin(coverage, write));
}

function isWithin(coverage: Coverage, { client, places }: Placed): boolean {
  const known = coverage.get(client);
  if (known === undefined) return false;
  // The first write to a document has no place, and is before all others of its client.
  if (places.length === 0) return true;
  return places.some(
    ([number, , , to]) => number < known.generation || (number === known.generation && to <= known.clock),
  );
}

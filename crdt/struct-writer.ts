/**
 * @module
 * Owns writing structs of Yjs as a v1 update, where they are not to be written as they stand in a Y.Doc.
 */
import { writeVarUint } from 'lib0/encoding';
import * as Y from 'yjs';

export type Struct = Y.Item | Y.GC;
type DeletedRanges = ReadonlyMap<number, readonly { readonly clock: number; readonly len: number }[]>;

/** Returns an item that stands elsewhere. What is in it is shared. */
export function withPlace(
  { id, content, parentSub }: Y.Item,
  { origin, rightOrigin, parent }: { origin: Y.ID | null; rightOrigin: Y.ID | null; parent: unknown },
): Y.Item {
  return new Y.Item(id, null, origin, null, rightOrigin, parent as Y.ID, parentSub, content);
}

/**
 * @param clients - Client id to its structs, by clock and without gaps.
 * @returns The update, clients in the order of Yjs.
 */
export function encodeStructs(clients: ReadonlyMap<number, readonly Struct[]>, deletes: DeletedRanges): Uint8Array {
  const encoder = new Y.UpdateEncoderV1();
  const { restEncoder } = encoder;
  const descending = <T>(map: ReadonlyMap<number, T>): [number, T][] => [...map].sort(([a], [b]) => b - a);
  writeVarUint(restEncoder, clients.size);
  for (const [client, structs] of descending(clients)) {
    writeVarUint(restEncoder, structs.length);
    writeVarUint(restEncoder, client);
    writeVarUint(restEncoder, structs[0]?.id.clock ?? 0);
    for (const struct of structs) struct.write(encoder, 0);
  }
  writeVarUint(restEncoder, deletes.size);
  for (const [client, ranges] of descending(deletes)) {
    writeVarUint(restEncoder, client);
    writeVarUint(restEncoder, ranges.length);
    for (const { clock, len } of ranges) {
      writeVarUint(restEncoder, clock);
      writeVarUint(restEncoder, len);
    }
  }
  return encoder.toUint8Array();
}

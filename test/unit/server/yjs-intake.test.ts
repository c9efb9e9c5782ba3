import { expect, test } from 'vitest';
import type { ClientEdit } from '../../../crdt/index.ts';
import type { SharedDocument } from '../../../sync/index.ts';
import { Intake } from '../../../server/yjs/intake.ts';
import type { Member } from '../../../server/yjs/room.ts';

const ANN = { name: 'ann', grant: { isReadOnly: false } } as unknown as Member;
const BEN = { name: 'ben', grant: { isReadOnly: false } } as unknown as Member;

/** Takes what nobody else writes as: the first byte of an update is the client. */
function judge(edits: readonly ClientEdit[]): Map<ClientEdit, unknown> {
  const refused = new Map<ClientEdit, unknown>();
  for (const edit of edits) if (edit.admission.isTaken!(edit.update[0]!)) refused.set(edit, 'taken');
  return refused;
}

function intakeOver(merge: (edits: readonly ClientEdit[]) => Map<ClientEdit, unknown>): {
  readonly intake: Intake;
  readonly outcomes: unknown[];
} {
  const outcomes: unknown[] = [];
  const intake = new Intake({
    document: { merge } as unknown as SharedDocument,
    bytesMax: 1000,
    isTaken: (client) => client === 9,
    onMerged: ({ update }, error) => outcomes.push([update[0], error]),
  });
  return { intake, outcomes };
}

test('[YJ80] of two clients that begin with one id before either is merged, one is not the other', () => {
  const { intake, outcomes } = intakeOver(judge);
  intake.add(ANN, Uint8Array.of(7), false);
  intake.add(BEN, Uint8Array.of(7), false);
  intake.add(ANN, Uint8Array.of(7), false);
  intake.add(BEN, Uint8Array.of(9), false);
  intake.add(BEN, Uint8Array.of(7), true);
  intake.merge();
  expect(outcomes).toEqual([
    [7, null],
    [7, 'taken'],
    [7, null],
    [9, 'taken'],
    // An answer may bring what others wrote.
    [7, null],
  ]);
  // Who writes under it from now on is known by the room.
  intake.add(BEN, Uint8Array.of(7), false);
  intake.merge();
  expect(outcomes.at(-1)).toEqual([7, null]);
});

test('[YJ80] a node that takes nothing just now says so to each who wrote, and to nobody who may only read', () => {
  const { intake, outcomes } = intakeOver((edits) => {
    if (edits.some(({ admission }) => !admission.isReadOnly)) throw new Error('not now');
    return new Map();
  });
  intake.add(ANN, Uint8Array.of(1), false);
  intake.add({ ...BEN, grant: { isReadOnly: true } } as unknown as Member, Uint8Array.of(2), false);
  intake.add(BEN, Uint8Array.of(3), false);
  intake.merge();
  expect(outcomes).toEqual([
    [1, new Error('not now')],
    [2, null],
    [3, new Error('not now')],
  ]);
});

test('[YJ80] what waits has at most 64 KiB', () => {
  const { intake } = intakeOver(judge);
  intake.add(ANN, new Uint8Array(65_536), false);
  expect(intake.isFull).toBe(false);
  intake.add(ANN, new Uint8Array(1), false);
  expect(intake.isFull).toBe(true);
  intake.merge();
  expect(intake.isFull).toBe(false);
});

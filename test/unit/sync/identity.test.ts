import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { computeHorizon } from '../../../sync/horizon.ts';
import { Roster } from '../../../sync/link/roster.ts';
import { MemberProgress } from '../../../sync/member-progress.ts';
import { MemoryStore } from '../../../sync/index.ts';
import { createJoinToken, parseJoinToken, sealSecret, unsealSecret } from '../../../sync/protocol/admission.ts';
import { seededRandom } from '../../helper/manual-ports.ts';

describe('the roster of processes', () => {
  test('[ID2] a process that returns after its successor proves that the successor is a copy', () => {
    const roster = new Roster();
    const early = roster.nextMoment();
    expect(roster.see('n', 'a', roster.nextMoment())).toBe('current');
    expect(roster.see('n', 'a', roster.nextMoment())).toBe('current');
    expect(roster.see('n', 'b', roster.nextMoment())).toBe('restarted');
    expect(roster.see('n', 'a', early)).toBe('unproven');
    expect(roster.see('n', 'a', roster.nextMoment())).toBe('returned');
    expect(roster.see('n', 'b', roster.nextMoment())).toBe('copy');
    expect(roster.see('n', 'c', roster.nextMoment())).toBe('restarted');
    expect(roster.see('other', 'a', roster.nextMoment())).toBe('current');
  });

  test('[ID2] processes that follow one another are never taken for copies, in whatever order their last words come', () => {
    const lives = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 6 });
    const property = fc.property(lives, fc.array(fc.nat(), { maxLength: 6 }), (connections, delays) => {
      const roster = new Roster();
      const late: { boot: string; openedAt: number }[] = [];
      connections.forEach((count, life) => {
        for (let i = 0; i < count; i++) {
          const openedAt = roster.nextMoment();
          // The proof of a process that died may still be on its way.
          if (delays.includes(late.length + i)) late.push({ boot: `p${life}`, openedAt });
          else expect(['current', 'restarted']).toContain(roster.see('n', `p${life}`, openedAt));
        }
      });
      for (const { boot, openedAt } of late) {
        expect(['current', 'restarted', 'unproven']).toContain(roster.see('n', boot, openedAt));
      }
    });
    fc.assert(property, { seed: 5, numRuns: 300 });
  });
});

describe('join tokens', () => {
  test('[ID9] a sealed secret opens with its token on its connection only, and changed not at all', () => {
    const token = createJoinToken(seededRandom(1));
    expect(parseJoinToken(token.text)).toEqual({ id: token.id, key: token.key });
    expect(parseJoinToken(`${token.text}0`)).toBeNull();
    const transcript = new Uint8Array(32).fill(1);
    const secrets = fc.uint8Array({ maxLength: 200 });
    const property = fc.property(secrets, fc.nat(), (secret, place) => {
      const sealed = sealSecret(token.key, transcript, secret);
      expect(unsealSecret(token.key, transcript, sealed)).toEqual(secret);
      expect(unsealSecret(new Uint8Array(32), transcript, sealed)).toBeNull();
      expect(unsealSecret(token.key, new Uint8Array(32), sealed)).toBeNull();
      sealed[place % sealed.length]! ^= 1;
      expect(unsealSecret(token.key, transcript, sealed)).toBeNull();
    });
    fc.assert(property, { seed: 5, numRuns: 100 });
  });
});

describe('the stability horizon', () => {
  const chain = new Uint8Array(16);
  const vectors = fc.dictionary(fc.constantFrom('1', '2', '3', '4'), fc.integer({ min: 1, max: 9 }));
  const holdingOf = (vector: Record<string, number>): Map<number, number> =>
    new Map(Object.entries(vector).map(([origin, seq]) => [Number(origin), seq]));

  test('[ID12] is the greatest position that this node and every member that counts holds', () => {
    const property = fc.property(vectors, fc.array(vectors, { maxLength: 4 }), (own, others) => {
      const vector = new Map([...holdingOf(own)].map(([origin, seq]) => [origin, { seq, chain }]));
      const members = others.map((other, i) => ({ node: `n${i}`, holding: holdingOf(other) }));
      const horizon = computeHorizon(vector, members);
      for (const origin of [1, 2, 3, 4]) {
        const least = Math.min(own[origin] ?? 0, ...others.map((other) => other[origin] ?? 0));
        expect(horizon.vector.get(origin) ?? 0).toBe(least);
      }
      const blocking = horizon.blockers.map(({ node }) => node).sort();
      const behind = members.filter(({ holding }) => [...vector].some(([o, { seq }]) => seq > (holding.get(o) ?? 0)));
      expect(blocking).toEqual(behind.map(({ node }) => node).sort());
      expect(horizon.entries === 0).toBe(behind.length === 0);
    });
    fc.assert(property, { seed: 5, numRuns: 300 });
  });

  test('[ID10] what members hold is read back as it was saved, and the last word replaces the one before', async () => {
    const store = new MemoryStore();
    const progress = await MemberProgress.open(store);
    progress.noteHoldings('n', new Map([['app.0', new Map([[2 ** 33, 7]])]]), 1000);
    progress.noteHoldings('n', new Map([['app.0', new Map([[2 ** 33, 5]])]]), 2000);
    progress.noteSeen('m', 3000);
    progress.noteSeen('gone', 3000);
    await progress.save();
    progress.forget('gone');
    await progress.save();
    const again = await MemberProgress.open(store);
    expect(again.holdingsOf('n')).toEqual(new Map([['app.0', new Map([[2 ** 33, 5]])]]));
    expect([again.seenMsOf('n'), again.seenMsOf('m'), again.seenMsOf('gone')]).toEqual([2000, 3000, null]);
  });
});

/**
 * @module
 * Owns the turns of the event loop of a simulated process: what is to run soon runs when the present turn ends, after all that was under way
 * and in the order in which it was asked for. In between there may be time, in which messages arrive and disks answer.
 */
import type { Timers } from '../../sync/port.ts';
import type { SeededRandom } from './seeded-random.ts';

/** Milliseconds that turns take at most. As in browsers, a process of the first kind knows no turns and goes on at once. */
const KINDS = [null, 0, 1, 8] as const;

/**
 * @param now - Virtual milliseconds.
 * @returns Undefined for a platform without such turns.
 */
export function drawTurns(random: SeededRandom, now: () => number, after: Timers['after']): Timers['soon'] {
  const msMax = random.pick(KINDS);
  if (msMax === null) return undefined;
  let endsAt = -1;
  return (run) => {
    if (endsAt <= now()) endsAt = now() + random.float() * msMax;
    after(endsAt - now(), run);
  };
}

/**
 * @module
 * The first half of the simulated clusters; see seed-tests.ts.
 */
import { testSeeds } from './seed-tests.ts';

testSeeds(
  '[I1] [I2] [I3] [I4] [I6] [I9] [I10] [I13] [L1] [L2] [CR13] [CR14] [CR15] simulated clusters keep every promise',
  0,
  2,
);

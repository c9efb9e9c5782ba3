/**
 * @module
 * The first half of the simulated clusters; see seed-tests.ts.
 */
import { testSeeds } from './seed-tests.ts';

testSeeds(0, 2);

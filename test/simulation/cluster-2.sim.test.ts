/**
 * @module
 * The second half of the simulated clusters, so that two processors share the work; see seed-tests.ts.
 */
import { testSeeds } from './seed-tests.ts';

testSeeds('[I5] simulated clusters keep every promise', 1, 2);

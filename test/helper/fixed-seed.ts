/**
 * @module
 * Owns the seed of property tests that name none: the same in every run, so that a failure is of the change and not of the day.
 * `SEED=N` looks elsewhere. Loaded before the tests of the projects that use fast-check.
 */
import fc from 'fast-check';

fc.configureGlobal({ seed: Number(process.env['SEED'] ?? 20_261_130) });

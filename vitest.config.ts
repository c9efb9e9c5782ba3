/**
 * @module
 * Owns the test projects: which files are which kind of test, and how long each may take. See CONTRIBUTING.md.
 */
import { defineConfig } from 'vitest/config';
import { CountReporter } from './test/helper/count-reporter.ts';

/** Any of them may hold property tests. */
const seeded = { setupFiles: ['test/helper/fixed-seed.ts'] };
const built = { globalSetup: ['test/helper/build.ts'] };

export default defineConfig({
  test: {
    pool: 'forks',
    // Vitest leaves one processor to itself, which on two is half of them.
    maxWorkers: '100%',
    reporters: ['default', new CountReporter()],
    projects: [
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], ...seeded, testTimeout: 10_000 } },
      { test: { name: 'contract', include: ['test/contract/**/*.test.ts'], ...seeded, testTimeout: 20_000 } },
      { test: { name: 'property', include: ['test/property/**/*.test.ts'], ...seeded, testTimeout: 120_000 } },
      { test: { name: 'simulation', include: ['test/simulation/**/*.test.ts'], testTimeout: 240_000 } },
      { test: { name: 'api', include: ['test/api/**/*.test.ts'], testTimeout: 120_000, ...built } },
      {
        // Real processes, ports and disks, after everything else; they wait more than they work.
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          maxWorkers: 2,
          setupFiles: ['test/helper/checked-fetch.ts'],
          sequence: { groupOrder: 1 },
          ...built,
        },
      },
      {
        // Chromium, which the first run may have to install.
        test: {
          name: 'browser',
          include: ['test/browser/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 300_000,
          maxWorkers: 1,
          setupFiles: ['test/helper/checked-fetch.ts'],
          sequence: { groupOrder: 2 },
          ...built,
        },
      },
    ],
  },
});

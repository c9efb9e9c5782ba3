#!/usr/bin/env -S node --max-semi-space-size=16 --no-parallel-scavenge --expose-gc
/**
 * @module
 * Owns the process of the command line: hands its streams to the program and turns the result into the exit code.
 */
import { EXIT } from './exit-code.ts';
import { runProgram } from './program.ts';

/** Time for streams to flush when something still holds the event loop. */
const EXIT_DELAY_MS = 1_000;

// `atoll … | head` closes the pipe early; that is not an error of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) =>
  process.exit(error.code === 'EPIPE' ? EXIT.ok : EXIT.error),
);

// In its development mode Yjs freezes every value, which takes time, and fails for bytes, which tombstones hold. It loads later.
delete process.env['NODE_ENV'];

process.exitCode = await runProgram(process.argv.slice(2), process);
setTimeout(() => process.exit(), EXIT_DELAY_MS).unref();

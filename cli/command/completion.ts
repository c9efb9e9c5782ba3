/**
 * @module
 * Owns `atoll completion` and the hidden command that its scripts call. SPEC.md CL25.
 */
import type { Command } from 'commander';
import { candidatesOf } from '../completion/candidate.ts';
import { SCRIPTS, type Shell } from '../completion/script.ts';
import type { CommandContext } from '../context.ts';
import { readContexts } from '../saved-contexts.ts';

export async function printCompletion(context: CommandContext, shell: Shell): Promise<void> {
  await context.output.write(SCRIPTS[shell]);
}

/** One candidate a line, with its description behind a tab. */
export async function printCandidates(
  context: CommandContext,
  program: Command,
  words: readonly string[],
): Promise<void> {
  const names = (placeholder: string): readonly string[] =>
    placeholder === 'context' ? Object.keys(readContexts(context.io.env).contexts) : [];
  for (const { word, description } of candidatesOf(program, words, names))
    await context.output.write(`${word}${description === '' ? '' : `\t${description}`}\n`);
}

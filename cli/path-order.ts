/**
 * @module
 * Owns how a path and its direction are written on the command line: `population:desc`.
 */
import { CliError } from './exit-code.ts';

export interface PathOrder {
  readonly path: string;
  readonly order: 'asc' | 'desc';
}

/** @throws CliError `CLI_USAGE` */
export function parsePathOrder(text: string): PathOrder {
  const match = /^(.+?)(?::(asc|desc))?$/u.exec(text.trim());
  if (match === null || text.startsWith('-') || match[1]?.includes(':'))
    throw new CliError(
      'CLI_USAGE',
      `${JSON.stringify(text)} is no path: write country, address.city or population:desc`,
    );
  return { path: match[1] as string, order: match[2] === 'desc' ? 'desc' : 'asc' };
}

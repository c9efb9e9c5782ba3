/**
 * @module
 * Owns logging: JSON lines on stderr, because stdout belongs to the ready line. Never document content, never secrets.
 */
import { pino, type Logger } from 'pino';

export const LOG_LEVELS = ['silent', 'error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export function createLog(level: LogLevel, bindings: Readonly<Record<string, string>> = {}): Logger {
  return pino({ level, base: bindings }, pino.destination({ dest: 2, sync: true }));
}

/**
 * @module
 * Owns what is wrong with what a program gives to a leaf or replica of its own, so that it is told at once and by name. Not every program is checked by
 * a compiler.
 */
import { SyncError } from './errors.ts';
import type { Channel, Clock, Dialer, Random, Store, Timers } from './port.ts';

const STORE_METHODS = [
  'get',
  'getMany',
  'batch',
  'range',
  'snapshot',
  'clear',
  'close',
] as const satisfies readonly (keyof Store)[];

/** @throws SyncError `SYNC_CONFIG_INVALID` */
export function validateStore(store: Store): void {
  const remedy = 'open one, as with IndexedDbStore.open or RocksDbStore.open.';
  requireMethods('store', store, STORE_METHODS, remedy);
}

/** @throws SyncError `SYNC_CONFIG_INVALID` */
export function validateDialer(dialer: Dialer): void {
  requireMethods('transport', dialer, ['dial'], 'as that of createWebSocketDialer.');
}

/** @throws SyncError `SYNC_CONFIG_INVALID` */
export function validateSurroundings(clock: Clock, timers: Timers, random: Random): void {
  const remedy = 'leave it out for that of the platform.';
  requireMethods('clock', clock, ['now'], remedy);
  requireMethods('timers', timers, ['after'], remedy);
  requireMethods('random', random, ['bytes'], remedy);
}

/** @throws SyncError `SYNC_CONFIG_INVALID` */
export function validateChannel(channel: Channel): void {
  requireMethods('channel', channel, ['send', 'close'], 'as that of createMessagePortChannel.');
}

/** @throws SyncError `SYNC_CONFIG_INVALID` */
export function validateListener(listener: unknown): void {
  if (typeof listener !== 'function') throw invalidArgument('listener', 'A listener of events is a function.');
}

/** @throws SyncError `SYNC_CONFIG_INVALID` */
export function validateAddress(field: string, url: unknown): void {
  if (typeof url === 'string' && url !== '') return;
  throw invalidArgument(field, 'An address is a string, as in "https://node-1.example:7400".');
}

function requireMethods<T extends object>(
  field: string,
  given: T,
  names: readonly (keyof T & string)[],
  remedy: string,
): void {
  const missing = names.find((name) => typeof (given as Partial<T> | null | undefined)?.[name] !== 'function');
  if (missing === undefined) return;
  throw invalidArgument(field, `A ${field} has a method "${missing}": ${remedy}`);
}

export function invalidArgument(field: string, message: string, limit?: number): SyncError {
  return new SyncError('SYNC_CONFIG_INVALID', message, { details: { field, ...(limit !== undefined && { limit }) } });
}

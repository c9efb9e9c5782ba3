/**
 * @module
 * Owns opening a database of IndexedDB for one replica alone. Every start raises the version of the database: the browser lets that
 * happen only once nobody else has it open, in any tab or worker, so a second replica over the same data is kept out without a
 * lock that could be left behind.
 */
import { StorageError } from '../errors.ts';
import type { Timers } from '../port.ts';
import type { IdbDatabase, IdbFactory, IdbRequest } from './indexeddb-api.ts';
import { storageFault } from './indexeddb-fault.ts';

/** Named after the format of what is in it. */
export const RECORDS = 'records-1';
/** Starts at once take versions from each other. */
const ATTEMPTS_MAX = 8;
const SILENCE_FACTOR = 4;

interface Opening {
  readonly factory: IdbFactory;
  readonly name: string;
  /** How long to wait for somebody else to let go. */
  readonly waitMs: number;
  readonly timers: Timers;
}

/** @throws StorageError `STORAGE_IN_USE`, `STORAGE_FORMAT_UNSUPPORTED`, `STORAGE_OPEN_FAILED` */
export async function openAlone(opening: Opening): Promise<IdbDatabase> {
  for (let attempt = 1; ; attempt++) {
    const version = await versionOf(opening);
    const database = await openVersion(opening, version + 1);
    if (database !== null) return database;
    if (attempt >= ATTEMPTS_MAX) throw inUse(opening.name);
  }
}

/** Creates the database if there is none. */
async function versionOf(opening: Opening): Promise<number> {
  const { name } = opening;
  const database = await openVersion(opening);
  if (database === null) return 0;
  const { version, objectStoreNames } = database;
  const isOurs = objectStoreNames.contains(RECORDS);
  database.close();
  if (isOurs) return version;
  const message = `The IndexedDB database "${name}" is of another version or another program; choose another name.`;
  throw new StorageError('STORAGE_FORMAT_UNSUPPORTED', message, { details: { name, supported: RECORDS } });
}

/** `null` when it was not us who raised the version to that: then others may have it open too. */
function openVersion({ factory, name, waitMs, timers }: Opening, version?: number): Promise<IdbDatabase | null> {
  return new Promise((resolve, reject) => {
    let isGivenUp = false;
    let isRaised = version === undefined;
    const request = open(factory, name, version);
    const giveUp = (): void => {
      isGivenUp = true;
      reject(inUse(name));
    };
    // One that waits behind somebody else who waits is told nothing; but a slow disk looks the same.
    let cancel = timers.after(waitMs * SILENCE_FACTOR, giveUp);
    request.addEventListener('upgradeneeded', () => {
      isRaised = true;
      const database = request.result as IdbDatabase;
      if (database.objectStoreNames.length === 0) database.createObjectStore(RECORDS);
    });
    request.addEventListener('blocked', () => {
      // A page that is being left, or loaded anew, needs a moment.
      cancel();
      cancel = timers.after(waitMs, giveUp);
    });
    request.addEventListener('success', () => {
      cancel();
      const database = request.result as IdbDatabase;
      // The request could not be taken back.
      if (isGivenUp || !isRaised) database.close();
      resolve(isRaised ? database : null);
    });
    request.addEventListener('error', () => {
      cancel();
      if (request.error?.name === 'VersionError') resolve(null);
      else reject(openFailed(name, request.error));
    });
  });
}

function open(factory: IdbFactory, name: string, version: number | undefined): IdbRequest {
  try {
    return version === undefined ? factory.open(name) : factory.open(name, version);
  } catch (error) {
    // Where sites may store nothing.
    throw openFailed(name, error);
  }
}

function inUse(name: string): StorageError {
  const message = `The IndexedDB database "${name}" is in use by another tab or worker; close it, or share its replica.`;
  return new StorageError('STORAGE_IN_USE', message, { details: { name } });
}

function openFailed(name: string, cause: unknown): StorageError {
  const fault = storageFault(cause);
  if (fault.code === 'STORAGE_FULL') return fault;
  return new StorageError('STORAGE_OPEN_FAILED', `The IndexedDB database "${name}" does not open: ${fault.message}`, {
    cause,
    details: { name },
  });
}

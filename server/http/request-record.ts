/**
 * @module
 * Owns what a node notes of a request while it is being served: its id, when it came, from whom. Kept on Node's own request, where
 * it costs no hook and no map.
 */
import type { IncomingMessage } from 'node:http';
import type { ObservedRoute } from './observer.ts';
import { NOBODY, type Principal } from './principal.ts';

const RECORD = Symbol('atoll.record');

export class RequestRecord {
  readonly id: string;
  /** Of the monotonic clock. */
  readonly startMs: number;
  principal: Principal = NOBODY;
  /** Null for what leads nowhere. */
  route: ObservedRoute | null = null;
  /** Of its body, held in memory. */
  bodyBytes = 0;
  /** Of what is watched while it lasts. */
  release: (() => void) | null = null;

  constructor(id: string, startMs: number) {
    this.id = id;
    this.startMs = startMs;
  }
}

interface Recorded {
  [RECORD]?: RequestRecord;
}

export function keepRecord(request: IncomingMessage, record: RequestRecord): void {
  (request as Recorded)[RECORD] = record;
}

/** The record of a request that passed the gate. */
export function recordOf(request: IncomingMessage): RequestRecord {
  return (request as Recorded)[RECORD] ?? UNKNOWN;
}

const UNKNOWN = new RequestRecord('', 0);

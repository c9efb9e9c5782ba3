/**
 * @module
 * Owns how a route is described to people and programs. The descriptions stand in tables beside this file, by method and path; a
 * test names routes that have none. SPEC.md section OA.
 */
import { Type, type Static, type TSchema } from 'typebox';

export type Tag = 'Documents' | 'Queries and feeds' | 'Databases' | 'Cluster' | 'Administration' | 'Node';

export interface AnswerDoc {
  readonly description: string;
  /** Media type → schema of the body; absent = no body. */
  readonly content?: Readonly<Record<string, TSchema>>;
  /** Headers besides those that every answer has. */
  readonly headers?: readonly HeaderName[];
}

export interface RouteDoc {
  readonly tag: Tag;
  /** One line. */
  readonly summary: string;
  readonly description?: string;
  /** Request headers that mean something here, besides those of all requests. */
  readonly headers?: readonly HeaderName[];
  /** Media type → schema of the request body. */
  readonly body?: Readonly<Record<string, TSchema>>;
  readonly isBodyOptional?: boolean;
  /** Successful statuses. Problems have one form and need no description each. */
  readonly answers: Readonly<Record<number, AnswerDoc>>;
  /** Problems that are particular to this route: status → when. */
  readonly problems?: Readonly<Record<number, string>>;
}

/** `METHOD /path/with/:parameters` → description. */
export type RouteDocs = Readonly<Record<string, RouteDoc>>;

export type HeaderName =
  | 'If-Match'
  | 'If-None-Match'
  | 'Prefer'
  | 'Session-Token'
  | 'Idempotency-Key'
  | 'Last-Event-ID'
  | 'ETag'
  | 'Last-Modified'
  | 'Atoll-Conflicts'
  | 'Atoll-Replicas'
  | 'Preference-Applied'
  | 'Location';

export const HEADERS: Readonly<Record<HeaderName, string>> = {
  'If-Match': 'Versions of which the document must have one, or `*`: it exists. Checked on the accepting node.',
  'If-None-Match': 'Versions that the document must not have, or `*`: it does not exist.',
  Prefer:
    '`return=representation` answers the document, `replicas=N` waits for N durable copies, `wait=SECONDS` says how long to wait.',
  'Session-Token': 'What a client has seen of the database: sent with a request, the answer is never older.',
  'Idempotency-Key': 'The same key again, on any node, is answered as the first time and changes nothing.',
  'Last-Event-ID': 'Cursor of the last event that was received.',
  ETag: 'Version of the document; equal on replicas that hold the same writes.',
  'Last-Modified': 'When the document was last written.',
  'Atoll-Conflicts': 'Number of paths with values that lost; absent when there are none.',
  'Atoll-Replicas': '`k/M`: so many of M members are known to hold the write.',
  'Preference-Applied': 'Which of the preferences were applied.',
  Location: 'Path of what was made.',
};

/** Takes a schema only if all that it describes is a `T`: the types of the API and its description cannot part. */
export function of<T>(): <S extends TSchema>(schema: S & (Static<S> extends T ? unknown : never)) => TSchema {
  return (schema) => schema;
}

/** A schema that is described once. */
export function ref(name: string): TSchema {
  return Type.Unsafe<unknown>({ $ref: `#/components/schemas/${name}` });
}

export function json(schema: TSchema): Readonly<Record<string, TSchema>> {
  return { 'application/json': schema };
}

export const NO_CONTENT: AnswerDoc = { description: 'Done.' };

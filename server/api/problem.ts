/**
 * @module
 * Owns the shape of every error an Atoll node answers: RFC 9457 problem details. Types only.
 */

/** One field, parameter, header or line at fault. */
export interface ProblemField {
  /** JSON Pointer (RFC 6901) into the request body; `''` is the whole body. */
  readonly pointer?: string;
  /** Name of a query parameter, path segment or header. */
  readonly parameter?: string;
  readonly detail: string;
  /** Name of the limit that was exceeded, see `GET /v1/_limits`. */
  readonly limit?: string;
  /** Value of that limit. */
  readonly max?: number;
}

/** Body of every answer with status 400 or above; media type `application/problem+json`. */
export interface Problem {
  /** A URN of the code; identifies the problem type. */
  readonly type: string;
  /** Short and the same for every occurrence of the code. */
  readonly title: string;
  readonly status: number;
  /** What happened this time. */
  readonly detail: string;
  /** Stable within a major version: test this. */
  readonly code: string;
  /** May the very same request succeed later, or on another node? */
  readonly retryable: boolean;
  readonly errors?: readonly ProblemField[];
}

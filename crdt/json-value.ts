/**
 * @module
 * Owns the type of JSON values as Atoll stores them (RFC 8259). Objects built by Atoll have no prototype, so that a key such
 * as `__proto__` is ordinary data.
 */
export type JsonScalar = string | number | boolean | null;
export type JsonValue = JsonScalar | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: JsonValue;
}

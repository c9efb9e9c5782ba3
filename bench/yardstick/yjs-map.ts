/**
 * @module
 * Owns the document yardstick: JSON in nested `Y.Map`s, as the Yjs documentation suggests, without what Atoll adds to it
 * (newest write wins by time, readable conflicts, counters, merging of objects created on both sides).
 */
import * as Y from 'yjs';
import type { JsonObject, JsonValue } from '../../crdt/index.ts';

/** A fixed guid: drawing a random one costs more than everything else. */
const GUID = 'yardstick';

export class YjsMap {
  readonly #doc: Y.Doc = new Y.Doc({ guid: GUID });
  #update: Uint8Array = new Uint8Array(0);

  private constructor() {
    this.#doc.on('update', (update) => {
      this.#update = update;
    });
  }

  static create(value: JsonObject): YjsMap {
    const document = new YjsMap();
    document.#doc.transact(() => {
      for (const [key, member] of Object.entries(value)) document.#root.set(key, toShared(member));
    });
    return document;
  }

  static load(state: Uint8Array): YjsMap {
    const document = new YjsMap();
    Y.applyUpdate(document.#doc, state);
    return document;
  }

  get #root(): Y.Map<unknown> {
    return this.#doc.getMap('root');
  }

  /** Returns the update. */
  set(key: string, value: JsonValue): Uint8Array {
    this.#root.set(key, toShared(value));
    return this.#update;
  }

  encode(): Uint8Array {
    return Y.encodeStateAsUpdate(this.#doc);
  }

  json(): string {
    return JSON.stringify(this.#root.toJSON());
  }
}

function toShared(value: JsonValue): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const map = new Y.Map();
  for (const [key, member] of Object.entries(value)) map.set(key, toShared(member));
  return map;
}

/**
 * @module
 * Owns strict reading of JSON text (RFC 8259). Stricter than `JSON.parse` where data could change silently: ill-formed UTF-8 or
 * UTF-16, duplicate keys, numbers that are not finite, and integers that a double cannot hold are refused. Objects have no
 * prototype, so `__proto__` is ordinary data.
 */
import { CrdtError } from './errors.ts';
import { formatPointer } from './json-pointer.ts';
import type { JsonValue } from './json-value.ts';
import { DEFAULT_LIMITS, type Limits } from './limits.ts';
import { readPlainly } from './plain-json.ts';
import { isWellFormed, utf8Length } from './utf8.ts';

const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};
const DECODER = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * Reads one JSON value from UTF-8 bytes.
 *
 * @throws CrdtError `CRDT_VALUE_INVALID` (details: path, position) or `CRDT_LIMIT_EXCEEDED` (details: path, name of the limit, limit, actual).
 */
export function parseJson(bytes: Uint8Array, limits: Limits = DEFAULT_LIMITS): JsonValue {
  if (bytes.byteLength > limits.documentBytesMax) {
    throw new CrdtError('CRDT_LIMIT_EXCEEDED', `JSON text has more than ${limits.documentBytesMax} bytes`, {
      details: { path: '', name: 'documentBytes', limit: limits.documentBytesMax, actual: bytes.byteLength },
    });
  }
  let text: string;
  try {
    text = DECODER.decode(bytes);
  } catch (cause) {
    throw new CrdtError('CRDT_VALUE_INVALID', 'JSON text is not well-formed UTF-8', { cause, details: { path: '' } });
  }
  const plain = readPlainly(text, limits);
  return plain === undefined ? new JsonReader(text, limits).read() : plain;
}

class JsonReader {
  readonly #text: string;
  readonly #limits: Limits;
  readonly #path: (string | number)[] = [];
  #position = 0;

  constructor(text: string, limits: Limits) {
    this.#text = text;
    this.#limits = limits;
  }

  read(): JsonValue {
    this.#skipSpace();
    const value = this.#readValue();
    this.#skipSpace();
    if (this.#position < this.#text.length) this.#fail('unexpected text after the value');
    return value;
  }

  #readValue(): JsonValue {
    const first = this.#text[this.#position];
    if (first === '"') return this.#readString();
    if (first === '{') return this.#readObject();
    if (first === '[') return this.#readArray();
    if (first === 't') return this.#readWord('true', true);
    if (first === 'f') return this.#readWord('false', false);
    if (first === 'n') return this.#readWord('null', null);
    return this.#readNumber();
  }

  #readWord<T>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#position)) this.#fail('unexpected character');
    this.#position += word.length;
    return value;
  }

  #readObject(): JsonValue {
    this.#enter();
    const object: Record<string, JsonValue> = Object.create(null) as Record<string, JsonValue>;
    this.#position++;
    this.#skipSpace();
    if (this.#text[this.#position] === '}') return this.#leave(object);
    for (;;) {
      if (this.#text[this.#position] !== '"') this.#fail('expected a key');
      const key = this.#readString();
      this.#path.push(key);
      if (key in object) this.#fail('duplicate key');
      this.#checkKey(key);
      this.#skipSpace();
      if (this.#text[this.#position] !== ':') this.#fail('expected ":"');
      this.#position++;
      this.#skipSpace();
      object[key] = this.#readValue();
      this.#path.pop();
      this.#skipSpace();
      const next = this.#text[this.#position];
      if (next === '}') return this.#leave(object);
      if (next !== ',') this.#fail('expected "," or "}"');
      this.#position++;
      this.#skipSpace();
    }
  }

  #readArray(): JsonValue {
    this.#enter();
    const array: JsonValue[] = [];
    this.#position++;
    this.#skipSpace();
    if (this.#text[this.#position] === ']') return this.#leave(array);
    for (;;) {
      this.#path.push(array.length);
      array.push(this.#readValue());
      this.#path.pop();
      this.#skipSpace();
      const next = this.#text[this.#position];
      if (next === ']') return this.#leave(array);
      if (next !== ',') this.#fail('expected "," or "]"');
      this.#position++;
      this.#skipSpace();
    }
  }

  #enter(): void {
    const depth = this.#path.length + 1;
    if (depth <= this.#limits.depthMax) return;
    throw new CrdtError('CRDT_LIMIT_EXCEEDED', `JSON is nested deeper than ${this.#limits.depthMax} levels`, {
      details: {
        path: formatPointer(this.#path).slice(0, 200),
        name: 'depth',
        limit: this.#limits.depthMax,
        actual: depth,
      },
    });
  }

  #leave<T>(value: T): T {
    this.#position++;
    return value;
  }

  #checkKey(key: string): void {
    const limit = this.#limits.keyBytesMax;
    if (key.length * 3 <= limit) return;
    const actual = utf8Length(key);
    if (actual <= limit) return;
    this.#path.pop();
    throw new CrdtError('CRDT_LIMIT_EXCEEDED', `a key has more than ${limit} bytes`, {
      details: { path: formatPointer(this.#path).slice(0, 200), name: 'keyBytes', limit, actual },
    });
  }

  #readString(): string {
    const text = this.#text;
    const start = ++this.#position;
    for (;;) {
      const code = text.charCodeAt(this.#position);
      if (code === QUOTE) return text.slice(start, this.#position++);
      if (code === BACKSLASH) return this.#readEscapedString(text.slice(start, this.#position));
      // charCodeAt is NaN past the end; text cut short and control characters are refused alike.
      if (!(code >= 0x20)) this.#fail('unterminated string or control character in a string');
      this.#position++;
    }
  }

  #readEscapedString(prefix: string): string {
    const text = this.#text;
    let value = prefix;
    for (;;) {
      const character = text[this.#position];
      if (character === '"') {
        this.#position++;
        if (!isWellFormed(value)) this.#fail('lone surrogate in a string');
        return value;
      }
      if (character === undefined || character < ' ')
        this.#fail('unterminated string or control character in a string');
      if (character !== '\\') {
        value += character;
        this.#position++;
        continue;
      }
      const escape = text[this.#position + 1] ?? '';
      if (escape === 'u') {
        const hex = text.slice(this.#position + 2, this.#position + 6);
        if (!/^[0-9a-fA-F]{4}$/.test(hex)) this.#fail('invalid escape in a string');
        value += String.fromCharCode(Number.parseInt(hex, 16));
        this.#position += 6;
      } else {
        const plain = ESCAPES[escape];
        if (plain === undefined) this.#fail('invalid escape in a string');
        value += plain;
        this.#position += 2;
      }
    }
  }

  #readNumber(): number {
    NUMBER.lastIndex = this.#position;
    const match = NUMBER.exec(this.#text);
    if (match === null) this.#fail('unexpected character');
    const [literal, fraction, exponent] = match;
    const value = Number(literal);
    if (!Number.isFinite(value)) this.#fail('a number is too large for a double');
    // What we print ourselves for a large number, its shortest form, is taken back.
    const isLongInteger = literal.length > 15 && fraction === undefined && exponent === undefined;
    if (isLongInteger && String(value) !== literal && BigInt(literal) !== BigInt(value)) {
      this.#fail('an integer beyond 2^53 would change its value; send it as a string');
    }
    this.#position += literal.length;
    return value === 0 ? 0 : value;
  }

  #skipSpace(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#position);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.#position++;
    }
  }

  #fail(reason: string): never {
    throw new CrdtError('CRDT_VALUE_INVALID', `invalid JSON at character ${this.#position}: ${reason}`, {
      details: { path: formatPointer(this.#path).slice(0, 200), position: this.#position },
    });
  }
}

/**
 * @module
 * Owns the types of paths: which JSON Pointers lead somewhere in a document of some type, and what stands there. Types only; a
 * document may hold something else, since nobody is asked before others write.
 */

/** How deep pointers are spelt out; below that any text will do. */
type Deeper = [never, 0, 1, 2, 3, 4, 5];

type Encoded<Key extends string> = Key extends `${infer Head}~${infer Tail}`
  ? `${EncodedSlash<Head>}~0${Encoded<Tail>}`
  : EncodedSlash<Key>;
type EncodedSlash<Key extends string> = Key extends `${infer Head}/${infer Tail}`
  ? `${Head}~1${EncodedSlash<Tail>}`
  : Key;
type Decoded<Segment extends string> = Segment extends `${infer Head}~1${infer Tail}`
  ? `${DecodedTilde<Head>}/${Decoded<Tail>}`
  : DecodedTilde<Segment>;
type DecodedTilde<Segment extends string> = Segment extends `${infer Head}~0${infer Tail}`
  ? `${Head}~${DecodedTilde<Tail>}`
  : Segment;

type Scalar = string | number | boolean | null | undefined;

/** A pointer with one segment or more. */
type Below<T, Depth extends number> = [Depth] extends [never]
  ? `/${string}`
  : T extends Scalar
    ? never
    : T extends readonly (infer Element)[]
      ? `/${number}` | `/${number}${Below<Element, Deeper[Depth]>}`
      : string extends keyof T
        ? `/${string}`
        : {
            [Key in keyof T & string]: `/${Encoded<Key>}` | `/${Encoded<Key>}${Below<T[Key], Deeper[Depth]>}`;
          }[keyof T & string];

/** JSON Pointers (RFC 6901) into a document. The empty one is the document. */
export type Path<T> = '' | Below<T, 5>;

type Member<T, Key extends string> = T extends readonly (infer Element)[]
  ? Element
  : T extends Scalar
    ? never
    : Key extends keyof T
      ? Exclude<T[Key], undefined>
      : string extends keyof T
        ? T[keyof T & string]
        : unknown;

/** What a pointer leads to. */
export type At<T, P extends string> = P extends ''
  ? T
  : P extends `/${infer Head}/${infer Tail}`
    ? At<Member<T, Decoded<Head>>, `/${Tail}`>
    : P extends `/${infer Last}`
      ? Member<T, Decoded<Last>>
      : unknown;

/** What an array holds. */
export type Item<T> = T extends readonly (infer Element)[] ? Element : unknown extends T ? unknown : never;

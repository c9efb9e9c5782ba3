import { describe, expect, test } from 'vitest';
import { decodeCursor, encodeCursor } from '../../../../server/http/cursor.ts';
import { SortableIds } from '../../../../server/http/sortable-id.ts';
import { splitLines, type Line } from '../../../../server/http/line-splitter.ts';
import { OrderedWindow } from '../../../../server/http/ordered-window.ts';
import { decideRead, parseEntityTags, preconditionsOf } from '../../../../server/http/precondition.ts';
import { preferencesOf } from '../../../../server/http/prefer.ts';
import { parseFields, projectDocument } from '../../../../server/http/projection.ts';
import { problemOf, statusOf } from '../../../../server/http/error-reply.ts';

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return (error as { code: string }).code;
  }
  return 'nothing thrown';
}

describe('preconditions', () => {
  test('[HT9] lists of entity tags are read with their quotes, and weak tags match only If-None-Match', () => {
    expect(parseEntityTags('"a"', 'If-Match')).toEqual(['"a"']);
    expect(parseEntityTags(' "a" , W/"b","c,d" ', 'If-Match')).toEqual(['"a"', 'W/"b"', '"c,d"']);
    expect(parseEntityTags('W/"b"', 'If-None-Match')).toEqual(['"b"']);
    expect(parseEntityTags(' * ', 'If-Match')).toBe('*');
  });

  test.each(['', 'abc', '"a" "b"', '"a', '"a",*', ','])(
    '[HT9] %j is a 400 and never taken for no precondition',
    (header) => {
      expect(codeOf(() => parseEntityTags(header, 'If-Match'))).toBe('HTTP_HEADER_INVALID');
    },
  );

  test('[HT9] a read is decided by If-Match first, then by If-None-Match', () => {
    expect(decideRead({}, '"a"')).toBe('send');
    expect(decideRead({ 'if-none-match': '"a"' }, '"a"')).toBe('not-modified');
    expect(decideRead({ 'if-none-match': '"b", W/"a"' }, '"a"')).toBe('not-modified');
    expect(decideRead({ 'if-none-match': '*' }, '"a"')).toBe('not-modified');
    expect(decideRead({ 'if-none-match': '"b"' }, '"a"')).toBe('send');
    expect(decideRead({ 'if-match': '"b"', 'if-none-match': '"a"' }, '"a"')).toBe('failed');
    expect(decideRead({ 'if-match': 'W/"a"' }, '"a"')).toBe('failed');
    expect(preconditionsOf({ 'if-match': '*', 'if-none-match': '"x"' })).toEqual({
      ifMatch: '*',
      ifNoneMatch: ['"x"'],
    });
  });
});

describe('preferences', () => {
  test.each([
    [undefined, null],
    ['return=representation', 'representation'],
    ['RETURN="minimal"', 'minimal'],
    ['wait=2, return=representation; foo', 'representation'],
    ['return=minimal, return=representation', 'minimal'],
    ['return=everything', null],
  ])('[HT10] Prefer: %s asks for %s', (header, returns) => {
    expect(preferencesOf(header).returns).toBe(returns);
  });
});

describe('lists', () => {
  test('[HT12] a cursor survives any id and nothing else is a cursor', () => {
    for (const id of ['a', 'ä/😀', ' ', 'x'.repeat(256)]) expect(decodeCursor(encodeCursor(id))).toBe(id);
    for (const bad of ['', '!', 'abc', encodeCursor(''), encodeCursor('a\0b'), `${encodeCursor('abc')}=`]) {
      expect(codeOf(() => decodeCursor(bad))).toBe('HTTP_CURSOR_INVALID');
    }
  });

  test('[HT12] fields are member names or JSON Pointers; __proto__ is a name like any other', () => {
    const document = JSON.parse('{"a":1,"b":{"c":2,"d":[3]},"__proto__":{"x":4},"e~/f":5,"n":null}') as never;
    const project = (fields: string): string => JSON.stringify(projectDocument(document, parseFields(fields)));
    expect(project('a')).toBe('{"a":1}');
    expect(project('/b/c,/b/d')).toBe('{"b":{"c":2,"d":[3]}}');
    expect(project('b,/b/c')).toBe('{"b":{"c":2,"d":[3]}}');
    expect(project('/b/c,b')).toBe('{"b":{"c":2,"d":[3]}}');
    expect(project('__proto__')).toBe('{"__proto__":{"x":4}}');
    expect(project('/__proto__/x')).toBe('{"__proto__":{"x":4}}');
    expect(project('/e~0~1f')).toBe('{"e~/f":5}');
    expect(project('n,missing,/a/b,/missing/x,/constructor/name')).toBe('{"n":null}');
    expect(codeOf(() => parseFields('a,,b'))).toBe('HTTP_QUERY_INVALID');
    expect(codeOf(() => parseFields('/a~2'))).toBe('HTTP_QUERY_INVALID');
  });

  describe('ids made here', () => {
    const source = (now: () => number, byte: (draw: number) => number = () => 255): SortableIds => {
      let draws = 0;
      return new SortableIds({ now }, { bytes: (length) => new Uint8Array(length).fill(byte(draws++)) });
    };

    test('[HT8] are version 7 UUIDs that carry the time', () => {
      const id = source(() => 1_700_000_000_000).next();
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      expect(Number.parseInt(id.replace('-', '').slice(0, 12), 16)).toBe(1_700_000_000_000);
    });

    test('[HT8] sort in the order they were made, many in one millisecond and with a clock that goes back', () => {
      const readings = [5000, 5000, 4000, 5001, 100, 5001];
      let made = 0;
      const ids = source(
        () => 1_700_000_000_000 + readings[Math.floor(made++ / 10_000) % readings.length]!,
        (draw) => (draw * 89) % 256,
      );
      const all = Array.from({ length: 60_000 }, () => ids.next());
      expect(all.toSorted()).toEqual(all);
      expect(new Set(all).size).toBe(all.length);
    });

    test('[HT8] go back to the clock once it is ahead again', () => {
      let now = 1000;
      const ids = source(() => now);
      for (let n = 0; n < 20_000; n++) ids.next();
      now = 1_000_000;
      expect(Number.parseInt(ids.next().replace('-', '').slice(0, 12), 16)).toBe(1_000_000);
    });
  });
});

describe('lines', () => {
  async function split(chunks: readonly string[], max = 8): Promise<(string | null)[]> {
    async function* source(): AsyncGenerator<Buffer> {
      for (const chunk of chunks) yield Buffer.from(chunk);
    }
    const lines: Line[] = [];
    for await (const some of splitLines(source(), max)) lines.push(...some);
    return lines.map((line) => line?.toString() ?? null);
  }

  test('[HT17] lines end with LF or CRLF, wherever the chunks are cut, and empty ones do not count', async () => {
    const text = 'one\n\ntwo\r\nthree\n\r\nfour';
    for (let cut = 0; cut <= text.length; cut++) {
      expect(await split([text.slice(0, cut), text.slice(cut)])).toEqual(['one', 'two', 'three', 'four']);
    }
    expect(await split([...text])).toEqual(['one', 'two', 'three', 'four']);
    expect(await split([])).toEqual([]);
    expect(await split(['a\n'])).toEqual(['a']);
  });

  test('[HT17] a line beyond the bound is reported and skipped, and the next one is read', async () => {
    expect(await split(['12345678\n123456789\nok\n'])).toEqual(['12345678', null, 'ok']);
    expect(await split(['1234', '5678', '9\nok', '\n123456789'])).toEqual([null, 'ok', null]);
  });
});

describe('window', () => {
  test('[HT17] results come in the order of the work, whatever finishes first', async () => {
    const window = new OrderedWindow<number>({ items: 10, bytes: 100 });
    const releases: ((value: number) => void)[] = [];
    for (let i = 0; i < 3; i++) window.push(1, new Promise((resolve) => releases.push(resolve)));
    window.end();
    releases[2]!(2);
    releases[0]!(0);
    expect(await window.take()).toEqual([0]);
    releases[1]!(1);
    expect(await window.take()).toEqual([1, 2]);
    expect(await window.take()).toBeNull();
  });

  test('[HT17] the window is bounded in items and in bytes, but one item always fits', async () => {
    const window = new OrderedWindow<string>({ items: 2, bytes: 10 });
    const hasRoom = async (bytes: number): Promise<boolean> =>
      Promise.race([
        window.room(bytes).then(() => true),
        new Promise<false>((resolve) => setTimeout(resolve, 5, false)),
      ]);
    expect(await hasRoom(1000)).toBe(true);
    window.push(6, Promise.resolve('a'));
    expect(await hasRoom(5)).toBe(false);
    expect(await hasRoom(4)).toBe(true);
    window.push(4, Promise.resolve('b'));
    expect(await hasRoom(0)).toBe(false);
    expect(await window.take()).toEqual(['a', 'b']);
    expect(await hasRoom(10)).toBe(true);
  });

  test('[HT17] a failed source ends the results with its error, after what was done', async () => {
    const window = new OrderedWindow<string>({ items: 2, bytes: 10 });
    window.push(1, Promise.resolve('a'));
    window.end({ error: new Error('broken') });
    expect(await window.take()).toEqual(['a']);
    await expect(window.take()).rejects.toThrow('broken');
  });
});

describe('problems', () => {
  test('[HT5] what is not an expected error says nothing of itself', () => {
    for (const thrown of [new Error('secret'), 'secret', null, undefined, { code: 'SECRET', message: 'secret' }]) {
      const problem = problemOf(thrown);
      expect(problem).toMatchObject({ status: 500, code: 'HTTP_INTERNAL', retryable: false });
      expect(JSON.stringify(problem)).not.toMatch(/secret/i);
    }
    expect(statusOf('SYNC_PRECONDITION_FAILED')).toBe(412);
  });
});

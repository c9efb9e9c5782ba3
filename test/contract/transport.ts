/**
 * @module
 * Owns the contract of `Channel` and `Dialer`: what every transport must do, published as `atolldb/testing` for authors of
 * adapters. Call `transportContract` at the top level of a vitest file. SPEC.md section SY.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Channel, Dialer } from '../../sync/index.ts';

/** A transport under test, with somebody listening. */
export interface TransportFixture {
  readonly dialer: Dialer;
  /** Where `accept` is called with every incoming channel. */
  readonly url: string;
  /** Nobody listens here. */
  readonly deadUrl: string;
  /** Set by the contract before it dials. */
  accept: (channel: Channel) => void;
  /** Closes everything. */
  readonly destroy: () => Promise<void>;
}

const WAIT_MS = 5000;

/** Registers the contract tests for one transport. */
export function transportContract(name: string, create: () => Promise<TransportFixture>): void {
  describe(`${name} keeps the transport contract`, () => {
    let fixture: TransportFixture;
    const current = (): TransportFixture => fixture;
    beforeEach(async () => {
      fixture = await create();
    });
    afterEach(() => fixture.destroy());

    delivery(current);
    closing(current);
  });
}

function delivery(current: () => TransportFixture): void {
  test('[SY10] delivers messages once, whole and in order, in both directions', async () => {
    const [dialed, accepted] = await connect(current());
    const [there, back] = [collect(accepted), collect(dialed)];
    for (let i = 0; i < 200; i++) {
      dialed.send(message(i, i * 7));
      accepted.send(message(i, 300 - i));
    }
    await there.until(200);
    await back.until(200);
    expect(there.messages).toEqual(Array.from({ length: 200 }, (_, i) => message(i, i * 7)));
    expect(back.messages).toEqual(Array.from({ length: 200 }, (_, i) => message(i, 300 - i)));
  });

  test('[SY10] never delivers during send, and keeps the bytes it was given', async () => {
    const [dialed, accepted] = await connect(current());
    const received = collect(accepted);
    const bytes = message(1, 100);
    dialed.send(bytes);
    expect(received.messages).toHaveLength(0);
    await received.until(1);
    expect(received.messages[0]).toEqual(message(1, 100));
    expect(received.messages[0]).not.toBe(bytes);
  });

  test('[SY10] carries empty messages and messages of 300 KiB', async () => {
    const [dialed, accepted] = await connect(current());
    const received = collect(accepted);
    dialed.send(new Uint8Array());
    dialed.send(message(3, 300 * 1024));
    await received.until(2);
    expect(received.messages.map((each) => each.length)).toEqual([0, 300 * 1024]);
    expect(Buffer.compare(received.messages[1]!, message(3, 300 * 1024))).toBe(0);
  });

  test('[SY11] counts what has not left the process, down to nothing', async () => {
    const [dialed, accepted] = await connect(current());
    const received = collect(accepted);
    expect(dialed.bufferedBytes).toBe(0);
    for (let i = 0; i < 64; i++) dialed.send(message(i, 256 * 1024));
    expect(dialed.bufferedBytes).toBeGreaterThan(0);
    await received.until(64);
    await eventually(() => dialed.bufferedBytes === 0);
  });

  test('[SY10] keeps messages that were sent before the other end listens', async () => {
    const fixture = current();
    let accepted: Channel | undefined;
    fixture.accept = (channel): void => {
      accepted = channel;
      channel.onMessage = (): void => undefined;
      channel.onClose = (): void => undefined;
      channel.send(message(1, 10));
    };
    const dialed = await fixture.dialer.dial(fixture.url);
    const received = collect(dialed);
    await received.until(1);
    expect(accepted).toBeDefined();
  });
}

function closing(current: () => TransportFixture): void {
  test('[SY12] tells both ends once, the other with code and reason', async () => {
    for (const closer of [0, 1] as const) {
      const ends = await connect(current());
      const closes = ends.map(collectCloses);
      ends[closer].close(4500, 'enough');
      ends[closer].close(4501, 'again');
      await eventually(() => closes.every((each) => each.length === 1));
      await pause(50);
      expect(closes[1 - closer]).toEqual([[4500, 'enough']]);
      expect(closes[closer]).toHaveLength(1);
    }
  });

  test('[SY12] delivers what was sent before the close, and nothing sent after it', async () => {
    const [dialed, accepted] = await connect(current());
    const received = collect(accepted);
    const closes = collectCloses(accepted);
    collectCloses(dialed);
    dialed.send(message(1, 10));
    dialed.send(message(2, 50_000));
    dialed.close(4500, '');
    dialed.send(message(3, 10));
    accepted.send(message(4, 10));
    await eventually(() => closes.length === 1);
    expect(received.messages.map((each) => each.length)).toEqual([10, 50_000]);
    expect(() => accepted.send(message(5, 10))).not.toThrow();
    expect(() => accepted.close(4500, '')).not.toThrow();
  });

  test('[SY13] dialing where nobody listens rejects', async () => {
    await expect(current().dialer.dial(current().deadUrl)).rejects.toThrow();
  });
}

/** Both ends of a new channel. */
async function connect(fixture: TransportFixture): Promise<[dialed: Channel, accepted: Channel]> {
  const accepted = new Promise<Channel>((resolve) => {
    fixture.accept = resolve;
  });
  return [await fixture.dialer.dial(fixture.url), await accepted];
}

function collect(channel: Channel): { messages: Uint8Array[]; until: (count: number) => Promise<void> } {
  const messages: Uint8Array[] = [];
  channel.onMessage = (each): void => void messages.push(Uint8Array.from(each));
  return { messages, until: (count) => eventually(() => messages.length >= count) };
}

function collectCloses(channel: Channel): [number, string][] {
  const closes: [number, string][] = [];
  channel.onClose = (code, reason): void => void closes.push([code, reason]);
  return closes;
}

function message(seed: number, length: number): Uint8Array {
  return new Uint8Array(length).fill(seed % 256);
}

async function eventually(condition: () => boolean): Promise<void> {
  for (let waitedMs = 0; !condition(); waitedMs += 5) {
    expect(waitedMs, 'something never happened').toBeLessThan(WAIT_MS);
    await pause(5);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

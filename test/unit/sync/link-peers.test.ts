import { afterEach, describe, expect, test } from 'vitest';
import { createPeers } from '../../../sync/link/peers.ts';
import { computeMac } from '../../../sync/protocol/authentication.ts';
import { CLOSE_CODES } from '../../../sync/protocol/close-code.ts';
import { decodeFrame, encodeFrame } from '../../../sync/protocol/frame.ts';
import type { HelloMessage, Message } from '../../../sync/protocol/message.ts';
import type { Channel } from '../../../sync/port.ts';
import { seededRandom } from '../../helper/manual-ports.ts';
import { FakeCluster, FakeEngine, urlOf } from './link-fixture.ts';
import { EXAMPLES } from './protocol-messages.ts';

const SECRET = new TextEncoder().encode('secret');
let cluster: FakeCluster;

afterEach(() => cluster?.close());

/** A stranger on an accepted channel, under the test's control. */
class Stranger implements Channel {
  readonly received: Message[] = [];
  readonly frames: Uint8Array[] = [];
  closed: readonly [number, string] | null = null;
  bufferedBytes = 0;
  onMessage: (message: Uint8Array) => void = () => undefined;
  onClose: (code: number, reason: string) => void = () => undefined;

  send(message: Uint8Array): void {
    this.frames.push(message);
    this.received.push(decodeFrame(message));
  }

  close(code: number, reason: string): void {
    this.closed ??= [code, reason];
  }

  say(message: Message): Uint8Array {
    const frame = encodeFrame(message);
    this.onMessage(frame);
    return frame;
  }

  /** Says HELLO and proves `secret`. */
  authenticate(hello: HelloMessage, secret: Uint8Array = SECRET): void {
    const frame = this.say(hello);
    this.say({ type: 'auth', mac: computeMac(secret, 'dialer', frame, this.frames[0]!) });
  }

  get code(): number | undefined {
    return this.closed?.[0];
  }
}

function meet(options?: ConstructorParameters<typeof FakeCluster>[1]): Stranger {
  cluster = new FakeCluster(['a'], options);
  const stranger = new Stranger();
  cluster.get('a').peers.accept(stranger);
  return stranger;
}

const hello: HelloMessage = { ...EXAMPLES.hello, nodeId: 'stranger', url: '' };

describe('the handshake', () => {
  test('[SY14] goes HELLO, AUTH, live, and then tells the vector', () => {
    const stranger = meet();
    expect(stranger.received.map(({ type }) => type)).toEqual(['hello']);
    expect(cluster.get('a').peers.status().links[0]!.state).toBe('hello');
    const frame = stranger.say(hello);
    expect(stranger.received.map(({ type }) => type)).toEqual(['hello', 'auth']);
    expect(cluster.get('a').peers.status().links[0]!.state).toBe('auth');
    stranger.say({ type: 'auth', mac: computeMac(SECRET, 'dialer', frame, stranger.frames[0]!) });
    expect(cluster.get('a').peers.status().links[0]).toMatchObject({ state: 'live', node: 'stranger', name: 'Ähre' });
    expect(stranger.received.map(({ type }) => type)).toEqual(['hello', 'auth', 'vector', 'ping']);
    expect(cluster.get('a').events).toMatchObject([{ type: 'live', node: 'stranger' }]);
  });

  test('[SY8] a wrong secret is refused for good, without a word why', () => {
    const stranger = meet();
    stranger.authenticate(hello, Uint8Array.of(1));
    expect(stranger.code).toBe(CLOSE_CODES.AUTH_FAILED);
    expect(stranger.received.at(-1)).toEqual({ type: 'bye', code: CLOSE_CODES.AUTH_FAILED, reason: '' });
  });

  test('[SY8] a reflected proof is refused', () => {
    const stranger = meet();
    stranger.say(hello);
    stranger.onMessage(stranger.frames[1]!);
    expect(stranger.code).toBe(CLOSE_CODES.AUTH_FAILED);
  });

  test('[SY5] a version or a required capability we lack is refused for good', () => {
    let stranger = meet();
    stranger.say({ ...hello, versionMin: 3, versionMax: 9 });
    expect(stranger.code).toBe(CLOSE_CODES.VERSION_UNSUPPORTED);
    stranger = meet();
    stranger.say({ ...hello, requires: 8 });
    expect(stranger.code).toBe(CLOSE_CODES.CAPABILITY_UNSUPPORTED);
    stranger = meet();
    const frame = encodeFrame(hello);
    frame[0] = 9;
    stranger.onMessage(frame);
    expect(stranger.code).toBe(CLOSE_CODES.VERSION_UNSUPPORTED);
  });

  test('[SY15] who has not proved the secret within 5 s is cut off', async () => {
    const stranger = meet();
    stranger.say(hello);
    await cluster.time.advance(4990);
    expect(stranger.code).toBeUndefined();
    await cluster.time.advance(20);
    expect(stranger.code).toBe(CLOSE_CODES.HANDSHAKE_TIMEOUT);
  });

  test('[SY15] before the proof frames end at 1 KiB and nothing but HELLO and AUTH is read', () => {
    const stranger = meet();
    stranger.say(EXAMPLES.data);
    stranger.say(EXAMPLES['snapshot-request']);
    stranger.onMessage(Uint8Array.of(1, 0, 0, 0, 0, 4, 255, 255));
    expect(stranger.code).toBeUndefined();
    expect(cluster.get('a').engine.databases()).toEqual([]);
    stranger.onMessage(new Uint8Array(1025));
    expect(stranger.code).toBe(CLOSE_CODES.FRAME_TOO_LARGE);
  });

  test('[SY14] HELLO and AUTH in the wrong order, or twice, do no harm', () => {
    const stranger = meet();
    const frame = encodeFrame(hello);
    const auth: Message = { type: 'auth', mac: computeMac(SECRET, 'dialer', frame, stranger.frames[0]!) };
    stranger.say(auth);
    stranger.onMessage(frame);
    stranger.onMessage(frame);
    stranger.say(auth);
    expect(stranger.code).toBeUndefined();
    expect(cluster.get('a').peers.status().links[0]!.state).toBe('live');
  });

  test('[SY3] a damaged frame closes the link, not the process', () => {
    const stranger = meet();
    stranger.authenticate(hello);
    const frame = encodeFrame(EXAMPLES.data);
    frame[10]! ^= 1;
    stranger.onMessage(frame);
    expect(stranger.code).toBe(CLOSE_CODES.FRAME_MALFORMED);
    stranger.say(EXAMPLES.data);
    expect(cluster.get('a').peers.status().links).toEqual([]);
  });

  test('[SY16] a peer that writes as our origin, or knows more of it than we do, is reported', () => {
    let stranger = meet();
    stranger.authenticate({ ...hello, origin: cluster.get('a').engine.origin });
    expect(stranger.code).toBe(CLOSE_CODES.ORIGIN_CONFLICT);
    expect(cluster.get('a').events).toContainEqual(expect.objectContaining({ type: 'origin-conflict' }));
    stranger = meet();
    stranger.authenticate(hello);
    const origin = cluster.get('a').engine.origin;
    cluster.get('a').engine.create('app.0');
    stranger.say({
      ...EXAMPLES.vector,
      databases: [{ database: 'app.0', kind: 'full', positions: [{ origin, seq: 3, chainPrefix: new Uint8Array(4) }] }],
    });
    expect(cluster.get('a').events).toContainEqual(expect.objectContaining({ type: 'origin-conflict' }));
  });

  test('[SY17] the same position with another chain closes the link', async () => {
    const stranger = meet();
    cluster.get('a').engine.write('app.0');
    await cluster.time.advance(10);
    stranger.authenticate(hello);
    const origin = cluster.get('a').engine.origin;
    stranger.say({
      ...EXAMPLES.vector,
      databases: [{ database: 'app.0', kind: 'full', positions: [{ origin, seq: 1, chainPrefix: new Uint8Array(4) }] }],
    });
    expect(stranger.code).toBe(CLOSE_CODES.CHAIN_FORKED);
  });

  test('[SY18] a database we dropped is declined once and not accepted again', async () => {
    const stranger = meet();
    cluster.get('a').engine.dropped.add('app.0');
    const other = new FakeEngine('stranger', hello.origin, cluster.time, new Map());
    other.write('app.0');
    await cluster.time.advance(10);
    const batch = other.logOf('app.0', hello.origin)[0]!;
    stranger.authenticate(hello);
    const payload = { codec: 'none', bytes: Uint8Array.from([batch.length, ...batch]) } as const;
    for (let i = 0; i < 2; i++) {
      stranger.say({ type: 'data', database: 'app.0', offset: i * batch.length, weight: batch.length, payload });
      await cluster.time.advance(10);
    }
    const declined = stranger.received.filter(({ type }) => type === 'vector').slice(1);
    expect(declined).toMatchObject([{ databases: [{ database: 'app.0', kind: 'declined' }] }]);
    expect(cluster.get('a').engine.databases()).toEqual([]);
  });
});

describe('the set of links', () => {
  test('[SY19] dials again with growing delays until the peer is there', async () => {
    cluster = new FakeCluster(['a', 'b']);
    cluster.network.cut.add('a|b');
    cluster.get('a').peers.addPeer(urlOf('b'));
    await cluster.time.advance(60_000);
    const [dial] = cluster.get('a').peers.status().dials;
    expect(dial).toMatchObject({ state: 'waiting', lastError: 'cannot reach mem://b' });
    expect(dial!.attempts).toBeGreaterThan(12);
    expect(dial!.attempts).toBeLessThan(25);
    cluster.network.cut.clear();
    await cluster.time.until(() => cluster.get('a').peers.status().dials[0]!.state === 'linked', 7000);
    await cluster.time.advance(11_000);
    expect(cluster.get('a').peers.status().dials[0]!.attempts).toBe(0);
  });

  test('[SY20] a permanent refusal stops dialing and says why, until the operator asks again', async () => {
    let isWrong = true;
    cluster = new FakeCluster(['a', 'b'], { secretOf: (node) => (node === 'a' && isWrong ? 'wrong' : 'secret') });
    cluster.get('a').peers.addPeer(urlOf('b'));
    await cluster.time.advance(30_000);
    expect(cluster.get('a').peers.status().dials).toMatchObject([
      { state: 'stopped', attempts: 1, lastError: expect.stringMatching(/^AUTH_FAILED/) },
    ]);
    expect(cluster.get('b').peers.status().links).toEqual([]);
    cluster.get('a').peers.close();
    isWrong = false;
    cluster.add('a', cluster.get('a').engine);
    cluster.get('a').peers.addPeer(urlOf('b'));
    await cluster.time.advance(100);
    expect(cluster.get('a').peers.status().links).toMatchObject([{ state: 'live' }]);
  });

  test('[SY21] a node that dials itself notices and gives the address up', async () => {
    cluster = new FakeCluster(['a']);
    cluster.get('a').peers.addPeer(urlOf('a'));
    await cluster.time.advance(10_000);
    expect(cluster.get('a').peers.status()).toMatchObject({
      links: [],
      dials: [{ state: 'stopped', attempts: 1, lastError: expect.stringMatching(/^SELF_CONNECTION/) }],
    });
  });

  test('[SY22] of two links between one pair the one by the smaller node id survives, on both sides', async () => {
    cluster = new FakeCluster(['a', 'b']);
    cluster.get('b').peers.addPeer(urlOf('a'));
    cluster.get('a').peers.addPeer(urlOf('b'));
    await cluster.time.advance(30_000);
    expect(cluster.get('a').peers.status().links).toMatchObject([{ direction: 'dialed', state: 'live' }]);
    expect(cluster.get('b').peers.status().links).toMatchObject([{ direction: 'accepted', state: 'live' }]);
    expect(cluster.get('b').peers.status().dials).toMatchObject([{ state: 'linked', node: 'a' }]);
    const closed = cluster.get('a').events.filter(({ type }) => type === 'closed');
    expect(closed.length).toBeLessThanOrEqual(1);
  });

  test('[SY22] the address that stood by takes over when the other link is gone', async () => {
    cluster = new FakeCluster(['a', 'b']);
    cluster.get('b').peers.addPeer(urlOf('a'));
    await cluster.time.advance(100);
    cluster.get('a').peers.addPeer(urlOf('b'));
    await cluster.time.advance(1000);
    cluster.network.cut.add('a|b');
    await cluster.time.advance(30_000);
    expect(cluster.get('a').peers.status().links).toEqual([]);
    cluster.network.cut.clear();
    await cluster.time.until(() => cluster.get('a').peers.status().links[0]?.state === 'live', 8000);
    await cluster.time.advance(2000);
    expect(cluster.get('a').peers.status().links).toHaveLength(1);
    expect(cluster.get('b').peers.status().links).toHaveLength(1);
  });

  test('[SY23] a restarted node replaces its old link at once', async () => {
    cluster = new FakeCluster(['a', 'b']);
    await cluster.link('b', 'a');
    cluster.network.cut.add('a|b');
    cluster.get('b').peers.close();
    cluster.network.cut.clear();
    cluster.add('b');
    await cluster.link('b', 'a');
    expect(cluster.get('a').peers.status().links).toHaveLength(1);
    expect(cluster.get('a').events).toContainEqual(
      expect.objectContaining({ type: 'closed', code: CLOSE_CODES.REPLACED }),
    );
  });

  test('[SY24] a peer that is silent for 15 s is dead', async () => {
    cluster = new FakeCluster(['a', 'b']);
    await cluster.link('a', 'b');
    await cluster.time.advance(60_000);
    expect(cluster.get('a').peers.status().links).toMatchObject([{ state: 'live', clockSkewMs: 0, roundTripMs: 10 }]);
    cluster.network.cut.add('a|b');
    await cluster.time.advance(10_000);
    expect(cluster.get('a').peers.status().links).toHaveLength(1);
    await cluster.time.advance(7000);
    expect(cluster.get('a').events.at(-1)).toMatchObject({ type: 'closed', code: CLOSE_CODES.PEER_SILENT });
  });

  test('[SY25] identical replicas reconnect with at most 300 bytes each way', async () => {
    cluster = new FakeCluster(['0123456789abcdef0123456789abcdef', '123456789abcdef0123456789abcdef0']);
    const [a, b] = [...cluster.nodes.keys()] as [string, string];
    await cluster.link(a, b);
    for (let i = 0; i < 20; i++) {
      for (const database of ['_system.0', 'app.0']) for (const id of [a, b]) cluster.get(id).engine.write(database);
      await cluster.time.advance(100);
    }
    cluster.network.cut.add(`${a}|${b}`);
    await cluster.time.advance(20_000);
    cluster.network.passed.length = 0;
    cluster.network.cut.clear();
    await cluster.time.until(() => cluster.network.passed.some(({ message }) => message.type === 'pong'), 10_000);
    await cluster.time.advance(1000);
    const sent = (from: string): number =>
      cluster.network.passed.filter((each) => each.from === from).reduce((sum, { frame }) => sum + frame.length, 0);
    expect(sent(a)).toBeLessThanOrEqual(300);
    expect(sent(b)).toBeLessThanOrEqual(300);
    expect(cluster.network.passed.some(({ message }) => message.type === 'data')).toBe(false);
  });

  test('[SY26] more links than allowed are turned away as busy', () => {
    cluster = new FakeCluster(['a'], { link: { linksMax: 2 } });
    const strangers = [new Stranger(), new Stranger(), new Stranger()];
    for (const stranger of strangers) cluster.get('a').peers.accept(stranger);
    expect(strangers.map(({ code }) => code)).toEqual([undefined, undefined, CLOSE_CODES.BUSY]);
  });

  test('[SY27] dials only addresses that were joined or advertised by a proven peer', async () => {
    const dialed: string[] = [];
    cluster = new FakeCluster(['x']);
    const engine = new FakeEngine('a', 2 ** 33, cluster.time, new Map());
    const peers = createPeers({
      engine,
      clock: cluster.time,
      timers: cluster.time,
      random: seededRandom(1),
      dialer: {
        dial: async (url) => {
          dialed.push(url);
          throw new Error('no');
        },
      },
      identity: () => ({ nodeId: 'a', name: 'a', url: 'mem://self', origin: engine.origin }),
      secret: () => SECRET,
    });
    const impostor = new Stranger();
    peers.accept(impostor);
    impostor.authenticate({ ...hello, url: 'mem://evil' }, Uint8Array.of(1));
    const member = new Stranger();
    peers.accept(member);
    member.authenticate({ ...hello, url: 'mem://member/' });
    peers.learn('mem://learned');
    peers.learn('mem://self');
    member.onClose(1006, '');
    await cluster.time.advance(1000);
    expect([...new Set(dialed)].sort()).toEqual(['mem://learned', 'mem://member']);
    peers.close();
  });
});

/**
 * @module
 * Owns the first two messages of a link. Pure: frames in, frames out. Nothing but HELLO and AUTH is parsed before the peer has
 * proved the secret. PROTOCOL.md section "Handshake".
 */
import { computeMac, isSameMac, toHex } from '../protocol/authentication.ts';
import type { LinkRole } from '../protocol/authentication.ts';
import { CLOSE_CODES } from '../protocol/close-code.ts';
import { encodeFrame } from '../protocol/frame.ts';
import type { AuthMessage, HelloMessage, Message } from '../protocol/message.ts';
import { CAPABILITY_DEFLATE, hasCapabilities, negotiateVersion } from '../protocol/version.ts';
import type { PeerIdentity } from './context.ts';

export interface Refusal {
  readonly code: number;
  readonly reason: string;
}

/** What to do after a frame. */
export interface HandshakeStep {
  readonly send?: Uint8Array;
  readonly refusal?: Refusal;
  /** The peer is authenticated. */
  readonly peer?: PeerIdentity;
}

export class Handshake {
  readonly #role: LinkRole;
  readonly #secret: Uint8Array;
  readonly #hello: HelloMessage;
  readonly #helloFrame: Uint8Array;
  #peerHello: HelloMessage | null = null;
  #peerHelloFrame: Uint8Array = new Uint8Array();
  /** AUTH that overtook its HELLO. */
  #earlyAuth: AuthMessage | null = null;

  constructor(role: LinkRole, secret: Uint8Array, hello: HelloMessage) {
    this.#role = role;
    this.#secret = secret;
    this.#hello = hello;
    this.#helloFrame = encodeFrame(hello);
  }

  /** The first frame to send. */
  get helloFrame(): Uint8Array {
    return this.#helloFrame;
  }

  /** What the peer claims to be, before it proved the secret: for status only. */
  get claimed(): HelloMessage | null {
    return this.#peerHello;
  }

  receive(message: Message, frame: Uint8Array): HandshakeStep {
    if (message.type === 'hello') return this.#receiveHello(message, frame);
    if (message.type !== 'auth') return {};
    if (this.#peerHello !== null) return this.#receiveAuth(this.#peerHello, message);
    this.#earlyAuth = message;
    return {};
  }

  #receiveHello(hello: HelloMessage, frame: Uint8Array): HandshakeStep {
    if (this.#peerHello !== null) return {};
    const refusal = this.#judge(hello);
    if (refusal !== null) return { refusal };
    this.#peerHello = hello;
    this.#peerHelloFrame = frame.slice();
    const send = encodeFrame({ type: 'auth', mac: this.#mac(this.#role) });
    return this.#earlyAuth === null ? { send } : { send, ...this.#receiveAuth(hello, this.#earlyAuth) };
  }

  #judge(hello: HelloMessage): Refusal | null {
    const own = this.#hello;
    if (negotiateVersion(own, hello) === null) {
      const theirs = `${hello.versionMin}–${hello.versionMax}`;
      return {
        code: CLOSE_CODES.VERSION_UNSUPPORTED,
        reason: `peer speaks ${theirs}, we ${own.versionMin}–${own.versionMax}`,
      };
    }
    if (!hasCapabilities(own.supports, hello.requires) || !hasCapabilities(hello.supports, own.requires)) {
      return { code: CLOSE_CODES.CAPABILITY_UNSUPPORTED, reason: `required capabilities ${hello.requires}` };
    }
    if (hello.nodeId === own.nodeId && toHex(hello.bootNonce) === toHex(own.bootNonce)) {
      return { code: CLOSE_CODES.SELF_CONNECTION, reason: 'this address is our own' };
    }
    return null;
  }

  #receiveAuth(hello: HelloMessage, auth: AuthMessage): HandshakeStep {
    const expected = this.#mac(this.#role === 'dialer' ? 'acceptor' : 'dialer');
    if (!isSameMac(expected, auth.mac)) {
      return { refusal: { code: CLOSE_CODES.AUTH_FAILED, reason: 'the cluster secret differs' } };
    }
    // Only now: anybody may claim a node id.
    if (hello.nodeId === this.#hello.nodeId) {
      return { refusal: { code: CLOSE_CODES.DUPLICATE_NODE, reason: 'another process runs under our node id' } };
    }
    return { peer: this.#describe(hello) };
  }

  #describe(hello: HelloMessage): PeerIdentity {
    const common = hello.supports & this.#hello.supports;
    return {
      nodeId: hello.nodeId,
      name: hello.name,
      url: hello.url === '' ? null : hello.url,
      origin: hello.origin,
      boot: toHex(hello.bootNonce),
      windowBytes: hello.windowBytes,
      canDeflate: hasCapabilities(common, CAPABILITY_DEFLATE),
    };
  }

  #mac(role: LinkRole): Uint8Array {
    const [dialer, acceptor] =
      this.#role === 'dialer' ? [this.#helloFrame, this.#peerHelloFrame] : [this.#peerHelloFrame, this.#helloFrame];
    return computeMac(this.#secret, role, dialer, acceptor);
  }
}

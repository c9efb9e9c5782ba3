/**
 * @module
 * Owns the first messages of a link. Pure: frames in, frames out. Nothing but HELLO and AUTH is parsed before the peer has proved
 * the secret, or the join token it was given in its stead. PROTOCOL.md sections "Handshake" and "Admission".
 */
import { sealSecret, unsealSecret } from '../protocol/admission.ts';
import type { JoinToken } from '../protocol/admission.ts';
import { computeMac, computeTranscript, isSameMac, toHex } from '../protocol/authentication.ts';
import type { LinkRole } from '../protocol/authentication.ts';
import { CLOSE_CODES } from '../protocol/close-code.ts';
import { encodeFrame } from '../protocol/frame.ts';
import { SECRET_BYTES_MAX } from '../protocol/limit.ts';
import type { AuthMessage, HelloMessage, Message } from '../protocol/message.ts';
import { CAPABILITY_DEFLATE, hasCapabilities, negotiateVersion } from '../protocol/version.ts';
import type { PeerIdentity } from './context.ts';

export interface Refusal {
  readonly code: number;
  readonly reason: string;
}

/** What members know of a join token. */
export interface KnownToken {
  readonly key: Uint8Array;
  /** Why it may not be used; told to whoever proves it. */
  refusalFor(nodeId: string): string | null;
}

/** What to do after a frame. */
export interface HandshakeStep {
  readonly send?: Uint8Array;
  readonly refusal?: Refusal;
  /** The peer is authenticated: it knows the secret. */
  readonly peer?: PeerIdentity;
  /** The peer proved a join token: it may be told the secret. */
  readonly admits?: { readonly tokenId: string; readonly nodeId: string };
  /** The cluster told us its secret. */
  readonly secret?: Uint8Array;
}

export interface HandshakeSetup {
  readonly role: LinkRole;
  readonly hello: HelloMessage;
  readonly secret: Uint8Array;
  /** What a dialer proves instead of the secret, which it does not know. */
  readonly token?: JoinToken | undefined;
  findToken(id: string): KnownToken | null;
  /** Did this process send that nonce? Then the peer is ourselves. */
  isOwnNonce(nonce: string): boolean;
}

export class Handshake {
  readonly #setup: HandshakeSetup;
  readonly #helloFrame: Uint8Array;
  #key: Uint8Array;
  #peerHello: HelloMessage | null = null;
  #peerHelloFrame: Uint8Array = new Uint8Array();
  /** AUTH that overtook its HELLO. */
  #earlyAuth: AuthMessage | null = null;
  #isProven = false;

  constructor(setup: HandshakeSetup) {
    this.#setup = setup;
    this.#key = setup.token?.key ?? setup.secret;
    this.#helloFrame = encodeFrame(setup.hello);
  }

  /** The first frame to send. */
  get helloFrame(): Uint8Array {
    return this.#helloFrame;
  }

  /** What the peer claims to be, before it proved the secret: for status only. */
  get claimed(): HelloMessage | null {
    return this.#peerHello;
  }

  /** The peer proved the secret or a token. */
  get isProven(): boolean {
    return this.#isProven;
  }

  receive(message: Message, frame: Uint8Array): HandshakeStep {
    if (message.type === 'hello') return this.#receiveHello(message, frame);
    if (message.type === 'admission') return this.#receiveAdmission(message.sealed);
    if (message.type !== 'auth') return {};
    if (this.#peerHello !== null) return this.#receiveAuth(this.#peerHello, message);
    this.#earlyAuth = message;
    return {};
  }

  /** The frame that tells a node that proved a token the secret. */
  admissionFrame(): Uint8Array {
    return encodeFrame({ type: 'admission', sealed: sealSecret(this.#key, this.#transcript(), this.#setup.secret) });
  }

  #receiveHello(hello: HelloMessage, frame: Uint8Array): HandshakeStep {
    if (this.#peerHello !== null) return {};
    const refusal = this.#judge(hello) ?? this.#chooseKey(hello);
    if (refusal !== null) return { refusal };
    this.#peerHello = hello;
    this.#peerHelloFrame = frame.slice();
    const send = encodeFrame({ type: 'auth', mac: this.#mac(this.#setup.role) });
    return this.#earlyAuth === null ? { send } : { send, ...this.#receiveAuth(hello, this.#earlyAuth) };
  }

  #judge(hello: HelloMessage): Refusal | null {
    const own = this.#setup.hello;
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
    // Node id and boot nonce do not tell: a copied machine has them too.
    if (this.#setup.isOwnNonce(toHex(hello.nonce))) {
      return { code: CLOSE_CODES.SELF_CONNECTION, reason: 'this address is our own' };
    }
    return null;
  }

  #chooseKey(hello: HelloMessage): Refusal | null {
    if (this.#setup.role !== 'acceptor' || hello.token === '') return null;
    const known = this.#setup.findToken(hello.token);
    // It may have been made a moment ago on another member: the dialer tries again.
    if (known === null) return { code: CLOSE_CODES.TOKEN_UNKNOWN, reason: 'the join token is not known here' };
    this.#key = known.key;
    return null;
  }

  #receiveAuth(hello: HelloMessage, auth: AuthMessage): HandshakeStep {
    if (this.#isProven) return {};
    const { role, token } = this.#setup;
    const isAdmission = role === 'dialer' ? token !== undefined : hello.token !== '';
    if (!isSameMac(this.#mac(role === 'dialer' ? 'acceptor' : 'dialer'), auth.mac)) {
      return isAdmission
        ? { refusal: { code: CLOSE_CODES.TOKEN_REFUSED, reason: 'the join token differs' } }
        : { refusal: { code: CLOSE_CODES.AUTH_FAILED, reason: 'the cluster secret differs' } };
    }
    this.#isProven = true;
    if (!isAdmission) return { peer: describePeer(hello, this.#setup.hello) };
    if (role === 'dialer') return {};
    const isTooLong = this.#setup.secret.length > SECRET_BYTES_MAX;
    const reason = isTooLong
      ? `the cluster secret is longer than ${SECRET_BYTES_MAX} bytes: no token can carry it`
      : (this.#setup.findToken(hello.token)?.refusalFor(hello.nodeId) ?? null);
    if (reason !== null) return { refusal: { code: CLOSE_CODES.TOKEN_REFUSED, reason } };
    return { admits: { tokenId: hello.token, nodeId: hello.nodeId } };
  }

  #receiveAdmission(sealed: Uint8Array): HandshakeStep {
    const { role, token } = this.#setup;
    if (role !== 'dialer' || token === undefined || !this.#isProven) return {};
    const secret = unsealSecret(token.key, this.#transcript(), sealed);
    if (secret !== null) return { secret };
    return { refusal: { code: CLOSE_CODES.FRAME_MALFORMED, reason: 'the secret was sealed for somebody else' } };
  }

  #mac(role: LinkRole): Uint8Array {
    return computeMac(this.#key, role, ...this.#hellos());
  }

  #transcript(): Uint8Array {
    return computeTranscript(...this.#hellos());
  }

  /** The dialer's first. */
  #hellos(): readonly [Uint8Array, Uint8Array] {
    return this.#setup.role === 'dialer'
      ? [this.#helloFrame, this.#peerHelloFrame]
      : [this.#peerHelloFrame, this.#helloFrame];
  }
}

function describePeer(hello: HelloMessage, own: HelloMessage): PeerIdentity {
  return {
    nodeId: hello.nodeId,
    name: hello.name,
    url: hello.url === '' ? null : hello.url,
    origin: hello.origin,
    boot: toHex(hello.bootNonce),
    nonce: toHex(hello.nonce),
    windowBytes: hello.windowBytes,
    canDeflate: hasCapabilities(hello.supports & own.supports, CAPABILITY_DEFLATE),
  };
}

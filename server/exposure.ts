/**
 * @module
 * Owns the rule that a node is closed by default: it listens on this machine only, unless TLS and a cluster secret protect it and it
 * asks for tokens, or the operator says `--insecure`. Also reads the files with secrets. SPEC.md HT16.
 */
import { readFileSync } from 'node:fs';
import type { NodeOptions } from './option.ts';
import { ConfigError } from './errors.ts';
import { hashToken } from './http/auth.ts';
import { formatListen, isLoopbackHost } from './listen-address.ts';

const TOKEN_BYTES_MIN = 16;

export interface Secrets {
  readonly adminTokenHash: Buffer | null;
  readonly clusterSecret: Uint8Array | null;
  readonly tls: TlsFiles | null;
  /** PEM of who vouches for members; null = whom the system trusts. */
  readonly peerCa: string | null;
}

export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
}

/** Can other machines reach this node, and did nobody say that they may do as they like? Then it asks for tokens. */
export function isExposed({ listen, insecure }: NodeOptions): boolean {
  return !insecure && !isLoopbackHost(listen.host);
}

/** @throws ConfigError `CONFIG_INSECURE` naming what is missing. */
export function requireProtection(options: NodeOptions): void {
  const { listen, tlsCert, tlsCa, mutualTls, clusterSecretFile, joinToken } = options;
  if (mutualTls && (tlsCa === undefined || tlsCert === undefined)) {
    throw invalid('mutual-tls', '--mutual-tls needs --tls-ca, --tls-cert and --tls-key');
  }
  if (!isExposed(options)) return;
  const missing = [
    tlsCert === undefined && '--tls-cert and --tls-key',
    clusterSecretFile === undefined && joinToken === undefined && '--cluster-secret-file',
  ].filter((flag) => flag !== false);
  if (missing.length === 0) return;
  const message = `${formatListen(listen)} can be reached from other machines: add ${missing.join(', ')}, or --insecure to go without`;
  throw new ConfigError('CONFIG_INSECURE', message, { details: { field: 'listen', missing } });
}

/** Reads every file the options name. @throws ConfigError `CONFIG_FILE_UNREADABLE`, `CONFIG_INVALID`. */
export function readSecrets({ adminTokenFile, clusterSecretFile, tlsCert, tlsKey, tlsCa }: NodeOptions): Secrets {
  const token = adminTokenFile === undefined ? null : readSecret('admin-token-file', adminTokenFile);
  if (token !== null && !/^[!-~]+$/.test(token)) {
    throw invalid('admin-token-file', 'the admin token must be printable ASCII without spaces, to fit into a header');
  }
  const secret = clusterSecretFile === undefined ? null : readSecret('cluster-secret-file', clusterSecretFile);
  const hasTls = tlsCert !== undefined && tlsKey !== undefined;
  return {
    adminTokenHash: token === null ? null : hashToken(token),
    clusterSecret: secret === null ? null : new TextEncoder().encode(secret),
    tls: hasTls ? { cert: readText('tls-cert', tlsCert), key: readText('tls-key', tlsKey) } : null,
    peerCa: tlsCa === undefined ? null : readText('tls-ca', tlsCa),
  };
}

function readSecret(key: string, path: string): string {
  const text = readText(key, path).trim();
  if (Buffer.byteLength(text) >= TOKEN_BYTES_MIN) return text;
  throw invalid(key, `${path} must hold at least ${TOKEN_BYTES_MIN} bytes; openssl rand -hex 32 makes good ones`);
}

function readText(key: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const message = `cannot read the file of --${key}: ${(cause as Error).message}`;
    throw new ConfigError('CONFIG_FILE_UNREADABLE', message, { cause, details: { field: key } });
  }
}

function invalid(field: string, message: string): ConfigError {
  return new ConfigError('CONFIG_INVALID', message, { details: { field } });
}

/**
 * @module
 * Owns the rule that a node is closed by default: it listens on this machine only, unless tokens, TLS and a cluster secret protect
 * it, or the operator says `--insecure`. Also reads the files with secrets. SPEC.md HT16.
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
  readonly tls: { readonly cert: Buffer; readonly key: Buffer } | null;
}

/** @throws ConfigError `CONFIG_INSECURE` naming what is missing. */
export function requireProtection(options: NodeOptions): void {
  const { listen, adminTokenFile, tlsCert, clusterSecretFile, joinToken, insecure } = options;
  if (insecure || isLoopbackHost(listen.host)) return;
  const missing = [
    adminTokenFile === undefined && '--admin-token-file',
    tlsCert === undefined && '--tls-cert and --tls-key',
    clusterSecretFile === undefined && joinToken === undefined && '--cluster-secret-file',
  ].filter((flag) => flag !== false);
  if (missing.length === 0) return;
  const message = `${formatListen(listen)} can be reached from other machines: add ${missing.join(', ')}, or --insecure to go without`;
  throw new ConfigError('CONFIG_INSECURE', message, { details: { field: 'listen', missing } });
}

/** Reads every file the options name. @throws ConfigError `CONFIG_FILE_UNREADABLE`, `CONFIG_INVALID`. */
export function readSecrets({ adminTokenFile, clusterSecretFile, tlsCert, tlsKey }: NodeOptions): Secrets {
  const token = adminTokenFile === undefined ? null : readSecret('admin-token-file', adminTokenFile);
  if (token !== null && !/^[!-~]+$/.test(token)) {
    throw invalid('admin-token-file', 'the admin token must be printable ASCII without spaces, to fit into a header');
  }
  const secret = clusterSecretFile === undefined ? null : readSecret('cluster-secret-file', clusterSecretFile);
  const hasTls = tlsCert !== undefined && tlsKey !== undefined;
  return {
    adminTokenHash: token === null ? null : hashToken(token),
    clusterSecret: secret === null ? null : new TextEncoder().encode(secret),
    tls: hasTls ? { cert: readFile('tls-cert', tlsCert), key: readFile('tls-key', tlsKey) } : null,
  };
}

function readSecret(key: string, path: string): string {
  const text = readFile(key, path).toString('utf8').trim();
  if (Buffer.byteLength(text) >= TOKEN_BYTES_MIN) return text;
  throw invalid(key, `${path} must hold at least ${TOKEN_BYTES_MIN} bytes; openssl rand -hex 32 makes good ones`);
}

function readFile(key: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    const message = `cannot read the file of --${key}: ${(cause as Error).message}`;
    throw new ConfigError('CONFIG_FILE_UNREADABLE', message, { cause, details: { field: key } });
  }
}

function invalid(field: string, message: string): ConfigError {
  return new ConfigError('CONFIG_INVALID', message, { details: { field } });
}

/**
 * @module
 * Owns certificates for tests: one for 127.0.0.1 that vouches for itself, made by openssl.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificate {
  readonly tlsCert: string;
  readonly tlsKey: string;
}

export function createCertificate(directory: string): Certificate {
  mkdirSync(directory, { recursive: true });
  const [tlsCert, tlsKey] = [join(directory, 'cert'), join(directory, 'key')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'];
  execFileSync('openssl', ['req', ...kind, ...subject, '-keyout', tlsKey, '-out', tlsCert], { stdio: 'ignore' });
  return { tlsCert, tlsKey };
}

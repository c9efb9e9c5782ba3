import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { completeOptions, environmentName, resolveConfig } from '../../../server/config.ts';
import { OPTIONS } from '../../../server/option.ts';
import { readSecrets, requireProtection } from '../../../server/exposure.ts';
import { isLoopbackHost, parseListen } from '../../../server/listen-address.ts';

const directory = mkdtempSync(join(tmpdir(), 'atoll-config-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

function errorOf(run: () => unknown): { code: string; message: string; details: Record<string, unknown> } {
  try {
    run();
  } catch (error) {
    return error as never;
  }
  throw new Error('nothing was thrown');
}

describe('sources', () => {
  test('[HT20] flags win over the environment, that over the file, that over defaults', () => {
    const path = file('a.json', '{"data":"/file","name":"file","advertise":"http://file:1","log":"warn"}');
    const env = { ATOLL_NAME: 'env', ATOLL_ADVERTISE: 'http://env:1' };
    const options = resolveConfig({ flags: { advertise: 'http://flag:1' }, env, file: path });
    expect(options).toMatchObject({ data: '/file', name: 'env', advertise: 'http://flag:1', log: 'warn' });
    expect(options.listen).toEqual({ host: '127.0.0.1', port: 7400 });
    expect(options.join).toEqual([]);
  });

  test('[HT20] the environment names the file, and lists are separated by commas', () => {
    const path = file('b.json', '{"data":"/d"}');
    const options = resolveConfig({ env: { ATOLL_CONFIG: path, ATOLL_JOIN: 'http://a:1, http://b:2/' } });
    expect(options.join).toEqual(['http://a:1', 'http://b:2']);
  });

  test('[HT20] every option can be set in each of the three places', () => {
    for (const { key } of OPTIONS) expect(environmentName(key)).toMatch(/^ATOLL_[A-Z_]+$/);
    const keys = OPTIONS.map(({ key }) => key);
    expect(new Set(keys).size).toBe(keys.length);
  });

  test('[HT20] an unknown key in the file is an error that suggests the nearest option', () => {
    const error = errorOf(() => resolveConfig({ file: file('c.json', '{"data":"/d","lisen":"x"}') }));
    expect(error.code).toBe('CONFIG_KEY_UNKNOWN');
    expect(error.message).toContain('did you mean listen?');
  });

  test.each([
    ['not JSON', '{', 'CONFIG_INVALID'],
    ['not an object', '[]', 'CONFIG_INVALID'],
  ])('[HT20] a file that is %s is refused', (_name, text, code) => {
    expect(errorOf(() => resolveConfig({ file: file('d.json', text) })).code).toBe(code);
  });

  test('[HT20] a missing file is named', () => {
    const error = errorOf(() => resolveConfig({ file: join(directory, 'none') }));
    expect(error.code).toBe('CONFIG_FILE_UNREADABLE');
    expect(error.details['field']).toBe('config');
  });
});

describe('values', () => {
  test.each([
    [{}, 'data'],
    [{ data: '/d', listen: 'nowhere' }, 'listen'],
    [{ data: '/d', listen: '127.0.0.1:70000' }, 'listen'],
    [{ data: '/d', advertise: 'not a url' }, 'advertise'],
    [{ data: '/d', join: ['ftp://x'] }, 'join'],
    [{ data: '/d', join: ['http://x/?a=b'] }, 'join'],
    [{ data: '/d', insecure: 'perhaps' }, 'insecure'],
    [{ data: '/d', depth: '1e3' }, 'depth'],
    [{ data: '/d', 'body-bytes': 0 }, 'body-bytes'],
    [{ data: '/d', log: 'loud' }, 'log'],
    [{ data: '/d', 'tls-cert': 'x' }, 'tls-cert'],
    [{ data: 7 }, 'data'],
  ])('[HT20] %j is refused and names %s', (flags, field) => {
    const error = errorOf(() => resolveConfig({ flags }));
    expect(error.code).toBe('CONFIG_INVALID');
    expect(error.details['field']).toBe(field);
    expect(error.message).toContain(field);
  });

  test.each([
    ['127.0.0.1:7400', { host: '127.0.0.1', port: 7400 }],
    ['[::1]:0', { host: '::1', port: 0 }],
    [':8000', { host: '127.0.0.1', port: 8000 }],
    ['8000', { host: '127.0.0.1', port: 8000 }],
    ['db.local:1', { host: 'db.local', port: 1 }],
  ])('[HT20] %s is an address to listen on', (text, address) => {
    expect(parseListen(text, 'listen')).toEqual(address);
  });

  test('[HT20] a program gives options by name and gets the same checks and defaults', () => {
    expect(completeOptions({ data: '/d', listen: '127.0.0.1:0' }).listen.port).toBe(0);
    expect(completeOptions({ data: '/d', listen: { host: '::1', port: 1 } }).listen).toEqual({ host: '::1', port: 1 });
    expect(errorOf(() => completeOptions({ data: '/d', depth: -1 })).code).toBe('CONFIG_INVALID');
  });
});

describe('exposure', () => {
  const loopback = ['127.0.0.1', '127.8.9.1', '::1', 'localhost'];
  const open = ['0.0.0.0', '::', '10.0.0.1', 'example.org', '127.0.0.1.example.org'];

  test('[HT16] only addresses of this machine are loopback', () => {
    expect(loopback.every(isLoopbackHost)).toBe(true);
    expect(open.some(isLoopbackHost)).toBe(false);
  });

  test('[HT16] an address beyond this machine is refused without TLS and a secret, and allowed with --insecure', () => {
    const error = errorOf(() => requireProtection(completeOptions({ data: '/d', listen: '0.0.0.0:0' })));
    expect(error.code).toBe('CONFIG_INSECURE');
    expect(error.details['missing']).toEqual(['--tls-cert and --tls-key', '--cluster-secret-file']);
    expect(error.message).toContain('--insecure');
    requireProtection(completeOptions({ data: '/d', listen: '0.0.0.0:0', insecure: true }));
    requireProtection(completeOptions({ data: '/d', listen: '127.0.0.1:0' }));
    const files = { tlsCert: 'b', tlsKey: 'c', clusterSecretFile: 'd' };
    requireProtection(completeOptions({ data: '/d', listen: '0.0.0.0:0', ...files }));
  });

  test('[AC8] mutual TLS needs a certificate, and somebody who vouches for those of members', () => {
    const files = { tlsCert: 'b', tlsKey: 'c' };
    for (const given of [{}, files, { tlsCa: 'a' }]) {
      const options = completeOptions({ data: '/d', mutualTls: true, ...given });
      expect(errorOf(() => requireProtection(options)).code).toBe('CONFIG_INVALID');
    }
    requireProtection(completeOptions({ data: '/d', mutualTls: true, ...files, tlsCa: 'a' }));
  });

  test.each(['*', 'app.example', 'https://app.example/x', 'null', 'file:///x', ''])(
    '[AC7] %j is no origin of pages',
    (origin) => {
      const error = errorOf(() => completeOptions({ data: '/d', allowOrigin: [origin] }));
      expect([error.code, error.details['field']]).toEqual(['CONFIG_INVALID', 'allow-origin']);
    },
  );

  test('[AC7] origins and host names are read as browsers send them', () => {
    const given = { allowOrigin: ['https://App.example/', 'http://localhost:3000'], allowHost: ['DB.example'] };
    const { allowOrigin, allowHost } = completeOptions({ data: '/d', ...given });
    expect(allowOrigin).toEqual(['https://app.example', 'http://localhost:3000']);
    expect(allowHost).toEqual(['db.example']);
    expect(errorOf(() => completeOptions({ data: '/d', allowHost: ['db:80'] })).code).toBe('CONFIG_INVALID');
  });

  test('[HT16] secrets are read from files, trimmed, and refused when short or unfit for a header', () => {
    const good = file('token', `${'t'.repeat(32)}\n`);
    const secrets = readSecrets(completeOptions({ data: '/d', adminTokenFile: good, clusterSecretFile: good }));
    expect(secrets.adminTokenHash).toHaveLength(32);
    expect(secrets.clusterSecret).toHaveLength(32);
    const bad = [file('short', 'abc'), file('space', 'a secret with spaces in it')];
    for (const adminTokenFile of bad) {
      expect(errorOf(() => readSecrets(completeOptions({ data: '/d', adminTokenFile }))).code).toBe('CONFIG_INVALID');
    }
    const none = completeOptions({ data: '/d', adminTokenFile: join(directory, 'none') });
    expect(errorOf(() => readSecrets(none)).code).toBe('CONFIG_FILE_UNREADABLE');
  });
});

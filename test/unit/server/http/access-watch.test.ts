import { describe, expect, test } from 'vitest';
import { AccessWatch } from '../../../../server/http/access-watch.ts';
import { AccessControl, hashToken } from '../../../../server/http/auth.ts';
import type { Principal } from '../../../../server/http/principal.ts';
import { cryptoRandom, systemTimers } from '../../../../server/system-ports.ts';
import { MemoryStore, Replica } from '../../../../sync/index.ts';

describe('what outlasts its token', () => {
  test('[AC11] it ends when the token is revoked or expires, or when tokens come to be asked for, and not before', async () => {
    let now = 1_800_000_000_000;
    const ports = { clock: { now: () => now }, timers: systemTimers, random: cryptoRandom };
    const replica = await Replica.open({ store: new MemoryStore(), ...ports });
    const tokens = replica.accessTokens;
    const settings = { insecure: false, isExposed: false, requestsPerSecond: 0 };
    const access = new AccessControl({ ...settings, adminTokenHash: null }, tokens);
    const guarded = new AccessControl({ ...settings, adminTokenHash: hashToken('a-token-from-a-file') }, tokens);
    const from = (token?: string): Parameters<AccessControl['authenticate']>[0] =>
      ({
        headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
        socket: { remoteAddress: '127.0.0.1' },
      }) as never;
    const ended: string[] = [];
    const watch = new AccessWatch(access);
    const add = (name: string, principal: Principal): (() => void) => watch.add(principal, () => ended.push(name));
    const releases = [
      add('local', access.authenticate(from())),
      add('file', guarded.authenticate(from('a-token-from-a-file'))),
    ];
    watch.look();
    expect(ended).toEqual([]);
    const root = await tokens.create({ role: 'admin' }, false);
    const reader = await tokens.create({ role: 'read' }, false);
    const guest = await tokens.create({ role: 'read', validMs: 1000 }, false);
    releases.push(
      add('root', access.authenticate(from(root.token))),
      add('reader', access.authenticate(from(reader.token))),
      add('guest', access.authenticate(from(guest.token))),
    );
    watch.look();
    expect(ended).toEqual(['local']);
    releases[0]!();
    await tokens.revoke(reader.id, 'test', false);
    watch.look();
    expect(ended).toEqual(['local', 'reader']);
    releases[3]!();
    now += 1000;
    watch.look();
    expect(ended).toEqual(['local', 'reader', 'guest']);
    expect(watch.size).toBe(3);
    for (const release of releases) release();
    expect(watch.size).toBe(0);
    await replica.close();
  });
});

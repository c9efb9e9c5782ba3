import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as Y from 'yjs';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { openClient, openHocuspocus, openSocket, VERSIONS } from '../helper/yjs-client.ts';
import type { ClientSetup, SharedClient, Version } from '../helper/yjs-client.ts';
import { eventually, Leftovers } from './cli-process.ts';

const TOKEN = 'an-admin-token-of-a-test';
const leftovers = new Leftovers();
const clients: SharedClient[] = [];
let open: { readonly url: string };
let guarded: { readonly url: string };
let readToken: string;

beforeAll(async () => {
  const file = join(await leftovers.directory(), 'token');
  await writeFile(file, TOKEN);
  [open, guarded] = await Promise.all([leftovers.startNode(), leftovers.startNode(['--admin-token-file', file])]);
  await fetch(`${open.url}/v1/app`, { method: 'PUT' });
  const authorization = `Bearer ${TOKEN}`;
  const created = await fetch(`${guarded.url}/v1/app`, { method: 'PUT', headers: { authorization } });
  expect(created.status).toBe(201);
  const headers = { authorization, 'content-type': 'application/json' };
  const made = await fetch(`${guarded.url}/v1/_admin/tokens`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ role: 'read', databases: ['app'], name: 'reader' }),
  });
  readToken = ((await made.json()) as { token: string }).token;
});
afterEach(() => {
  for (const client of clients.splice(0)) client.destroy();
});
afterAll(() => leftovers.clear());

function client(version: Version, setup: ClientSetup): SharedClient {
  const opened = openClient(version, setup);
  clients.push(opened);
  return opened;
}

async function json(url: string, path: string, token?: string): Promise<unknown> {
  const answer = await fetch(
    `${url}/v1/app/${path}`,
    token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } },
  );
  return answer.status === 200 ? answer.json() : answer.status;
}

const text = ({ doc }: SharedClient): string => doc.getText('body').toString();

describe.each(VERSIONS)('%s', (version) => {
  const name = `app/notes/${version.replace(' ', '-')}`;

  test('[YJ1] two clients edit one document, and it is JSON', async () => {
    const a = client(version, { url: open.url, name });
    const b = client(version, { url: open.url, name });
    a.doc.getText('body').insert(0, 'hello');
    await eventually(async () => text(b) === 'hello');
    b.doc.getText('body').insert(5, ' world');
    await eventually(async () => text(a) === 'hello world' && a.unsynced() !== 1);
    expect(await json(open.url, `notes/docs/${version.replace(' ', '-')}`)).toEqual({ body: 'hello world' });
    await eventually(
      async () => a.isSynced() && b.isSynced() && (a.unsynced() ?? 0) === 0 && (b.unsynced() ?? 0) === 0,
    );
  });

  test('[YJ5] clients see each other, until they leave', async () => {
    const a = client(version, { url: open.url, name });
    const b = client(version, { url: open.url, name });
    a.awareness.setLocalStateField('user', { name: 'Ada' });
    await eventually(async () => [...b.awareness.getStates().values()].some((state) => 'user' in state));
    a.destroy();
    await eventually(async () => ![...b.awareness.getStates().values()].some((state) => 'user' in state));
  });

  test('[YJ2] a token opens the door', async () => {
    const a = client(version, { url: guarded.url, name, token: TOKEN });
    a.doc.getText('body').insert(0, 'secret');
    await eventually(async () => a.isSynced() && (a.unsynced() ?? 0) === 0);
    await eventually(async () => (await json(guarded.url, `notes/docs/${version.replace(' ', '-')}`, TOKEN)) !== 404);
    if (version.startsWith('h')) expect(a.scope()).toBe('read-write');
  });

  test.each([
    ['a wrong token', 'wrong'],
    ['no token', undefined],
  ])('[YJ2] %s does not', async (_name, token) => {
    const a = client(version, { url: guarded.url, name, ...(token !== undefined && { token }) });
    // A Hocuspocus client of version 2 without a token asks for nothing, and is told nothing.
    if (version === 'hocuspocus 2' && token === undefined) await new Promise((resolve) => setTimeout(resolve, 300));
    else if (version.startsWith('y-')) await eventually(async () => a.closes.includes(4401));
    else await eventually(async () => a.denials.length > 0);
    expect(a.isSynced()).toBe(false);
    expect(text(a)).toBe('');
  });

  test('[YJ3] who may only read sees everything and changes nothing', async () => {
    const writer = client(version, { url: guarded.url, name: `${name}-r`, token: TOKEN });
    const reader = client(version, { url: guarded.url, name: `${name}-r`, token: readToken });
    writer.doc.getText('body').insert(0, 'one');
    await eventually(async () => text(reader) === 'one');
    if (version.startsWith('h')) expect(reader.scope()).toBe('readonly');
    reader.doc.getText('body').insert(0, 'no ');
    writer.doc.getText('body').insert(3, ' two');
    await eventually(async () => text(reader) === 'no one two');
    expect(text(writer)).toBe('one two');
    expect(await json(guarded.url, `notes/docs/${version.replace(' ', '-')}-r`, TOKEN)).toEqual({ body: 'one two' });
  });

  test.each(['a/b', 'with spaces', 'Ärger ☃ 日本', 'dots..and~tilde'])(
    '[YJ1] a document may be named %s',
    async (id) => {
      const a = client(version, { url: open.url, name: `app/notes/${version}/${id}` });
      const b = client(version, { url: open.url, name: `app/notes/${version}/${id}` });
      a.doc.getText('body').insert(0, id);
      await eventually(async () => text(b) === id);
      expect(await json(open.url, `notes/docs/${encodeURIComponent(`${version}/${id}`)}`)).toEqual({ body: id });
    },
  );

  test('[YJ4] a document of 6 MB', { timeout: 60_000 }, async () => {
    const doc = new Y.Doc();
    doc.getText('body').insert(0, 'x'.repeat(6_000_000));
    const a = client(version, { url: open.url, name: `${name}-large`, doc });
    await eventually(async () => a.isSynced() && (a.unsynced() ?? 0) === 0);
    const b = client(version, { url: open.url, name: `${name}-large` });
    await eventually(async () => text(b).length === 6_000_000, 30_000);
    a.doc.getText('body').insert(0, 'y');
    await eventually(async () => text(b)[0] === 'y', 30_000);
  });
});

describe.each(VERSIONS.filter((version) => version.startsWith('h')))('%s', (version) => {
  test('[YJ1] two documents on one connection', async () => {
    const socket = openSocket(version, open.url);
    const [a, b] = ['one', 'two'].map((id) =>
      openHocuspocus(version, { url: open.url, name: `app/multi/${version.at(-1)}${id}` }, socket),
    ) as [SharedClient, SharedClient];
    clients.push(a, b, { ...a, destroy: () => socket.destroy() });
    a.doc.getText('body').insert(0, 'first');
    b.doc.getText('body').insert(0, 'second');
    await eventually(async () => a.isSynced() && b.isSynced() && a.unsynced() === 0 && b.unsynced() === 0);
    const read = (id: string): Promise<unknown> => json(open.url, `multi/docs/${version.at(-1)}${id}`);
    expect([await read('one'), await read('two')]).toEqual([{ body: 'first' }, { body: 'second' }]);
    a.destroy();
    b.doc.getText('body').insert(0, 'the ');
    await eventually(async () => (JSON.stringify(await read('two')) ?? '').includes('the second'));
  });
});

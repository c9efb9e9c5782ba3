import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { AtollClient } from '../../cli/client.ts';
import { openClient } from '../helper/yjs-client.ts';
import { BIN, cli, endOf, eventually, Leftovers } from './cli-process.ts';

const leftovers = new Leftovers();
afterAll(async () => leftovers.clear());

test('[CL4] start prints one JSON line when it serves, and SIGTERM drains it to exit code 0', async () => {
  const data = join(await leftovers.directory(), 'not', 'there', 'yet');
  const node = leftovers.spawn(['start', '--data', data, '--listen', '127.0.0.1:0', '--name', 'n7']);
  const ready = await node.next<{ url: string }>();
  expect(ready).toEqual({ ready: true, url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/), node: 'n7' });
  expect((await fetch(`${ready.url}/readyz`)).status).toBe(200);
  const end = await node.stop();
  expect(end.code).toBe(0);
  expect(end.stdout.trim().split('\n')).toHaveLength(1);
  await expect(fetch(`${ready.url}/livez`)).rejects.toThrow();
});

test('[CL4] options come from flags, environment and file, in this order', async () => {
  const directory = await leftovers.directory();
  const config = join(directory, 'atoll.json');
  await writeFile(config, JSON.stringify({ data: join(directory, 'data'), listen: '127.0.0.1:0', name: 'from-file' }));
  const byFile = leftovers.spawn(['start', '--config', config]);
  expect(await byFile.next()).toMatchObject({ node: 'from-file' });
  await byFile.stop();
  const byEnvironment = leftovers.spawn(['start', '--config', config], { env: { ATOLL_NAME: 'from-env' } });
  expect(await byEnvironment.next()).toMatchObject({ node: 'from-env' });
  await byEnvironment.stop();
  const byFlag = leftovers.spawn(['start', '--name', 'from-flag'], {
    env: { ATOLL_NAME: 'from-env', ATOLL_CONFIG: config },
  });
  expect(await byFlag.next()).toMatchObject({ node: 'from-flag' });
  await byFlag.stop();
});

test('[CL4] what was acknowledged is there after SIGTERM and after SIGKILL', async () => {
  const data = await leftovers.directory();
  let node = await leftovers.startNode([], data);
  await cli(['db', 'create', 'app', '--url', node.url]);
  expect((await cli(['doc', 'put', 'app/people/ada', '{"n":1}', '--url', node.url])).code).toBe(0);
  await node.stop('SIGKILL');
  node = await leftovers.startNode([], data);
  expect((await cli(['doc', 'put', 'app/people/bob', '{"n":2}', '--url', node.url])).code).toBe(0);
  await node.stop('SIGTERM');
  node = await leftovers.startNode([], data);
  const { stdout } = await cli(['doc', 'ls', 'app/people', '--json', '--url', node.url]);
  expect(
    stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object),
  ).toMatchObject([{ doc: { n: 1 } }, { doc: { n: 2 } }]);
  await node.stop();
});

test('[CL37] a node started for development serves editors what was deleted', async () => {
  const data = await leftovers.directory();
  const node = leftovers.spawn(['start', '--data', data, '--listen', '127.0.0.1:0'], {
    env: { NODE_ENV: 'development' },
  });
  const { url } = await node.next<{ url: string }>();
  const path = `${url}/v1/app/notes/docs/gone`;
  await fetch(`${url}/v1/app`, { method: 'PUT' });
  const headers = { 'content-type': 'application/json' };
  expect((await fetch(path, { method: 'PUT', headers, body: '{"body":"old"}' })).status).toBe(201);
  expect((await fetch(path, { method: 'DELETE' })).status).toBe(204);
  const editor = openClient('y-websocket 3.1', { url, name: 'app/notes/gone' });
  try {
    editor.doc.getText('body').insert(0, 'new');
    await eventually(async () => (await (await fetch(path)).text()) === '{"body":"new"}');
  } finally {
    editor.destroy();
    await node.stop();
  }
});

test('[CL4] a second SIGTERM does not wait for the drain', async () => {
  const node = await leftovers.startNode(['--drain-ms', '60000']);
  node.child.kill('SIGTERM');
  await eventually(async () => (await fetch(`${node.url}/readyz`)).status === 503);
  const startedMs = Date.now();
  expect((await node.stop('SIGTERM')).code).toBe(1);
  expect(Date.now() - startedMs).toBeLessThan(10_000);
});

test('[CL4] a node whose storage fails ends by itself with an error, and has what it acknowledged', async () => {
  const data = await leftovers.directory();
  // A limit on the size of files makes the log of the store fail as a full disk would.
  const shell = ['-c', 'ulimit -f 8192; exec "$0" "$@"', process.execPath, BIN];
  const child = spawn('/bin/sh', [...shell, 'start', '--data', data, '--listen', '127.0.0.1:0'], { stdio: 'pipe' });
  const ended = endOf(child);
  const ready = JSON.parse(String((await once(child.stdout, 'data'))[0])) as { url: string };
  const app = new AtollClient({ endpoints: ready.url, timeoutMs: 20_000 }).database('app');
  await app.create();
  let acknowledged = 0;
  const filling = async (): Promise<void> => {
    for (; acknowledged < 100; acknowledged += 1)
      await app.collection('big').put(`d${acknowledged}`, { x: randomBytes(300_000).toString('base64') });
  };
  await expect(filling()).rejects.toMatchObject({ name: 'ClientError' });
  const end = await ended;
  expect(end.code).toBe(1);
  expect(end.stderr).toMatch(/error: .*\[STORAGE_/);
  const again = await leftovers.startNode([], data);
  const info = await new AtollClient({ endpoints: again.url }).database('app').info();
  expect(info.documents).toBeGreaterThanOrEqual(acknowledged);
  await again.stop();
});

test('[CL4] a taken port and a data directory in use are errors that name the option', async () => {
  const data = await leftovers.directory();
  const node = await leftovers.startNode([], data);
  const port = new URL(node.url).port;
  const samePort = await cli(['start', '--data', await leftovers.directory(), '--listen', `127.0.0.1:${port}`]);
  expect(samePort.code).not.toBe(0);
  expect(samePort.stdout).toBe('');
  expect(samePort.stderr).toMatch(/CONFIG_LISTEN_FAILED/);
  expect(samePort.stderr).toMatch(new RegExp(`${port}`));
  expect(samePort.stderr).toMatch(/--listen/);
  const sameData = await cli(['start', '--data', data, '--listen', '127.0.0.1:0']);
  expect(sameData.code).not.toBe(0);
  expect(sameData.stderr).toMatch(/STORAGE_IN_USE/);
  expect(sameData.stderr).toMatch(/--data/);
  await node.stop();
});

test('[CL4] wrong options are usage errors that say what would be right', async () => {
  const data = await leftovers.directory();
  const cases: [string[], RegExp][] = [
    [['start'], /--data is required/],
    [['start', '--data', data, '--listen', 'nonsense'], /HOST:PORT/],
    [['start', '--data', data, '--nonsense'], /unknown option '--nonsense'/],
    [['start', '--data', data, '--listen', '0.0.0.0:0'], /--insecure/],
    [['start', '--data', data, '--join', 'nonsense'], /must be a URL such as/],
    [['start', '--data', data, '--config', join(data, 'missing.json')], /cannot read the configuration file/],
  ];
  for (const [args, message] of cases) {
    const end = await cli(args);
    expect(end.stderr).toMatch(message);
    expect(end.code).toBe(2);
    expect(end.stdout).toBe('');
  }
});

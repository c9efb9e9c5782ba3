import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { AtollClient, type ClusterStatus } from '../../cli/client.ts';
import { freePorts } from '../helper/port.ts';
import { cli, eventually, Leftovers, type LineProcess } from './cli-process.ts';

const leftovers = new Leftovers();
afterAll(async () => leftovers.clear());

interface Ready {
  readonly event: 'ready';
  readonly data: string;
  readonly nodes: readonly { readonly name: string; readonly url: string }[];
}
interface Status {
  readonly nodes: readonly {
    readonly name: string;
    readonly running: boolean;
    readonly cluster: ClusterStatus | null;
  }[];
  readonly cuts: readonly (readonly string[])[];
}
interface Dev {
  readonly process: LineProcess;
  readonly ready: Ready;
  readonly urls: readonly string[];
  readonly clients: readonly AtollClient[];
}

async function startDev(...args: string[]): Promise<Dev> {
  const child = leftovers.spawn(['dev', '--json', '--port', '0', ...args]);
  const ready = await child.next<Ready>();
  const urls = ready.nodes.map(({ url }) => url);
  return { process: child, ready, urls, clients: urls.map((endpoints) => new AtollClient({ endpoints })) };
}

const people = (client: AtollClient | undefined) =>
  (client as AtollClient).database('app').collection<{ n?: number; by?: string }>('people');
const verify = async (urls: readonly string[], ...args: string[]) =>
  cli(['verify', '--json', ...args, ...urls.flatMap((url) => ['--url', url])]);
const isGone = async (url: string): Promise<boolean> =>
  fetch(`${url}/livez`).then(
    () => false,
    () => true,
  );

/** Every node has a live link to every other one that it is not cut from. */
async function linked(dev: Dev, expected: Readonly<Record<string, readonly string[]>>): Promise<void> {
  await eventually(async () => {
    const status = await dev.process.ask<Status>('status');
    return Object.entries(expected).every(([name, names]) => {
      const links = status.nodes.find((node) => node.name === name)?.cluster?.links ?? [];
      const live = new Set(links.filter(({ state }) => state === 'live').map((link) => link.name));
      return live.size === names.length && names.every((other) => live.has(other));
    });
  });
}

test('[CL7] dev starts nodes with the database app, outlives the end of its input, and drains them on SIGTERM', async () => {
  const dev = await startDev('--nodes', '2');
  expect(dev.ready).toMatchObject({ event: 'ready', database: 'app', nodes: [{ name: 'n1' }, { name: 'n2' }] });
  for (const client of dev.clients) expect(await client.databases()).toContain('app');
  expect(existsSync(dev.ready.data)).toBe(true);
  dev.process.child.stdin?.end();
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(await isGone(dev.urls[0] as string)).toBe(false);
  const end = await dev.process.stop('SIGTERM');
  expect(end.code).toBe(0);
  for (const url of dev.urls) expect(await isGone(url)).toBe(true);
  expect(existsSync(dev.ready.data)).toBe(false);
});

test('[CL7] dev uses consecutive ports, keeps a directory that was given, and ends at quit', async () => {
  const data = join(await leftovers.directory(), 'cluster');
  const [port] = (await freePorts(2)) as [number, number];
  const child = leftovers.spawn(['dev', '--nodes', '2', '--port', String(port), '--data', data]);
  const end = child.end;
  for (const at of [port, port + 1]) await eventually(async () => !(await isGone(`http://127.0.0.1:${at}`)));
  await eventually(async () =>
    (await new AtollClient({ endpoints: `http://127.0.0.1:${port}` }).databases()).includes('app'),
  );
  child.child.stdin?.write('help\nnonsense\ncut n1 n9\nquit\n');
  const { code, stdout, stderr } = await end;
  expect(code).toBe(0);
  expect(stdout).toContain(`curl -X PUT http://127.0.0.1:${port}/v1/app/people/docs/ada`);
  expect(stdout).toContain(`curl -X PATCH http://127.0.0.1:${port + 1}/v1/app/people/docs/ada`);
  expect(stdout).toMatch(/cut A B .*\n.*heal A B/);
  expect(stderr).toContain('unknown command "nonsense"; type help');
  expect(stderr).toContain('there is no node "n9"; the nodes are n1, n2');
  expect(existsSync(join(data, 'n1'))).toBe(true);
});

test('[CL7] when a port is taken dev says which and leaves nothing running', async () => {
  const [port, taken] = (await freePorts(2)) as [number, number];
  const node = await leftovers.startNode(['--listen', `127.0.0.1:${taken}`]);
  const end = await cli(['dev', '--nodes', '2', '--port', String(port)]);
  expect(end.code).toBe(1);
  expect(end.stderr).toMatch(/n2 did not start;[^]*CONFIG_LISTEN_FAILED/);
  expect(await isGone(`http://127.0.0.1:${port}`)).toBe(true);
  await node.stop();
});

test('[CL8] [CL17] nodes that are cut apart take reads and writes, and hold the same after healing; verify tells both', async () => {
  const dev = await startDev();
  const [first, second, third] = dev.clients;
  await linked(dev, { n1: ['n2', 'n3'], n2: ['n1', 'n3'], n3: ['n1', 'n2'] });
  await people(first).put('ada', { n: 0 });
  const equal = await verify(dev.urls, '--wait', '15');
  expect(equal.code).toBe(0);
  expect(JSON.parse(equal.stdout)).toMatchObject({
    equal: true,
    nodes: [{ name: 'n1' }, { name: 'n2' }, { name: 'n3' }],
  });

  expect(await dev.process.ask('cut n3')).toEqual({ event: 'cut', nodes: ['n3'] });
  await linked(dev, { n1: ['n2'], n2: ['n1'], n3: [] });
  const increment = [{ op: 'increment', path: '/n', value: 1 }];
  await people(first).apply('ada', increment);
  await people(third).apply('ada', increment);
  await people(third).put('only-on-n3', { by: 'n3' });
  await people(second).put('bob', { by: 'n2' });
  expect((await people(third).get('ada'))?.doc.n).toBe(1);
  expect(await people(third).get('bob')).toBeNull();

  const different = await verify(dev.urls, '--wait', '0.5', '--db', 'app');
  expect(different.code).toBe(5);
  const report = JSON.parse(different.stdout) as {
    databases: { firstDifference: { collection: string; id: string; etags: (string | null)[] } }[];
  };
  expect(report.databases[0]?.firstDifference).toMatchObject({ collection: 'people', id: 'ada' });
  expect(new Set(report.databases[0]?.firstDifference.etags).size).toBe(2);
  expect(different.stderr).toMatch(/first difference: app\/people\/ada: n1 ".*", n2 ".*", n3 "/);
  expect((await dev.process.ask<Status>('status')).cuts).toEqual([
    ['n1', 'n3'],
    ['n2', 'n3'],
  ]);

  await dev.process.ask('heal 3');
  const healed = await verify(dev.urls, '--wait', '20');
  expect(healed.code).toBe(0);
  for (const client of dev.clients) {
    expect((await people(client).get('ada'))?.doc.n).toBe(2);
    expect((await people(client).get('only-on-n3'))?.doc).toEqual({ by: 'n3' });
  }
  expect((await dev.process.stop('SIGINT')).code).toBe(0);
});

test('[CL8] writes travel around a link that is cut', async () => {
  const dev = await startDev();
  await linked(dev, { n1: ['n2', 'n3'], n2: ['n1', 'n3'], n3: ['n1', 'n2'] });
  await dev.process.ask('cut n1 n3');
  await linked(dev, { n1: ['n2'], n2: ['n1', 'n3'], n3: ['n2'] });
  await people(dev.clients[0]).put('around', { by: 'n1' });
  await eventually(async () => (await people(dev.clients[2]).get('around')) !== null);
  const status = await cli(['status', '--json', '--url', dev.urls[0] as string]);
  expect(status.code).toBe(5);
  await dev.process.stop();
});

test('[CL9] a node that is killed comes back on its port with what it had acknowledged, and catches up', async () => {
  const dev = await startDev();
  await linked(dev, { n1: ['n2', 'n3'], n2: ['n1', 'n3'], n3: ['n1', 'n2'] });
  await people(dev.clients[1]).put('before', { by: 'n2' });
  expect(await dev.process.ask('kill n2')).toEqual({ event: 'kill', nodes: ['n2'] });
  expect(await isGone(dev.urls[1] as string)).toBe(true);
  await people(dev.clients[0]).put('meanwhile', { by: 'n1' });
  const during = await verify(dev.urls, '--wait', '0');
  expect(during.code).toBe(5);
  expect((await dev.process.ask<Status>('status')).nodes[1]).toMatchObject({
    name: 'n2',
    running: false,
    cluster: null,
  });
  expect(await dev.process.ask('start n2')).toEqual({ event: 'start', nodes: ['n2'] });
  expect((await people(dev.clients[1]).get('before'))?.doc).toEqual({ by: 'n2' });
  expect((await verify(dev.urls, '--wait', '20')).code).toBe(0);
  expect((await people(dev.clients[1]).get('meanwhile'))?.doc).toEqual({ by: 'n1' });
  await dev.process.stop();
});

test('[CL9] no node survives dev, even when it is killed', async () => {
  const dev = await startDev('--nodes', '2', '--data', await leftovers.directory());
  await dev.process.stop('SIGKILL');
  for (const url of dev.urls) await eventually(async () => isGone(url));
});

test('[CL5] status --watch goes on over the loss of the node, one JSON line per look', async () => {
  const node = await leftovers.startNode();
  const watching = leftovers.spawn(['status', '--watch', '--interval', '0.1', '--json', '--url', node.url]);
  expect(await watching.next()).toMatchObject({ links: [] });
  await node.stop('SIGKILL');
  await eventually(async () => 'error' in (await watching.next()));
  await watching.stop('SIGKILL');
});

test('[CL32] a node that is paused keeps its port and answers nothing until it is resumed', async () => {
  const dev = await startDev('--nodes', '1');
  const get = async (withinMs: number): Promise<number> =>
    (await fetch(`${dev.urls[0]}/livez`, { signal: AbortSignal.timeout(withinMs) })).status;
  expect(await get(10_000)).toBe(200);
  expect(await dev.process.ask('pause n1')).toEqual({ event: 'pause', nodes: ['n1'] });
  await expect(get(500)).rejects.toMatchObject({ name: 'TimeoutError' });
  expect(await dev.process.ask('resume n1')).toEqual({ event: 'resume', nodes: ['n1'] });
  expect(await get(10_000)).toBe(200);
  await dev.process.ask('pause n1');
  // One that hangs is stopped as well.
  expect((await dev.process.stop('SIGTERM')).code).toBe(0);
  expect(await isGone(dev.urls[0] as string)).toBe(true);
});

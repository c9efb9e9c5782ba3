/**
 * @module
 * Nodes that are copied, set back, removed and admitted, as real processes on real directories.
 */
import { cp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import type { ClusterStatus } from '../../cli/client.ts';
import { Leftovers, cli, eventually, type LineProcess } from './cli-process.ts';

type RunningNode = LineProcess & { readonly url: string };

const leftovers = new Leftovers();
afterEach(() => leftovers.clear());

async function statusOf(node: RunningNode): Promise<ClusterStatus> {
  return (await (await fetch(`${node.url}/v1/_cluster`)).json()) as ClusterStatus;
}

async function put(node: RunningNode, id: string, doc: object = { id }): Promise<number> {
  await fetch(`${node.url}/v1/app`, { method: 'PUT' });
  const body = JSON.stringify(doc);
  const headers = { 'content-type': 'application/json' };
  return (await fetch(`${node.url}/v1/app/c/docs/${id}`, { method: 'PUT', headers, body })).status;
}

async function digestOf(node: RunningNode): Promise<unknown> {
  const answer = await fetch(`${node.url}/v1/app/_digest`);
  return answer.ok ? ((await answer.json()) as { digest: string }).digest : null;
}

async function areEqual(nodes: readonly RunningNode[], documents: number): Promise<boolean> {
  const digests = new Set(await Promise.all(nodes.map(digestOf)));
  const { databases } = await statusOf(nodes[0]!);
  return digests.size === 1 && databases[0]?.documents === documents;
}

/** Joins both ways, because a node that is only dialed cannot dial. */
function start(
  name: string,
  data: string,
  joins: readonly RunningNode[],
  more: readonly string[] = [],
): Promise<RunningNode> {
  const args = ['--name', name, ...joins.flatMap(({ url }) => ['--join', url]), ...more];
  return leftovers.startNode(args, data);
}

test('[ID2] the directory of a stopped node is copied and both run: one takes a new node id by itself, and all become equal', async () => {
  const root = await leftovers.directory();
  const first = await start('n1', join(root, 'n1'), []);
  let second = await start('n2', join(root, 'n2'), [first]);
  expect(await put(first, 'a')).toBe(201);
  expect(await put(second, 'b')).toBe(201);
  await eventually(() => areEqual([first, second], 2));
  await second.stop();
  await cp(join(root, 'n2'), join(root, 'copy'), { recursive: true });
  second = await start('n2', join(root, 'n2'), [first]);
  const copy = await start('n2', join(root, 'copy'), [first]);
  // Both accept writes all the time, whether or not they know of each other.
  const writes = Array.from({ length: 40 }, (_, i) => put(i % 2 === 0 ? second : copy, `w${i}`));
  expect(await Promise.all(writes)).toEqual(Array.from({ length: 40 }, () => 201));
  await eventually(async () => {
    const ids = await Promise.all([second, copy].map(async (node) => (await statusOf(node)).node));
    return ids[0] !== ids[1];
  });
  await eventually(() => areEqual([first, second, copy], 42));
  const incidents = (await Promise.all([second, copy].map(statusOf))).flatMap((status) => status.incidents);
  expect(incidents.map(({ kind }) => kind)).toContain('node-id-shared');
  await eventually(async () => (await statusOf(first)).links.filter(({ state }) => state === 'live').length === 2);
  const logs = (await Promise.all([second, copy].map((node) => node.stop()))).map(({ stderr }) => stderr).join('');
  expect(logs).toContain('"incident":"node-id-shared"');
});

test('[ID4] an old copy of a directory is restored: the node notices and gets back what its peer holds', async () => {
  const root = await leftovers.directory();
  const first = await start('n1', join(root, 'n1'), []);
  let second = await start('n2', join(root, 'n2'), [first]);
  await put(second, 'a');
  await eventually(() => areEqual([first, second], 1));
  await second.stop();
  await cp(join(root, 'n2'), join(root, 'backup'), { recursive: true });
  second = await start('n2', join(root, 'n2'), [first]);
  for (let i = 0; i < 5; i++) await put(second, `w${i}`);
  await eventually(() => areEqual([first, second], 6));
  await second.stop('SIGKILL');
  await rm(join(root, 'n2'), { recursive: true });
  await cp(join(root, 'backup'), join(root, 'n2'), { recursive: true });
  second = await start('n2', join(root, 'n2'), [first]);
  expect(await put(second, 'after')).toBe(201);
  await eventually(() => areEqual([first, second], 7));
  const { incidents, node } = await statusOf(second);
  expect(incidents.map(({ kind }) => kind)).toEqual(['history-lost']);
  expect((await statusOf(first)).members.map((member) => member.node)).toContain(node);
});

test('[I12] [ID8] [ID9] a node joins by token, is removed, and what only it holds is written to the cluster', async () => {
  const root = await leftovers.directory();
  const secretFile = join(root, 'secret');
  await writeFile(secretFile, 'a secret of the whole cluster');
  const first = await start('n1', join(root, 'n1'), [], ['--cluster-secret-file', secretFile]);
  const made = await cli(['cluster', 'token', '--url', first.url]);
  const second = await start('n2', join(root, 'n2'), [first], ['--join-token', made.stdout.trim()]);
  await put(first, 'a');
  await eventually(() => areEqual([first, second], 1));
  const thief = await start('n3', join(root, 'n3'), [first], ['--join-token', made.stdout.trim()]);
  await eventually(async () => (await statusOf(thief)).dials[0]?.state === 'stopped');
  expect((await statusOf(thief)).dials[0]?.lastError).toContain('was used already');

  await second.stop();
  const { code } = await cli(['cluster', 'remove', 'n2', '--yes', '--url', first.url]);
  expect(code).toBe(0);
  // Started without its peer in reach, it cannot know, and takes writes.
  const away = await leftovers.startNode(['--name', 'n2'], join(root, 'n2'));
  expect(await put(away, 'only-here', { x: 1 })).toBe(201);
  expect(await put(away, 'a', { merged: true })).toBe(200);
  await cli(['cluster', 'join', first.url, '--url', away.url]);
  await eventually(async () => (await fetch(`${away.url}/readyz`)).status === 503);
  expect(await put(away, 'too-late')).toBe(503);
  const unsent = await cli(['cluster', 'unsent', '--url', away.url]);
  expect(unsent.stdout.trim().split('\n')).toHaveLength(2);
  await cli(['cluster', 'unsent', '--into', first.url, '--url', away.url]);
  const taken = (await (await fetch(`${first.url}/v1/app/c/docs/only-here`)).json()) as unknown;
  expect(taken).toEqual({ x: 1 });
  expect((await statusOf(first)).links).toEqual([]);
});

test('[SY28] two secrets are told apart at both ends, in the log and in the status', async () => {
  const root = await leftovers.directory();
  const [one, other] = [join(root, 'one'), join(root, 'other')];
  await writeFile(one, 'the one secret of the cluster');
  await writeFile(other, 'another secret of a cluster');
  const first = await start('n1', join(root, 'n1'), [], ['--cluster-secret-file', one]);
  const second = await start('n2', join(root, 'n2'), [first], ['--cluster-secret-file', other]);
  await eventually(async () => (await statusOf(second)).dials[0]?.state === 'stopped');
  expect((await statusOf(second)).dials[0]?.lastError).toMatch(/^AUTH_FAILED/);
  for (const { stderr } of await Promise.all([first.stop(), second.stop()])) {
    expect(stderr).toContain('the cluster secrets differ');
    expect(stderr).not.toContain('the one secret');
  }
});

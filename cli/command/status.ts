/**
 * @module
 * Owns `atoll status`: the cluster as the answering node sees it. SPEC.md CL5.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { AtollClient, ClusterLink, ClusterMember, ClusterSnapshot, ClusterStatus } from '../client.ts';
import type { CommandContext } from '../context.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import type { Output } from '../output.ts';
import { formatCount } from '../progress.ts';

export interface StatusOptions {
  readonly watch?: boolean;
  /** Seconds between looks. */
  readonly interval: number;
}

const CLEAR_SCREEN = '\u001b[H\u001b[2J';

export async function showStatus(context: CommandContext, options: StatusOptions): Promise<ExitCode> {
  const { output } = context;
  const client = context.client();
  if (options.watch !== true) {
    const status = await client.cluster();
    await output.result(status, () => renderStatus(output, status));
    return isDegraded(status) ? EXIT.degraded : EXIT.ok;
  }
  const clear = !output.json && context.io.stdout.isTTY === true ? CLEAR_SCREEN : '';
  for (;;) {
    await output.write(clear + (await look(client, output)));
    await delay(options.interval * 1000);
  }
}

/** One picture of a watch. A node that does not answer is part of what is being watched, so it does not end it. */
async function look(client: AtollClient, output: Output): Promise<string> {
  try {
    const status = await client.cluster();
    return `${output.json ? JSON.stringify(status) : renderStatus(output, status)}\n`;
  } catch (error) {
    const message = (error as Error).message;
    return `${output.json ? JSON.stringify({ error: message }) : output.paint('red', message)}\n`;
  }
}

/** Something that should hold does not: storage failed, a member is not linked, or an address cannot be reached. */
export function isDegraded(status: ClusterStatus): boolean {
  const isOut = status.members.some(({ self, state }) => self && state === 'removed');
  const isCut = status.members.some(isAway);
  return (
    status.failure !== null ||
    isOut ||
    isCut ||
    status.dials.some(({ state }) => state !== 'linked' && state !== 'resting')
  );
}

/** A member that should be linked and is not. */
function isAway({ self, linked, state }: ClusterMember): boolean {
  return !self && !linked && state !== 'removed' && state !== 'stale';
}

export function renderStatus(output: Output, status: ClusterStatus): string {
  const lines = [
    `you are looking at node ${output.paint('bold', status.name)} (${status.node})${status.insecure ? output.paint('yellow', ', insecure: serves anyone') : ''}`,
  ];
  if (status.failure !== null)
    lines.push(
      output.paint(
        'red',
        `storage has failed: ${status.failure}. This node accepts no writes; restart it after repairing the disk.`,
      ),
    );
  if ((status.quarantined ?? 0) > 0)
    lines.push(
      output.paint('red', `${formatCount(status.quarantined ?? 0)} documents cannot be read here; see: atoll doctor`),
    );
  const away = status.members.filter(isAway).map(({ name }) => name);
  if (away.length > 0)
    lines.push(
      output.paint(
        'yellow',
        `it has no link to ${away.join(', ')}; it serves reads and writes, and catches up by itself`,
      ),
    );
  for (const { message, count } of status.incidents)
    lines.push(output.paint('yellow', `${message}${count > 1 ? ` (${count} times)` : ''}`));
  lines.push(
    '',
    output.table({
      columns: ['MEMBER', 'STATE', 'LINK', 'BEHIND', 'FOR', 'ROUND TRIP', 'ADDRESS', 'LAST ERROR'],
      rows: memberRows(status, output),
    }),
  );
  const databases = status.databases.map(({ name, documents, bytes, digest }) => [
    name,
    formatCount(documents),
    formatCount(bytes),
    digest.slice(0, 16),
  ]);
  if (databases.length > 0)
    lines.push('', output.table({ columns: ['DATABASE', 'DOCUMENTS', 'BYTES', 'DIGEST'], rows: databases }));
  for (const { name, snapshot } of status.databases) if (snapshot) lines.push(describeSnapshot(name, snapshot));
  return lines.join('\n');
}

function describeSnapshot(name: string, { phase, documents, documentsTotal, bytes }: ClusterSnapshot): string {
  const total = phase === 'receiving' ? `about ${formatCount(documentsTotal)}` : formatCount(documentsTotal);
  return `${name} is being filled from another node: ${phase}, ${formatCount(documents)} of ${total} documents, ${formatCount(bytes)} bytes`;
}

function memberRows(status: ClusterStatus, output: Output): string[][] {
  const rows = status.members
    .filter(({ state, self }) => state !== 'removed' || self)
    .map((member) => {
      const { name, state, url, lag } = member;
      if (member.self) return [name, state, 'this node', '', '', '', url ?? '', ''];
      const link =
        status.links.find((each) => each.node === member.node && each.state === 'live') ??
        status.links.find((each) => each.node === member.node);
      return [name, state, ...linkCells(link, lag, output), link?.url ?? url ?? '', link?.lastError ?? ''];
    });
  const known = new Set(status.members.map(({ node }) => node));
  const dials = status.dials.filter(
    ({ node, state }) => state !== 'linked' && state !== 'resting' && (node === null || !known.has(node)),
  );
  return [
    ...rows,
    ...dials.map((dial) => ['?', '', output.paint('yellow', dial.state), '', '', '', dial.url, dial.lastError ?? '']),
  ];
}

function linkCells(link: ClusterLink | undefined, lag: ClusterMember['lag'], output: Output): string[] {
  const { entries, seconds } = link?.lag ?? lag ?? { entries: 0, seconds: 0 };
  const behind = [entries === 0 ? '0' : `${formatCount(entries)} writes`, `${seconds.toFixed(1)} s`];
  if (link === undefined) return [output.paint('red', 'none'), ...behind, ''];
  const state =
    link.state === 'live'
      ? output.paint('green', link.lagging ? 'live, lagging' : 'live')
      : output.paint('yellow', link.state);
  return [state, ...behind, link.roundTripMs === null ? '' : `${link.roundTripMs.toFixed(1)} ms`];
}

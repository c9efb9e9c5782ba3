/**
 * @module
 * Owns `atoll verify`: digests and counts of all nodes side by side, and the first document that differs. SPEC.md CL17, CL18.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { ClientError, type AtollClient } from '../client.ts';
import type { CommandContext } from '../context.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import type { Output } from '../output.ts';
import { formatCount } from '../progress.ts';
import { findFirstDifference, type Difference } from '../transfer/first-difference.ts';

const LOOK_INTERVAL_MS = 250;
const NOT_HELD: readonly string[] = ['SYNC_DATABASE_NOT_FOUND', 'SYNC_DATABASE_ELSEWHERE'];

export interface VerifyOptions {
  readonly db?: string;
  /** Seconds to wait for equality. */
  readonly wait: number;
}

interface VerifiedNode {
  readonly label: string;
  readonly url: string | null;
  readonly client: AtollClient | null;
}

interface NodeDigest {
  readonly digest: string;
  readonly documents: number;
}

/** What the nodes say about one database, in the order of the nodes; null = no answer, or it does not hold it. */
interface Comparison {
  readonly database: string;
  /** Every node that answered holds it, with one digest. */
  readonly equal: boolean;
  readonly nodes: readonly (NodeDigest | null)[];
  /** Names of the nodes that answered and do not hold it, though they are to. */
  readonly missing: readonly string[];
  /** Names of those on which it is not placed. */
  readonly elsewhere: readonly string[];
}

interface Holding {
  readonly digests: ReadonlyMap<string, NodeDigest>;
  /** Names of the databases placed on the node; null = all. */
  readonly placed: readonly string[] | null;
}

interface Look {
  readonly comparisons: readonly Comparison[];
  /** Message per node that did not answer; null for the others. */
  readonly failures: readonly (string | null)[];
  /** Null = there was nothing to compare. */
  readonly equal: boolean | null;
}

export async function verifyNodes(context: CommandContext, options: VerifyOptions): Promise<ExitCode> {
  const nodes = await findNodes(context);
  const deadlineMs = performance.now() + options.wait * 1000;
  let look = await compareNodes(nodes, options.db);
  while (look.equal === false && performance.now() < deadlineMs) {
    await delay(Math.min(LOOK_INTERVAL_MS, Math.max(deadlineMs - performance.now(), 0)));
    look = await compareNodes(nodes, options.db);
  }
  const differences = new Map<string, Difference | null>();
  for (const { database, equal, elsewhere } of look.comparisons) {
    if (!equal) differences.set(database, await locateDifference(nodes, look, database, elsewhere));
  }
  await report(context, nodes, look, differences);
  return look.equal === false ? EXIT.degraded : EXIT.ok;
}

/** Several `--url` are the nodes themselves; with one, the node is asked for the others. */
async function findNodes(context: CommandContext): Promise<VerifiedNode[]> {
  if (context.urls.length > 1) {
    return Promise.all(
      context.urls.map(async (url) => {
        const client = context.client(url);
        const status = await client.cluster().catch(ignoreUnreachable);
        return { label: status?.name ?? url, url, client };
      }),
    );
  }
  const [url = ''] = context.urls;
  const client = context.client(url);
  const status = await client.cluster();
  return status.members.map((member) => {
    if (member.self) return { label: member.name, url, client };
    const address =
      member.url ??
      status.links.find(({ node, direction }) => node === member.node && direction === 'dialed')?.url ??
      null;
    return { label: member.name, url: address, client: address === null ? null : context.client(address) };
  });
}

function ignoreUnreachable(error: unknown): null {
  if (error instanceof ClientError && error.status === 0 && error.code !== 'CLIENT_ENDPOINT_INVALID') return null;
  throw error;
}

async function compareNodes(nodes: readonly VerifiedNode[], only: string | undefined): Promise<Look> {
  const results = await Promise.allSettled(nodes.map((node) => readDigests(node, only)));
  const failures = results.map((result) => (result.status === 'rejected' ? describe(result.reason) : null));
  const names = new Set(
    results.flatMap((result) => (result.status === 'fulfilled' ? [...result.value.digests.keys()] : [])),
  );
  if (only !== undefined) names.add(only);
  const comparisons = [...names].sort().map((database): Comparison => {
    const digests: (NodeDigest | null)[] = [];
    const missing: string[] = [];
    const elsewhere: string[] = [];
    results.forEach((result, at) => {
      const holding = result.status === 'fulfilled' ? result.value : null;
      const found = holding?.digests.get(database) ?? null;
      digests.push(found);
      if (holding === null || found !== null) return;
      (holding.placed?.includes(database) === false ? elsewhere : missing).push(nodes[at]?.label ?? '');
    });
    const held = digests.filter((found) => found !== null);
    const equal = held.length > 0 && missing.length === 0 && new Set(held.map(({ digest }) => digest)).size === 1;
    return { database, nodes: digests, missing, elsewhere, equal };
  });
  const allAnswered = failures.every((failure) => failure === null);
  if (
    allAnswered &&
    only !== undefined &&
    comparisons.every(({ nodes: found }) => found.every((each) => each === null))
  ) {
    throw new ClientError('SYNC_DATABASE_NOT_FOUND', `no node has a database ${only}`, { status: 404 });
  }
  if (allAnswered && comparisons.length === 0) return { comparisons, failures, equal: null };
  return { comparisons, failures, equal: allAnswered && comparisons.every(({ equal }) => equal) };
}

async function readDigests(node: VerifiedNode, only: string | undefined): Promise<Holding> {
  if (node.client === null) throw new Error('its address is not known here; name every node with --url');
  const { members } = await node.client.cluster();
  const placed = members.find(({ self }) => self)?.databases ?? null;
  const found = new Map<string, NodeDigest>();
  for (const name of only === undefined ? await node.client.databases() : [only]) {
    try {
      const { digest, documents } = await node.client.database(name).digest();
      found.set(name, { digest, documents });
    } catch (error) {
      if (!(error instanceof ClientError) || !NOT_HELD.includes(error.code)) throw error;
    }
  }
  return { digests: found, placed };
}

async function locateDifference(
  nodes: readonly VerifiedNode[],
  look: Look,
  database: string,
  elsewhere: readonly string[],
): Promise<Difference | null> {
  const answering = nodes.map(({ client, label }, index) =>
    look.failures[index] === null && !elsewhere.includes(label) ? client : null,
  );
  const present = answering.filter((client) => client !== null);
  const found = await findFirstDifference(present.map((client) => client.database(database)));
  if (found === null) return null;
  // Back to one place per node, also for nodes that did not answer or do not hold it.
  let at = 0;
  return { ...found, etags: answering.map((client) => (client === null ? null : (found.etags[at++] ?? null))) };
}

function describe(reason: unknown): string {
  return reason instanceof Error ? reason.message : String(reason);
}

async function report(
  context: CommandContext,
  nodes: readonly VerifiedNode[],
  look: Look,
  differences: ReadonlyMap<string, Difference | null>,
): Promise<void> {
  const { output } = context;
  const value = {
    equal: look.equal,
    nodes: nodes.map(({ label, url }, index) => ({ name: label, url, error: look.failures[index] ?? null })),
    databases: look.comparisons.map((comparison) => ({
      ...comparison,
      firstDifference: differences.get(comparison.database) ?? null,
    })),
  };
  await output.result(value, () => {
    const rows = look.comparisons.flatMap(({ database, equal, nodes: found, elsewhere }) =>
      nodes.map(({ label }, index) => [
        database,
        label,
        ...(elsewhere.includes(label)
          ? ['-', 'placed elsewhere']
          : cells(found[index] ?? null, look.failures[index] ?? null)),
        verdict(output, equal, look.failures[index] ?? null),
      ]),
    );
    return output.table({ columns: ['DATABASE', 'NODE', 'DOCUMENTS', 'DIGEST', ''], rows });
  });
  for (const [index, failure] of look.failures.entries())
    if (failure !== null) output.warning(`${nodes[index]?.label}: ${failure}`);
  for (const { database, missing } of look.comparisons) {
    if (missing.length > 0) output.message(tellMissing(database, missing));
    const difference = differences.get(database);
    if (difference || (difference === null && missing.length === 0))
      output.message(tellDifference(nodes, look, database, difference));
  }
  if (look.equal === null) output.message('no node holds a database, so there is nothing to compare');
  if (look.equal) output.message(tellEquality(nodes.length, look.comparisons.length));
}

function tellMissing(database: string, nodes: readonly string[]): string {
  return `${database}: ${nodes.join(', ')} ${nodes.length === 1 ? 'has' : 'have'} no such database`;
}

function tellEquality(nodes: number, databases: number): string {
  if (nodes === 1) return 'there is one node only, so nothing to compare it with; name others with --url';
  return `${nodes} nodes hold the same ${databases === 1 ? 'database' : `${databases} databases`}`;
}

function cells(found: NodeDigest | null, failure: string | null): string[] {
  if (failure !== null) return ['?', 'no answer'];
  return found === null ? ['0', 'no such database'] : [formatCount(found.documents), found.digest.slice(0, 32)];
}

function verdict(output: Output, equal: boolean, failure: string | null): string {
  if (failure !== null) return output.paint('red', 'unknown');
  return equal ? output.paint('green', 'equal') : output.paint('red', 'different');
}

function tellDifference(
  nodes: readonly VerifiedNode[],
  look: Look,
  database: string,
  difference: Difference | null,
): string {
  if (difference === null)
    return `${database}: every document now lists the same on all nodes; what differs are deletions, or writes that arrived meanwhile`;
  const versions = nodes.flatMap(({ label }, index) =>
    look.failures[index] === null ? [`${label} ${difference.etags[index] ?? 'has none'}`] : [],
  );
  return `first difference: ${database}/${difference.collection}/${difference.id}: ${versions.join(', ')}`;
}

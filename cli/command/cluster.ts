/**
 * @module
 * Owns `atoll cluster`: who belongs to the cluster, and how that changes. SPEC.md CL22.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { AtollClient, MemberAnswer, UnsentLine } from '../client.ts';
import { ClientError } from '../client.ts';
import type { CommandContext } from '../context.ts';
import { CliError, EXIT, type ExitCode } from '../exit-code.ts';
import { formatCount } from '../progress.ts';

const POLL_MS = 250;

export async function listMembers(context: CommandContext, options: { readonly all?: boolean }): Promise<void> {
  const { output } = context;
  const members = (await context.client().members.list()).filter(
    ({ state, self }) => options.all === true || self || state !== 'removed',
  );
  await output.result({ members }, () =>
    output.table({ columns: ['NAME', 'STATE', 'LINK', 'BEHIND', 'ADDRESS', 'ID'], rows: members.map(memberRow) }),
  );
  const { databases } = await context.client().cluster();
  for (const { name, tombstones } of databases) {
    if (tombstones === undefined || tombstones.waitsFor.length === 0) continue;
    const who = tombstones.waitsFor.map((member) => member.name || member.node).join(', ');
    const since = tombstones.since === null ? '' : ` since ${new Date(tombstones.since).toISOString()}`;
    output.message(
      `${name}: ${formatCount(tombstones.kept)} deleted documents cannot be forgotten${since}; they wait for ${who}`,
    );
  }
}

function memberRow({ name, state, self, linked, lag, url, node }: MemberAnswer): string[] {
  const link = self ? 'this node' : linked ? 'live' : 'none';
  return [name, state, link, lag === null ? '' : `${formatCount(lag.entries)} writes`, url ?? '', node];
}

export async function joinNode(context: CommandContext, url: string): Promise<void> {
  await context.client().members.join(url);
  await context.output.result({ url }, () => `the node keeps a link to ${url} from now on; see: atoll status`);
}

export async function createToken(context: CommandContext, options: { readonly expires: number }): Promise<void> {
  const client = context.client();
  const { token, id, expiresAt } = await client.members.createToken(options.expires);
  const { url } = await client.cluster();
  await context.output.result({ token, id, expiresAt }, () => token);
  const until = new Date(expiresAt).toISOString();
  context.output.message(
    `admits one node until ${until}: atoll start --data DIR --join ${url ?? client.endpoints[0]} --join-token ${token}`,
  );
}

/** By id, or by a name that only one member has. */
async function findMember(client: AtollClient, wanted: string): Promise<MemberAnswer> {
  const members = await client.members.list();
  const exact = members.find(({ node }) => node === wanted);
  if (exact !== undefined) return exact;
  const named = members.filter(({ name, state }) => name === wanted && state !== 'removed');
  if (named.length === 1) return named[0] as MemberAnswer;
  const hint = 'list the members with: atoll cluster ls';
  if (named.length > 1) {
    const ids = named.map(({ node }) => node).join(', ');
    throw new CliError('CLI_USAGE', `${named.length} members are called ${wanted}; name one by its id: ${ids}`, {
      hint,
    });
  }
  throw new CliError('CLI_USAGE', `no member is called ${JSON.stringify(wanted)}`, { hint });
}

export async function removeMember(context: CommandContext, wanted: string): Promise<void> {
  const client = context.client();
  const { node, name, lag } = await findMember(client, wanted);
  const behind = lag === null || lag.entries === 0 ? '' : `, which lacks ${formatCount(lag.entries)} writes,`;
  await context.confirm(`remove node ${name} (${node})${behind} from the cluster for ever`, name);
  await client.members.remove(node);
  await context.output.result({ node, name, removed: true }, () => `${name} removed`);
  context.output.message(`it takes no writes once it knows; on it, "atoll cluster unsent" shows what only it holds`);
}

/** Announces that a node is about to be stopped, and waits until others hold all it has. */
export async function drainMember(
  context: CommandContext,
  wanted: string,
  options: { readonly wait: number },
): Promise<ExitCode> {
  const client = context.client();
  const { node, name, url, self } = await findMember(client, wanted);
  await client.members.drain(node);
  const there = self || url === null ? client : context.client(url);
  const deadline = Date.now() + options.wait * 1000;
  let entries = await countUnsent(there);
  while (entries > 0 && Date.now() < deadline) {
    await delay(POLL_MS);
    entries = await countUnsent(there);
  }
  await context.output.result({ node, name, state: 'draining', unsent: entries }, () =>
    entries === 0
      ? `${name} is draining, and others hold all its writes: it can be stopped`
      : `${name} is draining; ${formatCount(entries)} writes are not known to be held by others yet`,
  );
  return entries === 0 ? EXIT.ok : EXIT.degraded;
}

/** What the best informed other member is not known to hold; 0 without others. */
async function countUnsent(client: AtollClient): Promise<number> {
  const lags = (await client.members.list()).flatMap(({ lag }) => (lag === null ? [] : [lag.entries]));
  return lags.length === 0 ? 0 : Math.min(...lags);
}

export interface PlaceOptions {
  readonly all?: boolean;
  readonly none?: boolean;
}

/** Says which databases a member holds. Giving one up is asked about: this copy of it goes. */
export async function placeDatabases(
  context: CommandContext,
  wanted: string,
  names: readonly string[],
  { all = false, none = false }: PlaceOptions,
): Promise<void> {
  if ([all, none, names.length > 0].filter(Boolean).length !== 1)
    throw new CliError('CLI_USAGE', 'name the databases the member is to hold, or say --all or --none');
  const client = context.client();
  const { node, name, databases: before } = await findMember(client, wanted);
  const databases = all ? null : names;
  const held = before ?? (await client.databases());
  const givenUp = databases === null ? [] : held.filter((each) => !databases.includes(each));
  if (givenUp.length > 0)
    await context.confirm(`take ${givenUp.join(', ')} from node ${name}, once others hold all of it`, name);
  await client.members.place(node, databases);
  const told = databases === null ? 'all databases' : databases.length === 0 ? 'no database' : databases.join(', ');
  await context.output.result({ node, name, databases }, () => `${name} is to hold ${told}`);
  context.output.message('it fetches and gives up in the background; see: atoll status    and: atoll verify');
}

export interface UnsentOptions {
  /** URL of a node to which they are written. */
  readonly into?: string;
  /** Delete what was set aside instead of printing it. */
  readonly discard?: boolean;
}

/** Prints what only the node holds, one line each, or writes it to another node. */
export async function exportUnsent(context: CommandContext, options: UnsentOptions): Promise<ExitCode> {
  const { into } = options;
  if (options.discard === true) return discardUnsent(context);
  const target = into === undefined ? null : context.client(into);
  const databases = new Set<string>();
  let count = 0;
  for await (const line of context.client().members.unsent()) {
    count++;
    if (target === null) {
      await context.output.write(`${JSON.stringify(line)}\n`);
      continue;
    }
    if (!databases.has(line.db)) await target.database(line.db).create();
    databases.add(line.db);
    await enter(target, line);
  }
  if (target !== null)
    await context.output.result({ documents: count, into }, () => `${count} documents written to ${into}`);
  else context.output.message(`${count} documents with writes that no member is known to hold`);
  return EXIT.ok;
}

async function discardUnsent(context: CommandContext): Promise<ExitCode> {
  await context.confirm('delete what this node wrote and set aside when its history forked', 'discard');
  await context.client().members.discardUnsent();
  await context.output.result({ discarded: true }, () => 'discarded');
  return EXIT.ok;
}

/** A document that the cluster has too is merged, so that what others wrote meanwhile at other paths stays. */
async function enter(client: AtollClient, { db, collection, id, doc }: UnsentLine): Promise<void> {
  const documents = client.database(db).collection(collection);
  if (doc === undefined) {
    await documents.delete(id);
    return;
  }
  try {
    await documents.put(id, doc, { ifNoneMatch: '*' });
  } catch (error) {
    if (!(error instanceof ClientError && error.status === 412)) throw error;
    await documents.mergePatch(id, doc);
  }
}

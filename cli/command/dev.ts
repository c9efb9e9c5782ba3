/**
 * @module
 * Owns `atoll dev`: a cluster on this machine whose links can be cut and whose nodes can be killed, by commands on standard
 * input. SPEC.md CL7–CL9.
 */
import { createInterface, type Interface } from 'node:readline';
import type { CommandContext } from '../context.ts';
import { DEV_DATABASE, DevCluster, type DevNodeStatus } from '../dev/dev-cluster.ts';
import type { DevNode } from '../dev/dev-node.ts';
import { CliError, EXIT, type ExitCode } from '../exit-code.ts';
import { formatCount } from '../progress.ts';
import { StopRequest } from '../stop-request.ts';

export interface DevOptions {
  readonly nodes: number;
  readonly port: number;
  readonly data?: string;
}

const HELP = `cut A B     cut the link between two nodes (cut A: all its links)
heal A B    connect them again (heal A: all its links)
kill A      end a node as a power cut would (SIGKILL)
start A     start it again
pause A     let a node hang (SIGSTOP): it keeps its connections and answers nothing
resume A    let it go on
status      what every node holds and whom it reaches
help        this list
quit        stop all nodes`;

export async function runDev(context: CommandContext, options: DevOptions): Promise<ExitCode> {
  const { output } = context;
  output.message(`starting ${options.nodes} nodes …`);
  const onCrash = (name: string, reason: string): void =>
    output.warning(
      `${name} ended by itself (${reason}); its log is beside its data. Start it again with: start ${name}`,
    );
  // Signals are kept from the start: an interrupt while nodes come up must stop those that are up.
  const stop = new StopRequest(() => process.exit(EXIT.error));
  try {
    const cluster = await DevCluster.open({
      nodes: options.nodes,
      port: options.port,
      dataPath: options.data ?? null,
      onCrash,
    });
    try {
      await announce(context, cluster);
      const lines = readCommands(context, cluster, stop);
      await stop.requested;
      lines.close();
      output.message('stopping the nodes …');
    } finally {
      await cluster.close();
    }
  } finally {
    stop.dispose();
  }
  return EXIT.ok;
}

async function announce(context: CommandContext, cluster: DevCluster): Promise<void> {
  const { output } = context;
  const nodes = cluster.nodes.map(({ name, url }) => ({ name, url }));
  await output.result({ event: 'ready', database: DEV_DATABASE, data: cluster.dataPath, nodes }, () => {
    const lines = cluster.nodes.map(
      ({ name, url }, index) => `${output.paint('bold', name)}  ${url}\n    ${curlFor(url, index)}`,
    );
    return [
      `${nodes.length} nodes are ready; each takes reads and writes. Database: ${DEV_DATABASE}. Data: ${cluster.dataPath}`,
      '',
      ...lines,
    ].join('\n');
  });
  const urls = nodes.map(({ url }) => `--url ${url}`).join(' ');
  output.message(`\ncompare the nodes with: atoll verify ${urls}\n\n${HELP}\n`);
}

/** One thing to try per node: together they tell the story. */
function curlFor(url: string, index: number): string {
  const document = `${url}/v1/${DEV_DATABASE}/people/docs/ada`;
  if (index === 0) return `curl -X PUT ${document} -H 'content-type: application/json' -d '{"name":"Ada","visits":0}'`;
  if (index === 1)
    return `curl -X PATCH ${document} -H 'content-type: application/vnd.atoll.ops+json' -d '[{"op":"increment","path":"/visits","value":1}]'`;
  return `curl ${document}`;
}

/** Commands run one after another, in order. The end of the input is not the end of the cluster. */
function readCommands(context: CommandContext, cluster: DevCluster, stop: StopRequest): Interface {
  const isTerminal = context.io.stdin.isTTY === true;
  const prompt = (): void => {
    if (isTerminal) context.output.raw('atoll> ');
  };
  let running = Promise.resolve();
  const lines = createInterface({ input: context.io.stdin, terminal: false }).on('line', (line) => {
    running = running.then(async () => {
      try {
        await runCommand(context, cluster, stop, line.trim().split(/\s+/));
      } catch (error) {
        context.output.failure(error);
      }
      prompt();
    });
  });
  prompt();
  return lines;
}

async function runCommand(
  context: CommandContext,
  cluster: DevCluster,
  stop: StopRequest,
  words: readonly string[],
): Promise<void> {
  const [verb = '', ...names] = words;
  const { output } = context;
  const done = async (text: string, nodes: readonly DevNode[]): Promise<void> => {
    await output.result({ event: verb, nodes: nodes.map(({ name }) => name) }, () => text);
  };
  switch (verb) {
    case '':
      return;
    case 'cut':
    case 'heal': {
      const [first, second] = parseNodes(cluster, verb, names, 1, 2) as [DevNode, DevNode | undefined];
      cluster[verb](first, second ?? null);
      const between =
        second === undefined ? `all links of ${first.name}` : `the link between ${first.name} and ${second.name}`;
      return done(`${between} ${verb === 'cut' ? 'cut' : 'healed'}`, second === undefined ? [first] : [first, second]);
    }
    case 'kill':
    case 'start': {
      const [node] = parseNodes(cluster, verb, names, 1, 1) as [DevNode];
      if (verb === 'kill' && !node.isRunning) throw new CliError('CLI_USAGE', `${node.name} is not running`);
      await node[verb]();
      return done(verb === 'kill' ? `${node.name} killed` : `${node.name} is ready at ${node.url}`, [node]);
    }
    case 'pause':
    case 'resume': {
      const [node] = parseNodes(cluster, verb, names, 1, 1) as [DevNode];
      if (!node.isRunning) throw new CliError('CLI_USAGE', `${node.name} is not running`);
      node[verb]();
      return done(`${node.name} ${verb}d`, [node]);
    }
    case 'status':
      return reportStatus(context, cluster);
    case 'help':
      return output.result({ event: 'help', text: HELP }, () => HELP);
    case 'quit':
    case 'exit':
      stop.request();
      return;
    default:
      throw new CliError('CLI_USAGE', `unknown command ${JSON.stringify(verb)}; type help`);
  }
}

function parseNodes(
  cluster: DevCluster,
  verb: string,
  names: readonly string[],
  least: number,
  most: number,
): DevNode[] {
  if (names.length < least || names.length > most) {
    throw new CliError(
      'CLI_USAGE',
      `${verb} takes ${least === most ? `${least} node` : `${least} or ${most} nodes`}, for example: ${verb} ${most === 2 ? 'n1 n2' : 'n1'}`,
    );
  }
  return names.map((name) => cluster.node(name));
}

async function reportStatus(context: CommandContext, cluster: DevCluster): Promise<void> {
  const nodes = await cluster.status();
  const cuts = cluster.cuts();
  await context.output.result({ event: 'status', nodes, cuts }, () => {
    const rows = nodes.map((node) => [node.name, stateOf(node), linksOf(node), ...databaseOf(node), node.url]);
    const table = context.output.table({
      columns: ['NODE', 'STATE', 'REACHES', 'DOCUMENTS', 'DIGEST', 'ADDRESS'],
      rows,
    });
    return cuts.length === 0 ? table : `${table}\ncut: ${cuts.map((pair) => pair.join('-')).join(', ')}`;
  });
}

function stateOf({ running, cluster }: DevNodeStatus): string {
  if (!running) return 'stopped';
  return cluster === null ? 'no answer' : (cluster.failure ?? 'running');
}

function linksOf({ cluster }: DevNodeStatus): string {
  const live = (cluster?.links ?? []).filter(({ state }) => state === 'live');
  return [...new Set(live.map(({ name }) => name ?? '?'))].sort().join(' ');
}

function databaseOf({ cluster }: DevNodeStatus): [documents: string, digest: string] {
  const database = cluster?.databases.find(({ name }) => name === DEV_DATABASE);
  return database === undefined ? ['', ''] : [formatCount(database.documents), database.digest.slice(0, 12)];
}

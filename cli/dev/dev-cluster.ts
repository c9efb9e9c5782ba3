/**
 * @module
 * Owns a development cluster: nodes, the wires between each pair, and what can be done to them. Node j is told to join every
 * node i < j through the wire of the pair and nobody advertises an address, so cutting a wire is a real cut.
 */
import { mkdtemp, mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { AtollClient, type ClusterStatus } from '../client.ts';
import { CliError } from '../exit-code.ts';
import { DevNode } from './dev-node.ts';
import { LinkProxy } from './link-proxy.ts';

export interface DevClusterOptions {
  readonly nodes: number;
  /** Port of the first node, the others follow; 0 = free ports. */
  readonly port: number;
  /** Null = a temporary directory, removed at the end. */
  readonly dataPath: string | null;
  readonly onCrash: (name: string, reason: string) => void;
}

export interface DevNodeStatus {
  readonly name: string;
  readonly url: string;
  readonly running: boolean;
  /** Null when the node does not answer. */
  readonly cluster: ClusterStatus | null;
}

/** The database that every development cluster begins with. */
export const DEV_DATABASE = 'app';
/** How long a node may take to hear of it from another. */
const DATABASE_MS_MAX = 60_000;
const DATABASE_POLL_MS = 50;
/** A node that hangs should not make `status` hang. */
const STATUS_TIMEOUT_MS = 2_000;

interface Wire {
  readonly left: DevNode;
  readonly right: DevNode;
  readonly proxy: LinkProxy;
}

export class DevCluster {
  readonly nodes: readonly DevNode[];
  readonly dataPath: string;
  readonly #wires: readonly Wire[];
  readonly #isTemporary: boolean;

  private constructor(nodes: readonly DevNode[], wires: readonly Wire[], dataPath: string, isTemporary: boolean) {
    this.nodes = nodes;
    this.#wires = wires;
    this.dataPath = dataPath;
    this.#isTemporary = isTemporary;
  }

  /** Starts every node and creates the database, which all of them know afterwards. On failure nothing is left running. */
  static async open(options: DevClusterOptions): Promise<DevCluster> {
    const dataPath = options.dataPath ?? (await mkdtemp(join(tmpdir(), 'atoll-dev-')));
    await mkdir(dataPath, { recursive: true });
    const nodes: DevNode[] = [];
    const wires: Wire[] = [];
    const cluster = new DevCluster(nodes, wires, dataPath, options.dataPath === null);
    try {
      for (let index = 0; index < options.nodes; index += 1) {
        const name = `n${index + 1}`;
        const proxies = await Promise.all(nodes.map((left) => LinkProxy.open(() => left.port)));
        const node = new DevNode({
          name,
          port: options.port === 0 ? 0 : options.port + index,
          dataPath: join(dataPath, name),
          logPath: join(dataPath, `${name}.log`),
          joinUrls: proxies.map((proxy) => proxy.url),
          onCrash: (reason) => options.onCrash(name, reason),
        });
        for (const [at, proxy] of proxies.entries()) wires.push({ left: nodes[at] as DevNode, right: node, proxy });
        nodes.push(node);
      }
      await Promise.all(nodes.map((node) => node.start()));
      await cluster
        .client(nodes[0] as DevNode)
        .database(DEV_DATABASE)
        .create();
      await Promise.all(nodes.map((node) => cluster.#untilKnown(node)));
    } catch (error) {
      await cluster.close();
      throw error;
    }
    return cluster;
  }

  /** A node that is ready may not have met the others yet. */
  async #untilKnown(node: DevNode): Promise<void> {
    const client = this.client(node);
    for (const deadlineMs = Date.now() + DATABASE_MS_MAX; !(await client.databases()).includes(DEV_DATABASE);) {
      if (Date.now() > deadlineMs) {
        throw new CliError('CLI_NODE_FAILED', `${node.name} did not hear of the database ${DEV_DATABASE}`);
      }
      await delay(DATABASE_POLL_MS);
    }
  }

  /** @throws CliError `CLI_USAGE` for a name that is not `n1`, `1` and so on. */
  node(name: string): DevNode {
    const found = this.nodes.find((node) => node.name === name || node.name === `n${name}`);
    if (found !== undefined) return found;
    throw new CliError(
      'CLI_USAGE',
      `there is no node ${JSON.stringify(name)}; the nodes are ${this.nodes.map((node) => node.name).join(', ')}`,
    );
  }

  /** Cuts the wire between two nodes, or all wires of one. */
  cut(first: DevNode, second: DevNode | null): void {
    for (const { proxy } of this.#wiresOf(first, second)) proxy.cut();
  }

  heal(first: DevNode, second: DevNode | null): void {
    for (const { proxy } of this.#wiresOf(first, second)) proxy.heal();
  }

  /** Pairs that are cut, by name. */
  cuts(): readonly (readonly [string, string])[] {
    return this.#wires.filter(({ proxy }) => proxy.isCut).map(({ left, right }) => [left.name, right.name]);
  }

  async status(): Promise<readonly DevNodeStatus[]> {
    return Promise.all(
      this.nodes.map(async (node) => ({
        name: node.name,
        url: node.url,
        running: node.isRunning,
        cluster: node.isRunning
          ? await this.client(node, STATUS_TIMEOUT_MS)
              .cluster()
              .catch(() => null)
          : null,
      })),
    );
  }

  client(node: DevNode, timeoutMs?: number): AtollClient {
    return new AtollClient({ endpoints: node.url, retries: 0, ...(timeoutMs === undefined ? {} : { timeoutMs }) });
  }

  /** Lets the nodes drain, then removes the data if it was temporary. */
  async close(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()));
    await Promise.all(this.#wires.map(({ proxy }) => proxy.close()));
    if (this.#isTemporary) await rm(this.dataPath, { recursive: true, force: true });
  }

  #wiresOf(first: DevNode, second: DevNode | null): Wire[] {
    if (first === second) throw new CliError('CLI_USAGE', `${first.name} has no link to itself`);
    return this.#wires.filter(({ left, right }) => {
      const isEnd = left === first || right === first;
      return isEnd && (second === null || left === second || right === second);
    });
  }
}

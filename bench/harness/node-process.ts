/**
 * @module
 * Owns one node as a user starts it: `atoll start` with its own directory, which survives kills and restarts on the same port.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { AtollClient } from '../../cli/client.ts';
import { ChildServer } from './child-server.ts';
import { ATOLL_PROGRAM } from './project.ts';

export interface NodeProcessOptions {
  readonly name: string;
  /** Parent of the data directory and of the log. */
  readonly directory: string;
  /** URLs it keeps links to. */
  readonly join?: readonly string[];
  readonly secretFile?: string;
  /** Holds a token, without which nobody is let in. */
  readonly tokenFile?: string;
}

/** Writes to the disk since the start. */
export interface Fsyncs {
  readonly count: number;
  readonly seconds: number;
}

/** How long one took in between. */
export function meanMs(before: Fsyncs, after: Fsyncs): number {
  return ((after.seconds - before.seconds) * 1000) / (after.count - before.count);
}

export class NodeProcess {
  readonly name: string;
  readonly #options: NodeProcessOptions;
  #server: ChildServer;

  private constructor(options: NodeProcessOptions, server: ChildServer) {
    this.name = options.name;
    this.#options = options;
    this.#server = server;
  }

  static async start(options: NodeProcessOptions): Promise<NodeProcess> {
    mkdirSync(options.directory, { recursive: true });
    return new NodeProcess(options, await launch(options, 0));
  }

  get url(): string {
    return this.#server.url;
  }

  get port(): number {
    return this.#server.port;
  }

  get server(): ChildServer {
    return this.#server;
  }

  client(): AtollClient {
    // What is measured is one node: no second attempt, and nothing in a request that other clients do not send.
    return new AtollClient({ endpoints: this.url, retries: 0, session: false, idempotencyKeys: 'none' });
  }

  async fsyncs(): Promise<Fsyncs> {
    const metrics = await (await fetch(`${this.url}/metrics`)).text();
    const valueOf = (name: string): number => Number(new RegExp(`^${name} (.+)$`, 'm').exec(metrics)?.[1]);
    return { count: valueOf('atoll_wal_sync_seconds_count'), seconds: valueOf('atoll_wal_sync_seconds_sum') };
  }

  async stop(): Promise<void> {
    await this.#server.stop();
  }

  async kill(): Promise<void> {
    await this.#server.kill();
  }

  /** After `stop` or `kill`: same directory, same port. */
  async restart(): Promise<void> {
    this.#server = await launch(this.#options, this.port);
  }
}

function launch(
  { name, directory, join: peers = [], secretFile, tokenFile }: NodeProcessOptions,
  port: number,
): Promise<ChildServer> {
  const args = ['start', '--data', join(directory, name), '--listen', `127.0.0.1:${port}`, '--name', name];
  for (const peer of peers) args.push('--join', peer);
  if (secretFile !== undefined) args.push('--cluster-secret-file', secretFile);
  if (tokenFile !== undefined) args.push('--admin-token-file', tokenFile);
  return ChildServer.start({ program: ATOLL_PROGRAM, args, logFile: join(directory, `${name}.log`) });
}

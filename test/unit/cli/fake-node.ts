/**
 * @module
 * Owns a stand-in for a node: answers HTTP requests from a table, for tests of commands without an engine.
 */
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { Readable, Writable } from 'node:stream';
import type { AddressInfo } from 'node:net';
import type { CommandIo, OutputStream } from '../../../cli/output.ts';
import type { ExitCode } from '../../../cli/exit-code.ts';
import { runProgram } from '../../../cli/program.ts';

/** `GET /v1` → what to answer; a function sees the body and the headers. */
export type Routes = Readonly<
  Record<string, FakeAnswer | ((body: string, headers: IncomingHttpHeaders) => FakeAnswer)>
>;
export interface FakeAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

export class FakeNode {
  readonly requests: string[] = [];
  readonly #server: Server;

  private constructor(routes: Routes) {
    this.#server = createServer((request, response) => {
      void (async () => {
        const chunks: Buffer[] = [];
        for await (const chunk of request) chunks.push(chunk as Buffer);
        const key = `${request.method} ${request.url}`;
        this.requests.push(key);
        const route = routes[key];
        const missing: FakeAnswer = {
          status: 404,
          body: { code: 'HTTP_ROUTE_NOT_FOUND', status: 404, detail: `no ${key}`, retryable: false },
        };
        const {
          status = 200,
          headers = {},
          body,
        } = (typeof route === 'function' ? route(Buffer.concat(chunks).toString(), request.headers) : route) ?? missing;
        response.writeHead(status, { 'content-type': 'application/json', ...headers });
        response.end(body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body));
      })();
    });
  }

  static async open(routes: Routes): Promise<FakeNode> {
    const node = new FakeNode(routes);
    await new Promise<void>((resolve) => node.#server.listen(0, '127.0.0.1', () => resolve()));
    return node;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

export interface CliResult {
  readonly code: ExitCode;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliSetting {
  readonly stdin?: string;
  /** Standard output and standard error are terminals. */
  readonly terminal?: boolean;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a command line in this process. */
export async function runCli(
  args: readonly string[],
  { stdin = '', terminal = false, env = {} }: CliSetting = {},
): Promise<CliResult> {
  const texts = { stdout: '', stderr: '' };
  const capture = (name: 'stdout' | 'stderr'): OutputStream => {
    const stream = new Writable({
      write(chunk: Buffer, _encoding, done) {
        texts[name] += chunk.toString();
        done();
      },
    });
    return Object.assign(stream, { isTTY: terminal }) as unknown as OutputStream;
  };
  const io: CommandIo = {
    stdin: Readable.from([Buffer.from(stdin)]),
    stdout: capture('stdout'),
    stderr: capture('stderr'),
    // The contexts of whoever runs the tests are not theirs.
    env: { XDG_CONFIG_HOME: '/nonexistent', ...env },
  };
  const code = await runProgram(args, io);
  return { code, ...texts };
}

/**
 * @module
 * Owns running the built command line in tests: to its end, or as a node that stays.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { freePort } from '../helper/port.ts';

/** `ATOLL_TEST_BIN` tests another build or an installed package. */
export const BIN: string = process.env['ATOLL_TEST_BIN'] ?? new URL('../../dist/cli/bin.js', import.meta.url).pathname;

/** Without what the surroundings may set. */
function environment(env: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('ATOLL_') && name !== 'NODE_OPTIONS',
  );
  return { ...Object.fromEntries(inherited), XDG_CONFIG_HOME: '/nonexistent', ...env };
}

export interface CliEnd {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliSetting {
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
}

/** Collects what a child writes; resolves when it ended. */
export async function endOf(child: ChildProcess): Promise<CliEnd> {
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  return { code, signal, stdout, stderr };
}

export function spawnCli(args: readonly string[], { env = {} }: CliSetting = {}): ChildProcess {
  return spawn(process.execPath, [BIN, ...args], { stdio: 'pipe', env: environment(env) });
}

/** Runs a command to its end. */
export async function cli(args: readonly string[], setting: CliSetting = {}): Promise<CliEnd> {
  const child = spawnCli(args, setting);
  child.stdin?.on('error', () => undefined).end(setting.stdin ?? '');
  return endOf(child);
}

/** A process that prints JSON lines on standard output. */
export class LineProcess {
  readonly child: ChildProcess;
  readonly end: Promise<CliEnd>;
  readonly #lines: string[] = [];
  #wake: () => void = () => undefined;

  constructor(args: readonly string[], setting: CliSetting = {}) {
    this.child = spawnCli(args, setting);
    this.end = endOf(this.child);
    createInterface({ input: this.child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      this.#lines.push(line);
      this.#wake();
    });
    void this.end.then(() => this.#wake());
  }

  /** The next line as JSON. Rejects with what the process said when it ends before. */
  async next<T = Record<string, unknown>>(): Promise<T> {
    while (this.#lines.length === 0) {
      if (this.child.exitCode !== null || this.child.signalCode !== null)
        throw new Error(`the process ended: ${(await this.end).stderr}`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    return JSON.parse(this.#lines.shift() as string) as T;
  }

  /** Writes a line to its standard input and awaits the answer. */
  async ask<T = Record<string, unknown>>(line: string): Promise<T> {
    this.child.stdin?.write(`${line}\n`);
    return this.next<T>();
  }

  /** Signals and awaits the end. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<CliEnd> {
    this.child.kill(signal);
    return this.end;
  }
}

/** What tests leave behind, to be cleared after each file. */
export class Leftovers {
  readonly #processes: LineProcess[] = [];
  readonly #directories: string[] = [];

  async directory(): Promise<string> {
    const path = await mkdtemp(join(tmpdir(), 'atoll-cli-'));
    this.#directories.push(path);
    return path;
  }

  spawn(args: readonly string[], setting?: CliSetting): LineProcess {
    const child = new LineProcess(args, setting);
    this.#processes.push(child);
    return child;
  }

  /** A node that is ready. */
  async startNode(args: readonly string[] = [], data?: string): Promise<LineProcess & { readonly url: string }> {
    const directory = data ?? join(await this.directory(), 'data');
    const listen = args.includes('--listen') ? [] : ['--listen', `127.0.0.1:${await freePort()}`];
    const node = this.spawn(['start', '--data', directory, ...listen, ...args]);
    const { url } = await node.next<{ url: string }>();
    return Object.assign(node, { url });
  }

  async clear(): Promise<void> {
    await Promise.all(this.#processes.map((child) => child.stop('SIGKILL')));
    await Promise.all(this.#directories.map((path) => rm(path, { recursive: true, force: true })));
  }
}

/** Polls until the check holds. */
export async function eventually(check: () => Promise<boolean>, withinMs = 15_000): Promise<void> {
  const deadlineMs = Date.now() + withinMs;
  while (!(await check())) {
    if (Date.now() > deadlineMs) throw new Error(`did not become true within ${withinMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

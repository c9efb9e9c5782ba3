/**
 * @module
 * Owns server processes: started, awaited until they print their ready line, measured, stopped or killed. None outlives us.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const READY_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 20_000;

export interface ChildServerOptions {
  readonly program: string;
  readonly args: readonly string[];
  /** Gets what the process prints on stderr. */
  readonly logFile: string;
}

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
for (const [signal, exitCode] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.once(signal, () => process.exit(exitCode));
}

export class ChildServer {
  readonly url: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, url: string) {
    this.#child = child;
    this.url = url;
  }

  /** Resolves when the process has printed `{"ready":true,"url":…}`. */
  static async start(options: ChildServerOptions): Promise<ChildServer> {
    const log = openSync(options.logFile, 'a');
    const child = spawn(
      process.execPath,
      [...profileFlags(), ...shebangFlags(options.program), options.program, ...options.args],
      {
        stdio: ['ignore', 'pipe', log],
      },
    );
    closeSync(log);
    running.add(child);
    child.once('exit', () => running.delete(child));
    const url = await readUrl(child).catch((error: unknown) => {
      child.kill('SIGKILL');
      throw new Error(
        `${options.program} did not start: ${String(error)}\n${readFileSync(options.logFile, 'utf8').slice(-2000)}`,
      );
    });
    return new ChildServer(child, url);
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  /** Kilobytes that a line of `/proc/…/status` gives, e.g. `VmRSS`, as bytes. */
  memoryBytes(line: 'VmRSS' | 'VmHWM'): number {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, 'utf8');
    return Number(new RegExp(`^${line}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1024;
  }

  /** Seconds of processor time used so far, all threads. */
  cpuSeconds(): number {
    const fields = readFileSync(`/proc/${this.#child.pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  }

  /** Stops it without ending it: its sockets stay open and nobody reads from them. */
  freeze(): void {
    this.#child.kill('SIGSTOP');
  }

  thaw(): void {
    this.#child.kill('SIGCONT');
  }

  /** Lets the process finish; kills it when it does not. */
  async stop(): Promise<void> {
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await this.#end('SIGTERM');
    clearTimeout(timer);
  }

  /** As a power cut for the process: nothing is flushed, nobody is told. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill(signal);
    await exited;
  }
}

/** The flags for Node that a program's first line asks for, as a shell that starts it would pass them. */
function shebangFlags(program: string): string[] {
  const flags = /^#!\/usr\/bin\/env -S node (.+)$/m.exec(readFileSync(program, 'utf8').split('\n', 1)[0]!)?.[1];
  return flags === undefined ? [] : flags.trim().split(' ');
}

/** `ATOLL_BENCH_PROFILE=DIR` writes a processor profile of every server there when it stops. */
function profileFlags(): string[] {
  const directory = process.env['ATOLL_BENCH_PROFILE'];
  return directory === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${directory}`];
}

function readUrl(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`not ready after ${READY_TIMEOUT_MS} ms`)), READY_TIMEOUT_MS);
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      reject(new Error(`it ended with ${signal ?? code}`));
    });
    createInterface({ input: child.stdout! }).on('line', (line) => {
      const url = readyUrl(line);
      if (url === null) return;
      clearTimeout(timer);
      resolve(url);
    });
  });
}

function readyUrl(line: string): string | null {
  try {
    const value = JSON.parse(line) as { ready?: boolean; url?: string };
    return value.ready === true ? (value.url ?? null) : null;
  } catch {
    return null;
  }
}

/**
 * @module
 * Owns one node of a development cluster: a child process that runs `atoll start` and dies with its parent.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { CliError } from '../exit-code.ts';
import { NODE_FLAGS } from '../node-flags.ts';

/** A node that has not drained by then is killed. */
const STOP_MS_MAX = 15_000;
/** Lines of the log shown when a node does not start. */
const LOG_LINES_SHOWN = 5;

export interface DevNodeOptions {
  readonly name: string;
  /** 0 = any free port at the first start; kept afterwards. */
  readonly port: number;
  readonly dataPath: string;
  readonly logPath: string;
  readonly joinUrls: readonly string[];
  /** Told when the process ends and nobody had asked for it. */
  readonly onCrash: (reason: string) => void;
}

export class DevNode {
  readonly name: string;
  readonly #options: DevNodeOptions;
  #port: number;
  #child: ChildProcess | null = null;
  /** An end now would be reported otherwise: by the failing start, or by who asked for it. */
  #isExpected = true;

  constructor(options: DevNodeOptions) {
    this.name = options.name;
    this.#options = options;
    this.#port = options.port;
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get isRunning(): boolean {
    return this.#child !== null;
  }

  /** Resolves when the node is ready. @throws CliError `CLI_NODE_FAILED` */
  async start(): Promise<void> {
    if (this.#child !== null) throw new CliError('CLI_USAGE', `${this.name} is running already`);
    const { dataPath, logPath, joinUrls } = this.#options;
    const log = openSync(logPath, 'a');
    const join = joinUrls.flatMap((url) => ['--join', url]);
    // The script that runs now: the same build, whether it came from a checkout or a package.
    const script = process.argv[1] as string;
    const args = [
      ...NODE_FLAGS,
      script,
      'start',
      '--data',
      dataPath,
      '--listen',
      `127.0.0.1:${this.#port}`,
      '--name',
      this.name,
      ...join,
      '--exit-with-parent',
    ];
    // A group of its own, so that Ctrl-C reaches only this process, which then lets the nodes drain.
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', log, 'ipc'], detached: true });
    closeSync(log);
    this.#isExpected = true;
    this.#child = child;
    child.once('exit', (code, signal) => {
      this.#child = null;
      if (!this.#isExpected) this.#options.onCrash(signal ?? `exit code ${code}`);
    });
    await this.#untilReady(child);
    this.#isExpected = false;
  }

  /** Stops the process where it is, as a machine that hangs: connections stay open, nothing is answered. */
  pause(): void {
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  /** Ends the process as a power cut would end it. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** Lets the node drain. */
  async stop(): Promise<void> {
    const child = this.#child;
    const force = setTimeout(() => child?.kill('SIGKILL'), STOP_MS_MAX);
    // One that is paused would not hear of it.
    this.resume();
    await this.#end('SIGTERM');
    clearTimeout(force);
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    this.#isExpected = true;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }

  async #untilReady(child: ChildProcess): Promise<void> {
    const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
    const ready = new Promise<{ url: string } | null>((resolve) => {
      lines.on('line', (line) => {
        const found = parseReady(line);
        if (found !== null) resolve(found);
      });
      child.once('exit', () => resolve(null));
    });
    const found = await ready;
    if (found === null) {
      throw new CliError('CLI_NODE_FAILED', `${this.name} did not start; the end of its log:`, {
        hint: this.#logTail(),
      });
    }
    this.#port = Number(new URL(found.url).port);
  }

  #logTail(): string {
    return readFileSync(this.#options.logPath, 'utf8').trimEnd().split('\n').slice(-LOG_LINES_SHOWN).join('\n  ');
  }
}

function parseReady(line: string): { url: string } | null {
  try {
    const value = JSON.parse(line) as { ready?: unknown; url?: unknown };
    return value.ready === true && typeof value.url === 'string' ? { url: value.url } : null;
  } catch {
    return null;
  }
}

/**
 * @module
 * Owns reading change feeds over HTTP in tests: lines and events as they come.
 */
import { get as httpGet, type ClientRequest, type IncomingMessage } from 'node:http';

export interface FeedLine {
  readonly cursor: string;
  readonly collection: string;
  readonly id: string;
  readonly etag: string;
  readonly deleted: boolean;
  readonly doc?: Record<string, unknown>;
  readonly conflicts?: readonly unknown[];
  readonly retryMs?: number;
}

/** One open feed. */
export class FeedClient {
  readonly text: string[] = [];
  readonly #request: ClientRequest;
  readonly #response: Promise<IncomingMessage>;
  #isEnded = false;
  #rest = '';
  #waiting: (() => void) | null = null;

  constructor(url: string, headers: Record<string, string> = {}) {
    this.#request = httpGet(url, { headers, agent: false });
    this.#response = new Promise((resolve, reject) => {
      this.#request.on('response', resolve).on('error', reject);
    });
    void this.#response.then(
      (response) => {
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => this.#take(chunk));
        const end = (): void => {
          this.#isEnded = true;
          this.#waiting?.();
        };
        response.on('end', end).on('close', end);
      },
      () => undefined,
    );
  }

  get response(): Promise<IncomingMessage> {
    return this.#response;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  #take(chunk: string): void {
    const lines = (this.#rest + chunk).split('\n');
    this.#rest = lines.pop()!;
    this.text.push(...lines);
    this.#waiting?.();
  }

  /** Lines that are changes, of NDJSON. */
  get changes(): FeedLine[] {
    return this.text
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as FeedLine)
      .filter(({ id }) => id !== undefined);
  }

  /** Resolves when the condition holds. */
  async until(condition: (feed: this) => boolean): Promise<void> {
    while (!condition(this)) {
      if (this.#isEnded) throw new Error(`the feed ended: ${this.text.slice(-5).join('\n')}`);
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
  }

  async end(): Promise<void> {
    await this.#response;
    while (!this.#isEnded) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
  }

  close(): void {
    this.#request.destroy();
  }
}

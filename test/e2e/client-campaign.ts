/**
 * @module
 * Owns an application under fire: workers and a follower that use the client as an application would, while nodes are killed,
 * hang and are cut off; and the check of what must hold afterwards. SPEC.md CC9.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { AtollClient, ClientError, type Policy } from '../../cli/client.ts';
import { eventually } from './cli-process.ts';
import type { DevNodes } from './dev-nodes.ts';

export interface CampaignOptions {
  readonly nodes: DevNodes;
  readonly policy: Policy;
  readonly workers: number;
  /** How long each fault lasts. */
  readonly faultMs: number;
}

export interface CampaignReport {
  readonly acknowledged: number;
  readonly seconds: number;
  /** Requests that failed although their client could have gone on. */
  readonly failures: readonly string[];
  /** Reads that showed less than their session had written. */
  readonly stale: readonly string[];
  /** What was applied less or more often than it was acknowledged. */
  readonly wrong: readonly string[];
  /** Changes that the follower did not see. */
  readonly missed: readonly string[];
  /** The longest that a request took, per kind of fault. */
  readonly slowestMs: Readonly<Record<string, number>>;
}

interface Tally {
  readonly counter: string;
  increments: number;
  /** Names of the documents made by POST. */
  readonly created: string[];
}

const COLLECTION = 'campaign';
/** Between two steps of a worker: an application does other things, too. */
const PAUSE_MS = 5;

interface Work {
  readonly n?: number;
  readonly by?: string;
}

class Campaign {
  readonly #options: CampaignOptions;
  readonly #client: AtollClient;
  readonly #failures: string[] = [];
  readonly #stale: string[] = [];
  readonly #slowestMs: Record<string, number> = {};
  #fault = 'none';
  #isOver = false;
  #acknowledged = 0;

  constructor(options: CampaignOptions) {
    this.#options = options;
    const timeoutMs = options.faultMs + 60_000;
    this.#client = new AtollClient({ endpoints: options.nodes.urls, policy: options.policy, timeoutMs });
  }

  async run(): Promise<CampaignReport> {
    const startedMs = performance.now();
    const tallies = Array.from({ length: this.#options.workers }, (_, at): Tally => {
      return { counter: `counter-${at}`, increments: 0, created: [] };
    });
    const abort = new AbortController();
    const seen = new Set<string>();
    const following = this.#follow(seen, abort.signal);
    const working = Promise.all(tallies.map((tally) => this.#work(tally)));
    await this.#breakThings();
    this.#isOver = true;
    await working;
    const seconds = (performance.now() - startedMs) / 1000;
    await this.#converge();
    const expected = tallies.flatMap(({ counter, created }) => [counter, ...created]);
    const wrong = [];
    for (const url of this.#options.nodes.urls) wrong.push(...(await this.#audit(url, tallies)));
    await eventually(async () => expected.every((name) => seen.has(name))).catch(() => undefined);
    abort.abort();
    await following;
    return {
      acknowledged: this.#acknowledged,
      seconds,
      failures: this.#failures,
      stale: this.#stale,
      wrong,
      missed: expected.filter((name) => !seen.has(name)),
      slowestMs: this.#slowestMs,
    };
  }

  /** One node after another is killed, hangs, is cut off. */
  async #breakThings(): Promise<void> {
    const { nodes, faultMs } = this.#options;
    const faults: [name: string, begin: readonly string[], end: readonly string[]][] = [
      ['kill', ['kill n1'], ['start n1']],
      ['hang', ['pause n2'], ['resume n2']],
      ['cut', ['cut n3'], ['heal n3']],
      ['kill', ['kill n3'], ['start n3']],
      ['hang', ['pause n1'], ['resume n1']],
      ['cut', ['cut n2'], ['heal n2']],
    ];
    await delay(1_000);
    for (const [name, begin, end] of faults) {
      for (const line of begin) await nodes.command(line);
      this.#fault = name;
      await delay(faultMs);
      for (const line of end) await nodes.command(line);
      // What waits for the end of the fault still belongs to it.
      await delay(1_000);
    }
    this.#fault = 'none';
  }

  async #work(tally: Tally): Promise<void> {
    const documents = this.#client.withSession().database('app').collection<Work>(COLLECTION);
    for (let n = 1; !this.#isOver; n++) {
      const name = `${tally.counter}-${n}`;
      await this.#ask(`increment ${name}`, async () => {
        await documents.apply(tally.counter, [{ op: 'increment', path: '/n', value: 1 }]);
        tally.increments++;
      });
      await this.#ask(`create ${name}`, async () => {
        await documents.create({ by: name });
        tally.created.push(name);
      });
      await this.#ask(`read ${name}`, async () => {
        const shown = (await documents.get(tally.counter))?.doc.n ?? 0;
        if (shown < tally.increments) this.#stale.push(`${tally.counter}: ${shown} of ${tally.increments}`);
      });
      await delay(PAUSE_MS);
    }
  }

  async #ask(what: string, request: () => Promise<void>): Promise<void> {
    const fault = this.#fault;
    const startedMs = performance.now();
    try {
      await request();
      this.#acknowledged++;
    } catch (error) {
      const reason = error instanceof ClientError ? `${error.status} ${error.code}: ${error.message}` : String(error);
      this.#failures.push(`${what} during ${fault}: ${reason}`);
    }
    const took = Math.round(performance.now() - startedMs);
    this.#slowestMs[fault] = Math.max(this.#slowestMs[fault] ?? 0, took);
  }

  async #follow(seen: Set<string>, signal: AbortSignal): Promise<void> {
    const feed = this.#client.database('app').changes<Work>({ include: ['doc'], signal });
    try {
      for await (const { id, doc } of feed) seen.add(doc?.by ?? id);
    } catch (error) {
      if (!signal.aborted) this.#failures.push(`the feed: ${String(error)}`);
    }
  }

  async #converge(): Promise<void> {
    const clients = this.#options.nodes.urls.map((endpoints) => new AtollClient({ endpoints, session: false }));
    await eventually(async () => {
      const digests = await Promise.all(clients.map(async (client) => (await client.database('app').digest()).digest));
      return new Set(digests).size === 1;
    }, 60_000);
  }

  /** What a node holds, against what was acknowledged. */
  async #audit(url: string, tallies: readonly Tally[]): Promise<string[]> {
    const documents = new AtollClient({ endpoints: url }).database('app').collection<Work>(COLLECTION);
    const wrong: string[] = [];
    const times = new Map<string, number>();
    const counters = new Map<string, number>();
    for await (const { id, doc } of documents.list({ limit: 500 })) {
      if (doc.by !== undefined) times.set(doc.by, (times.get(doc.by) ?? 0) + 1);
      else counters.set(id, doc.n ?? 0);
    }
    for (const { counter, increments, created } of tallies) {
      if (counters.get(counter) !== increments)
        wrong.push(`${url} ${counter}: ${counters.get(counter)} instead of ${increments}`);
      for (const name of created)
        if (times.get(name) !== 1) wrong.push(`${url} ${name}: ${times.get(name) ?? 0} times`);
    }
    return wrong;
  }
}

export async function runCampaign(options: CampaignOptions): Promise<CampaignReport> {
  return new Campaign(options).run();
}

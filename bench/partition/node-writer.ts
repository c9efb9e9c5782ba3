/**
 * @module
 * Owns the clients of one node: they write through it alone, read some of their writes back, and wait while it is down.
 */
import { isDeepStrictEqual } from 'node:util';
import { type AtollClient, ClientError, type CollectionClient } from '../../cli/client.ts';
import { forEachConcurrently } from '../harness/concurrency.ts';
import type { NodeProcess } from '../harness/node-process.ts';
import type { Journal } from './journal.ts';
import { CITIES, COUNTERS, COUNTER_FIELD, DATABASE, type Edit, type Write } from './plan.ts';

/** Every how many edits one is read back at once. */
const READ_BACK_EVERY = 10;

export class NodeWriter {
  readonly #node: NodeProcess;
  readonly #journal: Journal;
  readonly #client: AtollClient;
  #acknowledged = 0;
  /** While the node is down. */
  #down: { readonly over: Promise<void>; readonly end: () => void } | null = null;
  readonly readBackFailures: string[] = [];
  readBacks = 0;
  /** Called after each acknowledgement with their number, while other requests are in flight. */
  onAcknowledged: (count: number) => void = () => {};

  constructor(node: NodeProcess, journal: Journal) {
    this.#node = node;
    this.#journal = journal;
    this.#client = node.client();
  }

  async run(writes: readonly Write[], connections: number): Promise<void> {
    await forEachConcurrently(writes, connections, async (write) => {
      await this.#down?.over;
      await this.#perform(write);
    });
  }

  /** From now on broken connections are expected, and no new writes are sent until `resume`. */
  pause(): void {
    let end = (): void => {};
    const over = new Promise<void>((resolve) => {
      end = resolve;
    });
    this.#down = { over, end };
  }

  resume(): void {
    this.#down?.end();
    this.#down = null;
  }

  async #perform(write: Write): Promise<void> {
    const { name: node } = this.#node;
    try {
      await this.#send(write);
    } catch (error) {
      if (this.#down === null || !(error instanceof ClientError) || error.status !== 0) throw error;
      this.#journal.add({ write, node, isAcknowledged: false });
      return;
    }
    this.#journal.add({ write, node, isAcknowledged: true });
    this.onAcknowledged(++this.#acknowledged);
    if ('field' in write && this.#acknowledged % READ_BACK_EVERY === 0 && this.#down === null)
      await this.#readBack(write);
  }

  async #send(write: Write): Promise<void> {
    if (write.kind === 'increment') {
      await this.#collection(COUNTERS).apply(write.id, [{ op: 'increment', path: `/${COUNTER_FIELD}`, value: 1 }]);
      return;
    }
    const cities = this.#collection(CITIES);
    switch (write.kind) {
      case 'delete':
        if (!(await cities.delete(write.id))) throw new Error(`${write.id} was gone before it was deleted`);
        return;
      case 'merge-patch':
        await cities.mergePatch(write.id, { [write.field]: write.value });
        return;
      case 'json-patch':
        await cities.jsonPatch(write.id, [{ op: 'replace', path: `/${write.field}`, value: write.value }]);
        return;
      case 'put':
        await cities.put(write.id, { ...write.base, [write.field]: write.value });
        return;
    }
  }

  async #readBack({ id, field, value }: Edit): Promise<void> {
    try {
      const found = await this.#collection(CITIES).get(id);
      this.readBacks++;
      if (!isDeepStrictEqual(found?.doc[field], value))
        this.readBackFailures.push(`${id}/${field} on ${this.#node.name}`);
    } catch (error) {
      // The node may be killed between the write and this read.
      if (this.#down === null) throw error;
    }
  }

  #collection(name: string): CollectionClient {
    return this.#client.database(DATABASE).collection(name);
  }
}

/**
 * @module
 * Owns three nodes with a wire between each two that can be cut. Nobody advertises an address, so nodes know each other by
 * these wires only.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AtollClient } from '../../cli/client.ts';
import { NodeProcess } from '../harness/node-process.ts';
import { TcpProxy } from '../harness/tcp-proxy.ts';

type Trio<T> = readonly [T, T, T];

export class Cluster {
  readonly nodes: Trio<NodeProcess>;
  readonly #wires: { readonly '1-2': TcpProxy; readonly '1-3': TcpProxy; readonly '2-3': TcpProxy };

  private constructor(nodes: Trio<NodeProcess>, wires: Trio<TcpProxy>) {
    this.nodes = nodes;
    this.#wires = { '1-2': wires[0], '1-3': wires[1], '2-3': wires[2] };
  }

  static async start(directory: string): Promise<Cluster> {
    const secretFile = join(directory, 'secret');
    writeFileSync(secretFile, 'three nodes share this secret\n', { mode: 0o600 });
    const third = await NodeProcess.start({ name: 'n3', directory, secretFile });
    const [toSecond, toThirdFromFirst, toThirdFromSecond] = [
      await TcpProxy.listen(),
      await TcpProxy.listen(third.port),
      await TcpProxy.listen(third.port),
    ];
    const second = await NodeProcess.start({ name: 'n2', directory, secretFile, join: [toThirdFromSecond.url] });
    toSecond.targetPort = second.port;
    const first = await NodeProcess.start({
      name: 'n1',
      directory,
      secretFile,
      join: [toSecond.url, toThirdFromFirst.url],
    });
    return new Cluster([first, second, third], [toSecond, toThirdFromFirst, toThirdFromSecond]);
  }

  clients(): AtollClient[] {
    return this.nodes.map((node) => node.client());
  }

  wire(pair: '1-2' | '1-3' | '2-3'): TcpProxy {
    return this.#wires[pair];
  }

  /** Cuts node 3 off from the others. */
  partition(): void {
    this.#wires['1-3'].cut();
    this.#wires['2-3'].cut();
  }

  heal(): void {
    this.#wires['1-3'].heal();
    this.#wires['2-3'].heal();
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()));
    await Promise.all(Object.values(this.#wires).map((wire) => wire.close()));
  }
}

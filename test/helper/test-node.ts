/**
 * @module
 * Owns whole nodes in this process, on real directories and ports, for end-to-end tests.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openNode, type AtollNode, type OpenOptions } from '../../server/index.ts';

export interface TestNodes {
  /** A directory of its own; removed at the end. */
  directory(): string;
  open(options?: Partial<OpenOptions>): Promise<AtollNode>;
  /** Closes every node and removes every directory. */
  close(): Promise<void>;
}

export function createTestNodes(): TestNodes {
  const root = mkdtempSync(join(tmpdir(), 'atoll-http-'));
  const open: AtollNode[] = [];
  let count = 0;
  const directory = (): string => join(root, `n${++count}`);
  return {
    directory,
    async open(options = {}) {
      const node = await openNode({ data: directory(), listen: '127.0.0.1:0', log: 'silent', ...options });
      open.push(node);
      return node;
    },
    async close() {
      await Promise.allSettled(open.map((node) => node.close()));
      rmSync(root, { recursive: true, force: true });
    },
  };
}

export function waitFor(condition: () => boolean | Promise<boolean>, ms = 20_000): Promise<void> {
  const deadline = Date.now() + ms;
  const poll = async (): Promise<void> => {
    while (!(await condition())) {
      if (Date.now() > deadline) throw new Error(`not within ${ms} ms: ${condition.toString()}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  return poll();
}

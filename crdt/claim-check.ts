/**
 * @module
 * Owns what leaves may say to have seen: a tombstone, or a number that was set over counts, names the clocks that its author had seen. One
 * that names more than has been written would take away what others write later.
 */
import { CrdtError } from './errors.ts';
import type { Model, Node, Run } from './model.ts';

/**
 * Checks what some clients wrote in a document.
 *
 * @throws CrdtError `CRDT_UPDATE_GAP`
 */
export function checkClaims(model: Model, writers: ReadonlySet<number>): void {
  const isTheirs = ({ client }: Run): boolean => writers.has(client);
  for (const { run, observed } of model.tombstones) {
    if (isTheirs(run)) for (const [client, clock] of observed) check(model, client, clock);
  }
  checkNode(model.root);

  function checkNode(node: Node): void {
    for (const { run, seen } of node.entries) {
      if (seen !== null && isTheirs(run)) for (const [client, { clock }] of seen) check(model, client, clock);
    }
    for (const child of node.children?.values() ?? []) checkNode(child);
    for (const list of node.lists ?? []) for (const element of list.elements) checkNode(element.node);
    for (const orphan of node.orphans ?? []) checkNode(orphan);
  }
}

function check({ clocks }: Model, client: number, clock: number): void {
  const known = clocks.get(client) ?? 0;
  if (clock <= known) return;
  throw new CrdtError(
    'CRDT_UPDATE_GAP',
    `the update has seen clock ${clock} of client ${client}, but only ${known} are known`,
    {
      retryable: true,
      details: { client, clock, known },
    },
  );
}

/**
 * @module
 * Owns what becomes of the writes of a removed node: those that members hold are as good as any; of the others the node itself
 * says that nobody has them, so that they can be exported.
 */
import type { Cluster } from './cluster.ts';
import { isAcknowledged, isScratch } from './history.ts';

/** Call it once the members are equal. From then on oracles expect of a removed node only what members hold. */
export async function checkRemoved(cluster: Cluster): Promise<void> {
  const [member] = cluster.members;
  for (const [index, nodeId] of cluster.removed) {
    const { replica } = cluster.nodes[index]!;
    const isAware = replica !== null && replica.nodeId === nodeId && replica.removal !== null;
    const unsent = new Set<string>();
    if (isAware)
      for await (const { database, collection, id } of replica.unsent()) unsent.add(`${database}/${collection}/${id}`);
    for (const attempt of cluster.history.attempts) {
      if (attempt.node !== index || !isAcknowledged(attempt) || isScratch(attempt.database)) continue;
      const held = member!.replica!.engine.vector(`${attempt.database}.0`).get(attempt.origin)?.seq ?? 0;
      if (attempt.outcome === 'unchanged') continue;
      // Which of its epochs did a keyed write, if it was this node at all, its answer does not tell.
      if (!attempt.isRepeatable && held >= (attempt.vectorAtReply[attempt.origin] ?? 0)) continue;
      cluster.history.retract(attempt, 'only the removed node has it');
      cluster.trace.count('writes that only a removed node has');
      const name = `${attempt.database}/${attempt.collection}/${attempt.document}`;
      if (isAware && !attempt.isRepeatable && !unsent.has(name))
        cluster.complain(
          `[ID8] node ${index} was removed, only it has #${attempt.id}, and it does not list ${name} as unsent`,
        );
    }
  }
}

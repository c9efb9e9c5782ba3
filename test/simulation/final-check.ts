/**
 * @module
 * Owns the end of a run: has the cluster converged, is everything equal everywhere, and what do the oracles say.
 */
import type { JsonObject, JsonValue } from '../../crdt/index.ts';
import type { Replica } from '../../sync/index.ts';
import type { Cluster } from './cluster.ts';
import type { FinalState, Workload } from './workload/workload.ts';

/** A replica reduced to what must be equal: databases, digests, vectors. Null while something is not open. */
export function fingerprint(replica: Replica): string | null {
  const parts: string[] = [];
  for (const name of replica.databases()) {
    try {
      const database = replica.database(name);
      const { digest, documents, vector } = database.digest();
      const entries = Object.entries(vector).sort(([a], [b]) => Number(a) - Number(b));
      const collections = database.collections();
      parts.push(JSON.stringify([database.key, digest, documents, entries, collections]));
    } catch {
      return null;
    }
  }
  const system = replica.engine.vector('_system.0');
  parts.push(JSON.stringify([...system].map(([origin, { seq }]) => [origin, seq]).sort(([a], [b]) => a! - b!)));
  return parts.join('\n');
}

/** Are all nodes up and equal? */
export function hasConverged(cluster: Cluster): boolean {
  const [first, ...rest] = cluster.members.map(({ replica }) => (replica === null ? null : fingerprint(replica)));
  return first !== null && first !== undefined && rest.every((other) => other === first);
}

/** What differs, for the report of a run that did not converge. */
export function describeDifferences(cluster: Cluster): string {
  return cluster.nodes
    .map(({ index, replica }) => {
      if (replica === null) return `node ${index}: down`;
      const links = replica.status().links.map((link) => `${link.name}:${link.state}`);
      return `node ${index} (links ${links.join(' ')}): ${(fingerprint(replica) ?? 'not open').replaceAll('\n', ' | ')}`;
    })
    .join('\n');
}

interface ReplicaContent {
  readonly documents: Map<string, JsonObject>;
  readonly texts: Map<string, string>;
  readonly conflicts: Map<string, Map<string, readonly JsonValue[]>>;
  readonly conflictTexts: Map<string, string>;
}

async function readContent(replica: Replica): Promise<ReplicaContent> {
  const content: ReplicaContent = {
    documents: new Map(),
    texts: new Map(),
    conflicts: new Map(),
    conflictTexts: new Map(),
  };
  for (const name of replica.databases()) {
    const database = replica.database(name);
    for (const collection of database.collections()) {
      let after: string | null = null;
      do {
        const page: Awaited<ReturnType<typeof database.list>> = await database.list(collection.name, {
          limit: 50,
          ...(after !== null && { after }),
        });
        for (const { id, etag, json } of page.items) {
          const key = `${name}/${collection.name}/${id}`;
          const text = new TextDecoder().decode(json);
          content.documents.set(key, JSON.parse(text) as JsonObject);
          const got = await database.get(collection.name, id);
          const version = got?.etag === etag ? etag : `list and get disagree: ${etag} ${got?.etag}`;
          content.texts.set(key, `${version} ${got?.modifiedMs} ${got?.conflicts} ${text}`);
          const conflicts = (await database.conflicts(collection.name, id)) ?? [];
          content.conflictTexts.set(key, JSON.stringify(conflicts));
          content.conflicts.set(
            key,
            new Map(conflicts.map(({ path, others }) => [path, others.map(({ value }) => value as JsonValue)])),
          );
        }
        after = page.next;
      } while (after !== null);
    }
  }
  return content;
}

/** Compares all replicas document by document, then asks every oracle. */
export async function checkFinalState(cluster: Cluster, workloads: readonly Workload[]): Promise<void> {
  const contents = await Promise.all(cluster.members.map(({ replica }) => readContent(replica!)));
  const [first, ...rest] = contents;
  rest.forEach((other, i) => {
    compare(cluster, `documents of node 0 and node ${i + 1}`, first!.texts, other.texts);
    compare(cluster, `conflicts of node 0 and node ${i + 1}`, first!.conflictTexts, other.conflictTexts);
  });
  const final: FinalState = {
    documents: first!.documents,
    conflicts: first!.conflicts,
    attempts: (collection) => cluster.history.documents(collection),
  };
  for (const workload of workloads) {
    for (const problem of workload.check(final)) cluster.complain(`${workload.name}: ${problem}`);
  }
  for (const { replica } of cluster.members) {
    for (const { compaction } of replica!.status().databases) {
      cluster.trace.count('documents compacted', compaction.compacted);
    }
  }
  cluster.trace.count('documents compared', first!.texts.size * contents.length);
}

function compare(cluster: Cluster, what: string, a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): void {
  for (const key of new Set([...a.keys(), ...b.keys()])) {
    if (a.get(key) === b.get(key)) continue;
    cluster.complain(
      `[I9] ${what} differ at ${key}: ${String(a.get(key)).slice(0, 300)} ≠ ${String(b.get(key)).slice(0, 300)}`,
    );
  }
}

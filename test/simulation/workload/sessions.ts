/**
 * @module
 * Owns the workload of sessions: clients that go from node to node with a token. A node that answers shows all that the session has
 * written or read before; one that cannot says so (SE1).
 */
import { isAcknowledged } from '../history.ts';
import { operations } from './workload.ts';
import type { Client, Workload } from './workload.ts';

const COLLECTION = 'sessions';
const SESSIONS = 3;
const WAIT_MS = 500;

interface Session {
  token: string | null;
  /** Members that it has written or read. */
  seen: ReadonlySet<string>;
}

export class SessionWorkload implements Workload {
  readonly name = 'sessions';
  readonly #sessions = new Map<string, Session>();

  async step(client: Client): Promise<void> {
    const name = `${client.database} ${client.random.int(1, SESSIONS)}`;
    const { token, seen } = this.#sessions.get(name) ?? { token: null, seen: new Set<string>() };
    if (token !== null) {
      const answer = await client.awaitSession(token, WAIT_MS);
      // What a node took with it that is gone or was removed: the session is over, and another begins.
      if (answer === 'expired') this.#sessions.delete(name);
      if (answer !== 'covered') return;
    }
    const members = await readMembers(client);
    // Not answered, or nobody has written it yet.
    if (members === null && seen.size > 0) return;
    const shown = members ?? new Set<string>();
    const missing = [...seen].filter((member) => !shown.has(member));
    if (missing.length > 0) client.complain(`[SE1] session ${name} has seen ${missing.join()} and is shown less`);
    const member = `m${client.unique}`;
    const attempt = await client.write(
      COLLECTION,
      'shared',
      operations({ op: 'set-add', path: '/members', value: member }),
      member,
    );
    const next = client.sessionToken();
    if (next === null) return;
    this.#sessions.set(name, { token: next, seen: isAcknowledged(attempt) ? new Set([...shown, member]) : shown });
  }

  check(): string[] {
    return [];
  }
}

async function readMembers(client: Client): Promise<Set<string> | null> {
  const document = await client.read(COLLECTION, 'shared');
  if (document === null) return null;
  return new Set(document['members'] as readonly string[] | undefined);
}

/**
 * @module
 * Owns what was written during a run, on nodes and on leaves, and what of it must be there in the end. Everything is told by what
 * programs are told: answers, and the status of a leaf.
 */
import type { JsonObject } from '../../../crdt/index.ts';
import type { CollectionName } from './leaf-plan.ts';

export interface Written {
  readonly machine: number;
  readonly collection: CollectionName;
  readonly id: string;
  readonly kind: 'set' | 'add' | 'delete';
  /** The member that a `set` writes: no other write does. */
  readonly member: string;
  readonly calledAt: number;
  answeredAt: number;
  /** From then on somebody else may have it. */
  visibleFrom: number;
  /** `lost`: the store of the leaf is gone, or the leaf was told that it is taken back; others may have it all the same. */
  status: 'pending' | 'answered' | 'without effect' | 'failed' | 'lost';
  /** A node has it, durably. */
  isAcknowledged: boolean;
}

export type Content = ReadonlyMap<string, JsonObject>;

export class History {
  readonly writes: Written[] = [];

  begin(
    fields: Pick<Written, 'machine' | 'collection' | 'id' | 'kind' | 'member' | 'calledAt' | 'visibleFrom'>,
  ): Written {
    const written: Written = { ...fields, answeredAt: Infinity, status: 'pending', isAcknowledged: false };
    this.writes.push(written);
    return written;
  }

  of(machine: number): Written[] {
    return this.writes.filter((written) => written.machine === machine);
  }

  /** The machine is connected to a node. */
  show(machine: number, now: number): void {
    for (const written of this.of(machine))
      written.visibleFrom = Math.min(written.visibleFrom, Math.max(now, written.calledAt));
  }

  /** Nothing of the machine is unsent. */
  acknowledge(machine: number): void {
    for (const written of this.of(machine)) if (written.status === 'answered') written.isAcknowledged = true;
  }

  /** What no node has of a machine may be gone. */
  lose(machine: number, isLost: (written: Written) => boolean): void {
    for (const written of this.of(machine)) {
      if (written.isAcknowledged || !isLost(written)) continue;
      if (written.status === 'answered' || written.status === 'pending') written.status = 'lost';
    }
  }

  /** What is wrong with what is there. */
  check(collection: CollectionName, content: Content): string[] {
    const byId = new Map<string, Written[]>();
    for (const written of this.writes) {
      if (written.collection !== collection || written.status === 'failed' || written.status === 'without effect')
        continue;
      byId.set(written.id, [...(byId.get(written.id) ?? []), written]);
    }
    const problems: string[] = [];
    for (const id of new Set([...byId.keys(), ...content.keys()])) {
      const writes = byId.get(id) ?? [];
      for (const problem of CHECKS[collection](writes, content.get(id) ?? null))
        problems.push(`${collection}/${id}: ${problem}`);
    }
    return problems;
  }
}

const isKept = ({ status }: Written): boolean => status === 'answered';

type Check = (writes: readonly Written[], document: JsonObject | null) => readonly string[];

const CHECKS: Readonly<Record<CollectionName, Check>> = {
  items: (writes, document) => [...missing(writes.filter(isKept), document), ...invented(writes, document)],

  counters(writes, document) {
    const least = writes.filter(isKept).length;
    const count = Number(document?.['n'] ?? 0);
    if (count >= least && count <= writes.length) return [];
    return [`[LF6] ${count} after ${least} to ${writes.length} increments by one`];
  },

  /** Written once, and never again: whoever deletes it has seen all of it. */
  lives(writes, document) {
    const deleted = writes.find((written) => written.kind === 'delete' && isKept(written));
    if (deleted !== undefined) return document === null ? [] : [`[LF10] it came back after ${describe(deleted)}`];
    if (writes.some(({ kind }) => kind === 'delete')) return [];
    return [...missing(writes.filter(isKept), document), ...invented(writes, document)];
  },

  /** Whatever no delete can have seen is there. */
  mixed(writes, document) {
    const deletes = writes.filter(({ kind }) => kind === 'delete');
    const unseen = writes.filter(
      (written) => written.kind === 'set' && isKept(written) && !deletes.some((each) => maySee(each, written)),
    );
    return [...missing(unseen, document), ...invented(writes, document)];
  },
};

function maySee(deleted: Written, { machine, calledAt, visibleFrom }: Written): boolean {
  return deleted.answeredAt >= (deleted.machine === machine ? calledAt : visibleFrom);
}

function missing(writes: readonly Written[], document: JsonObject | null): string[] {
  return writes
    .filter(({ kind, member }) => kind === 'set' && document?.[member] === undefined)
    .map((written) => `[LF6] ${describe(written)} is missing`);
}

function invented(writes: readonly Written[], document: JsonObject | null): string[] {
  return Object.keys(document ?? {})
    .filter((member) => member !== 'group' && !writes.some((written) => written.member === member))
    .map((member) => `member ${member} was never written`);
}

function describe({ machine, kind, member, calledAt, status, isAcknowledged }: Written): string {
  return `${kind} ${member} of machine ${machine} at ${calledAt.toFixed(1)} ms (${status}${isAcknowledged ? ', acknowledged' : ''})`;
}

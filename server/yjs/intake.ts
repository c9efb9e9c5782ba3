/**
 * @module
 * Owns what clients of a document have sent and what becomes of it. It waits until the next commit and is merged then, all at once: what
 * would be durable and told together anyway costs hardly more than a single update.
 */
import type { ClientAdmission, ClientEdit } from '../../crdt/index.ts';
import type { SharedDocument } from '../../sync/index.ts';
import type { Member } from './room.ts';

/** An update that waits. */
export interface Sent extends ClientEdit {
  readonly member: Member;
  /** It answers our question what we lack, and may bring what others wrote. */
  readonly isAnswer: boolean;
  /** The client ids it writes as, once it was looked at. */
  readonly writers: Set<number>;
}

export interface IntakeOptions {
  readonly document: SharedDocument;
  readonly bytesMax: number;
  /** Does another client that is here go by this id? */
  readonly isTaken: (client: number, member: Member) => boolean;
  /** `error`: why it was not taken; null = it was, or brought nothing new. */
  readonly onMerged: (sent: Sent, error: unknown) => void;
}

/** More does not wait. */
const WAITING_BYTES_MAX = 65_536;

export class Intake {
  readonly #options: IntakeOptions;
  #waiting: Sent[] = [];
  #bytes = 0;
  /** Who wrote under an id among what is merged together: two who begin with the same one are not the same. */
  readonly #claims = new Map<number, Member>();

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  /** It should not wait any longer. */
  get isFull(): boolean {
    return this.#bytes > WAITING_BYTES_MAX;
  }

  add(member: Member, update: Uint8Array, isAnswer: boolean): void {
    const writers = new Set<number>();
    const isTaken = (client: number): boolean => {
      writers.add(client);
      return this.#options.isTaken(client, member) || (!isAnswer && this.#isClaimed(client, member));
    };
    const admission: ClientAdmission = {
      isReadOnly: member.grant.isReadOnly,
      isTaken,
      bytesMax: this.#options.bytesMax,
    };
    this.#waiting.push({ member, update, isAnswer, writers, admission });
    this.#bytes += update.byteLength;
  }

  #isClaimed(client: number, member: Member): boolean {
    const by = this.#claims.get(client) ?? member;
    this.#claims.set(client, by);
    return by !== member;
  }

  /** Merges what waits. The document is open. */
  merge(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#bytes = 0;
    this.#claims.clear();
    this.#merge(waiting);
  }

  #merge(all: readonly Sent[]): void {
    let refused: ReadonlyMap<ClientEdit, unknown>;
    try {
      refused = this.#options.document.merge(all);
    } catch (error) {
      // The node takes nothing just now. Of who may only read it took nothing before.
      if (all.length > 1) {
        for (const sent of all) this.#merge([sent]);
        return;
      }
      refused = new Map(all.map((sent) => [sent, error]));
    }
    for (const sent of all) this.#options.onMerged(sent, refused.get(sent) ?? null);
  }
}

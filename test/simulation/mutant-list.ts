/**
 * @module
 * Owns the list of mutants: for each invariant a known bug, as an edit of the sources. `mutants.ts` proves that each is caught;
 * an api test that each still applies, so that a change of the code beneath one is noticed at once.
 */

export interface Mutant {
  readonly name: string;
  readonly invariant: string;
  /** What a user would suffer. */
  readonly bug: string;
  /** A test file that has to fail; default: the simulation has to find a seed. */
  readonly test?: string;
  readonly edits: readonly Edit[];
}

export interface Edit {
  readonly file: string;
  /** Must occur exactly once. */
  readonly find: string;
  readonly replace: string;
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'reply-before-persist',
    invariant: 'I1',
    bug: 'a write is acknowledged before it is durable',
    edits: [
      {
        file: 'sync/database.ts',
        find: '        if (slot.hasOpenChanges) await this.parts.commit.join(this);\n      }\n',
        replace: '        if (slot.hasOpenChanges) this.parts.commit.join(this).catch(() => undefined);\n      }\n',
      },
    ],
  },
  {
    name: 'push-before-persist',
    invariant: 'I1',
    bug: 'a batch is sent to peers before it is durable',
    edits: [
      {
        file: 'sync/group-commit.ts',
        find: '      await this.#store.batch(',
        replace: '      for (const changes of sealed) changes.durable();\n      await this.#store.batch(',
      },
      {
        file: 'sync/group-commit.ts',
        find: '      for (const changes of sealed) changes.durable();\n      group',
        replace: '      group',
      },
    ],
  },
  {
    name: 'dropped-batch',
    invariant: 'I3',
    bug: 'a receiver skips a batch and advances its vector all the same',
    edits: [
      {
        file: 'sync/ingest.ts',
        find: '  if (!applyRecords(database, registry, batch, documents))',
        replace: '  if (batch.firstSeq % 5 !== 3 && !applyRecords(database, registry, batch, documents))',
      },
    ],
  },
  {
    name: 'reused-epoch',
    invariant: 'I2',
    bug: 'a node keeps its origin and client id after its disk was set back',
    edits: [
      {
        file: 'sync/identity.ts',
        find: 'const origin = drawOrigin(random, owners);',
        replace: 'const origin = 2 ** 33 + Number.parseInt(nodeId.slice(0, 8), 16);',
      },
    ],
  },
  {
    name: 'forgotten-dependencies',
    invariant: 'I6',
    bug: 'a batch does not say what it builds on',
    edits: [
      {
        file: 'sync/log.ts',
        find: 'const deps = firstSeq === 1 ? this.#beginning() : [...this.#deps];',
        replace: "const deps: BatchHeader['deps'] = [];",
      },
    ],
  },
  {
    name: 'rewritten-batch',
    invariant: 'I4',
    bug: 'a node forwards other bytes than it received',
    edits: [
      {
        file: 'sync/log.ts',
        find: '    this.#batches.push({ origin: header.origin, firstSeq: header.firstSeq, lastSeq: lastSeqOf(header), bytes });',
        replace:
          '    const altered = bytes.slice();\n    if (header.firstSeq % 7 === 3) altered[altered.length - 1]! ^= 1;\n' +
          '    this.#batches.push({ origin: header.origin, firstSeq: header.firstSeq, lastSeq: lastSeqOf(header), bytes: altered });',
      },
    ],
  },
  {
    name: 'choosy-receiver',
    invariant: 'I5',
    bug: 'a node refuses what others admitted',
    edits: [
      {
        file: 'sync/ingest.ts',
        find: '  if (!applyRecords(database, registry, batch, documents))',
        replace:
          "  if (batch.records.some((record) => record.kind === 'update' && record.update.length > 900))\n" +
          "    throw new SyncError('SYNC_BATCH_MALFORMED', 'too long for this node');\n" +
          '  if (!applyRecords(database, registry, batch, documents))',
      },
    ],
  },
  {
    name: 'unindexed-cut',
    invariant: 'I7',
    bug: 'the log is cut and nobody notes which documents it changed',
    edits: [{ file: 'sync/log-cutter.ts', find: '      ...entries,\n', replace: '' }],
  },
  {
    name: 'hasty-collector',
    invariant: 'I8',
    bug: 'a tombstone is forgotten although one member has not seen the delete',
    edits: [
      {
        file: 'sync/stability.ts',
        find: '[...words.values()].map((word)',
        replace: '[...words.values()].slice(1).map((word)',
      },
    ],
  },
  {
    name: 'lost-late',
    invariant: 'I9',
    bug: 'what comes late to a compacted document, beside something that was collected, is not given a place',
    test: 'test/property/compaction.prop.test.ts',
    edits: [
      {
        file: 'crdt/late-place.ts',
        find: 'if (!decodeUpdate(update).structs.some((struct) => isUnplaced(doc, markers, struct))) return update;',
        replace: 'if (isUnplaced !== null) return update;',
      },
    ],
  },
  {
    name: 'forgetful-compaction',
    invariant: 'I8',
    bug: 'who hears of a compaction lets go of what he holds beyond it',
    test: 'test/unit/sync/compactor.test.ts',
    edits: [
      {
        file: 'crdt/document.ts',
        find: '    applyTo(doc, placeLate(doc, late));',
        replace: '    void late;',
      },
    ],
  },
  {
    name: 'hasty-fold',
    invariant: 'I9',
    bug: 'an origin is listed no more although nobody who began later has seen all of it',
    edits: [
      {
        file: 'sync/lineage.ts',
        find: 'if (entry === undefined || entry.seq > seq) continue;',
        replace: 'if (entry === undefined) continue;',
      },
    ],
  },
  {
    name: 'unsummed-write',
    invariant: 'I9',
    bug: 'a write is left out of the digest',
    edits: [
      {
        file: 'sync/document-table.ts',
        find: '    this.sums.replace(documentKey, before, counted);',
        replace: '    if (slot.vector.size !== 2)\n' + '      this.sums.replace(documentKey, before, counted);',
      },
    ],
  },
  {
    name: 'boundless-window',
    invariant: 'I10',
    bug: 'a sender ignores the window of a slow peer',
    test: 'test/unit/sync/link.test.ts',
    edits: [
      {
        file: 'sync/link/flow.ts',
        find: '    return used === 0 || used + weight <= this.#windowBytes;',
        replace: '    return used + weight <= this.#windowBytes * 1000;',
      },
    ],
  },
  {
    name: 'early-credit',
    invariant: 'I11',
    bug: 'credit goes back before what it stands for is durable',
    test: 'test/unit/sync/link.test.ts',
    edits: [
      {
        file: 'sync/link/flow.ts',
        find: 'open: number): FlowToken {',
        replace: 'open: number): FlowToken {\n    open = 0;',
      },
    ],
  },
  {
    name: 'open-gate',
    invariant: 'I12',
    bug: 'a removed node is let in, because it knows the secret',
    test: 'test/unit/sync/membership.test.ts',
    edits: [
      {
        file: 'sync/link/peers.ts',
        find: '    if (this.#dependencies.isRemoved?.(nodeId) === true) return link.close(CLOSE_CODES.FENCED, REMOVED);\n',
        replace: '',
      },
    ],
  },
  {
    name: 'unsynced-commit',
    invariant: 'I13',
    bug: 'a commit does not wait for the disk',
    edits: [{ file: 'sync/group-commit.ts', find: '{ sync: true }', replace: '{ sync: false }' }],
  },
  {
    name: 'impatient-session',
    invariant: 'SE1',
    bug: 'a node answers a session although it has seen less',
    edits: [
      {
        file: 'sync/sessions.ts',
        find: '    return this.#wait({ seen, missing, missingSystem }, waitMs);\n',
        replace: '    return null;\n',
      },
    ],
  },
  {
    name: 'forgetful-key',
    invariant: 'SE7',
    bug: 'a keyed write that two nodes did counts twice',
    edits: [
      {
        file: 'sync/operation.ts',
        find: '  for (const { origin: client, results } of repetitionsOf(operation)) {\n',
        replace: '  for (const { origin: client, results } of repetitionsOf(operation).slice(0, 0)) {\n',
      },
    ],
  },
  {
    name: 'stale-portion',
    invariant: 'QU8',
    bug: 'an index keeps what its build read of documents that changed meanwhile',
    test: 'test/unit/sync/query/index-life.test.ts',
    edits: [
      {
        file: 'sync/query/index-set.ts',
        find: '      if (changed.size > 0 && changed.has(decoder.decode(id))) continue;\n',
        replace: '',
      },
    ],
  },
  {
    name: 'deaf-to-digests',
    invariant: 'I9',
    bug: 'replicas whose digests differ under one vector stay different',
    test: 'test/simulation/repair.sim.test.ts',
    edits: [
      {
        file: 'sync/link/reconciler.ts',
        find: '    const isEqual = isSame(ours.digest, theirs.digest);\n',
        replace: '    const isEqual = isSame(ours.vector, theirs.vector);\n',
      },
    ],
  },
  {
    name: 'trusting-scrub',
    invariant: 'I9',
    bug: 'documents that are gone from a disk are missed by nobody',
    test: 'test/simulation/repair.sim.test.ts',
    edits: [
      {
        file: 'sync/healing.ts',
        find: '    if (isEqual) return this.#correctStats(database, before, stats);\n',
        replace: '    return this.#correctStats(database, before, stats);\n',
      },
    ],
  },
  {
    name: 'one-sided-content',
    invariant: 'I9',
    bug: 'two contents under one version are kept for ever',
    test: 'test/simulation/repair.sim.test.ts',
    edits: [
      {
        file: 'sync/healing.ts',
        find: "      if (order < 0) this.quarantine(database, name, 'content', peer);\n",
        replace: "      if (order > 300) this.quarantine(database, name, 'content', peer);\n",
      },
    ],
  },
  {
    name: 'forgetful-outbox',
    invariant: 'LF20',
    bug: 'a leaf drops its changes when it has sent them, acknowledged or not',
    test: 'test/simulation/leaf/leaf.sim.test.ts',
    edits: [
      {
        file: 'sync/leaf/leaf-push.ts',
        find: '    const { outcomes } = await push({\n',
        replace: '    for (const edit of edits) core.outbox.remove(edit);\n    const { outcomes } = await push({\n',
      },
    ],
  },
  {
    name: 'trusting-return',
    invariant: 'LF20',
    bug: 'a leaf that returns keeps what was deleted and forgotten meanwhile',
    test: 'test/simulation/leaf/leaf.sim.test.ts',
    edits: [
      {
        file: 'sync/leaf/leaf-intake.ts',
        find: "      else this.#core.leave(document, 'deleted');\n    }\n  }\n}\n",
        replace: '    }\n  }\n}\n',
      },
    ],
  },
];

/** The files after the edits of a mutant, by path. Throws when an edit does not apply: the code it broke has changed. */
export function mutate({ edits }: Mutant, read: (file: string) => string): Map<string, string> {
  const files = new Map<string, string>();
  for (const { file, find, replace } of edits) {
    const parts = (files.get(file) ?? read(file)).split(find);
    if (parts.length !== 2)
      throw new Error(`the edit does not apply: ${JSON.stringify(find)} occurs ${parts.length - 1} times in ${file}`);
    files.set(file, parts.join(replace));
  }
  return files;
}

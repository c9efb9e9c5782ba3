/**
 * @module
 * Owns the schemas of what a node tells about its cluster and its integrity.
 */
import { Type, type TSchema } from 'typebox';
import type {
  AlarmAnswer,
  CheckAnswer,
  DoctorAnswer,
  FeedsAnswer,
  LeafAnswer,
  MemberAnswer,
  MemberList,
} from '../api/index.ts';
import { of } from './route-doc.ts';

const strict = { additionalProperties: false } as const;
const moment = Type.String({ format: 'date-time' });
const orNull = <S extends TSchema>(schema: S) => Type.Union([schema, Type.Null()]);
const count = Type.Integer({ minimum: 0 });
const lag = Type.Object({ entries: count, bytes: Type.Number(), seconds: Type.Number() }, strict);

/** Complete, as the compiler sees to. */
const CHECKS: Readonly<Record<CheckAnswer['check'], true>> = {
  storage: true,
  digest: true,
  documents: true,
  indexes: true,
  peers: true,
  scrub: true,
  tombstones: true,
  epochs: true,
};
const ALARMS: Readonly<Record<AlarmAnswer['kind'], true>> = {
  difference: true,
  digest: true,
  content: true,
  damage: true,
  log: true,
  loss: true,
  index: true,
};
const oneOf = <K extends string>(names: Readonly<Record<K, true>>) =>
  Type.Unsafe<K>({ type: 'string', enum: Object.keys(names) });

const alarm = Type.Object(
  {
    at: moment,
    kind: oneOf(ALARMS),
    database: Type.String(),
    peer: orNull(Type.String()),
    documents: count,
    repaired: count,
    examples: Type.Array(Type.String()),
  },
  strict,
);

const member = Type.Object(
  {
    node: Type.String(),
    name: Type.String(),
    url: orNull(Type.String()),
    state: Type.Union([
      Type.Literal('joining'),
      Type.Literal('live'),
      Type.Literal('draining'),
      Type.Literal('stale'),
      Type.Literal('removed'),
    ]),
    databases: orNull(Type.Array(Type.String())),
    self: Type.Boolean(),
    linked: Type.Boolean(),
    lag: orNull(lag),
    lastSeen: orNull(Type.Number()),
  },
  strict,
);

const feeds = Type.Object({ open: count, bufferedBytes: count }, strict);

const leaf = Type.Object(
  {
    leaf: Type.String(),
    token: Type.String(),
    subscriptions: count,
    unacknowledgedBytes: count,
    editsTaken: count,
    since: moment,
  },
  strict,
);

const link = Type.Object({
  node: orNull(Type.String()),
  name: orNull(Type.String()),
  url: orNull(Type.String()),
  direction: Type.String(),
  state: Type.String(),
  lag,
  lastError: orNull(Type.String()),
});

const database = Type.Object({
  name: Type.String(),
  documents: count,
  bytes: count,
  digest: Type.String(),
  vector: Type.Record(Type.String(), Type.Integer()),
  logBytes: count,
  merging: Type.Boolean(),
  epochs: Type.Object({ listed: count, folded: count }),
  compaction: Type.Object({ grown: count, compacted: count, savedBytes: count }, strict),
  horizon: Type.Object({ entries: count, blockers: Type.Array(Type.Object({ node: Type.String() })) }),
});

export const CLUSTER_SCHEMAS: Readonly<Record<string, TSchema>> = {
  MemberList: of<MemberList>()(Type.Object({ members: Type.Array(member) }, strict)),
  Member: of<MemberAnswer>()(member),
  Feeds: of<FeedsAnswer>()(feeds),
  Leaf: of<LeafAnswer>()(leaf),
  Cluster: Type.Object(
    {
      node: Type.String(),
      name: Type.String(),
      url: orNull(Type.String()),
      origin: Type.Integer(),
      members: Type.Array(member),
      databases: Type.Array(database),
      links: Type.Array(link),
      dials: Type.Array(Type.Object({ url: Type.String(), state: Type.String() })),
      incidents: Type.Array(Type.Object({ kind: Type.String(), message: Type.String() })),
      alarms: Type.Array(alarm),
      quarantined: count,
      failure: orNull(Type.String()),
      insecure: Type.Boolean(),
    },
    { description: 'The cluster as the answering node sees it.' },
  ),
  Doctor: of<DoctorAnswer>()(
    Type.Object(
      {
        node: Type.String(),
        name: Type.String(),
        at: moment,
        healthy: Type.Boolean(),
        checks: Type.Array(
          Type.Object({
            check: oneOf(CHECKS),
            database: orNull(Type.String()),
            ok: Type.Boolean(),
            detail: Type.String(),
          }),
        ),
        quarantined: Type.Array(
          Type.Object({
            database: Type.String(),
            collection: Type.String(),
            id: Type.String(),
            since: Type.String(),
            reason: Type.Union([Type.Literal('damage'), Type.Literal('content')]),
            peer: orNull(Type.String()),
          }),
        ),
        alarms: Type.Array(alarm),
        alarmsTotal: count,
        scrub: Type.Object({
          documentsPerSecond: Type.Number(),
          running: Type.Boolean(),
          checked: count,
          database: orNull(Type.String()),
          lastError: orNull(Type.String()),
          passes: Type.Record(Type.String(), Type.String()),
        }),
      },
      { description: 'What must hold on a node and whether it does.' },
    ),
  ),
};

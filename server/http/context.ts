/**
 * @module
 * Owns what every route needs from its node, in one value, so that routes know neither how a node is opened nor configured.
 */
import type { Limits as DocumentLimits } from '../../crdt/index.ts';
import type { Clock, LeafHost, Random, Replica } from '../../sync/index.ts';
import type { Limits } from '../api/index.ts';
import type { AccessWatch } from './access-watch.ts';
import type { AccessControl } from './auth.ts';
import type { FeedRegistry } from './feed-registry.ts';
import type { Health } from './health.ts';
import type { Observability } from './observability.ts';
import type { OriginPolicy } from './origin.ts';
import type { Overload } from './overload.ts';

export interface HttpContext {
  readonly replica: Replica;
  readonly limits: Limits;
  /** The part of the limits that the document layer checks. */
  readonly documentLimits: DocumentLimits;
  readonly health: Health;
  readonly feeds: FeedRegistry;
  readonly leaves: LeafHost;
  readonly clock: Clock;
  readonly random: Random;
  readonly access: AccessControl;
  readonly watch: AccessWatch;
  readonly origins: OriginPolicy;
  readonly overload: Overload;
  readonly observability: Observability;
  /** Serve clients of other machines although there is no token. */
  readonly insecure: boolean;
}

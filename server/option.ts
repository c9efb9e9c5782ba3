/**
 * @module
 * Owns the table of a node's options: the one place from which flags, environment variables, file keys, defaults, help and
 * documentation are derived. README.md "Configuration".
 */
import type { ListenAddress } from './listen-address.ts';
import { LOG_LEVELS, type LogLevel } from './log.ts';

/** What a node needs to start. Absent members have the default of their option. */
export interface NodeOptions {
  readonly data: string;
  readonly listen: ListenAddress;
  readonly name?: string;
  readonly advertise?: string;
  readonly join: readonly string[];
  readonly joinToken?: string;
  readonly clusterSecretFile?: string;
  readonly adminTokenFile?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsCa?: string;
  readonly mutualTls: boolean;
  readonly insecure: boolean;
  readonly allowOrigin: readonly string[];
  readonly allowHost: readonly string[];
  readonly cacheBytes: number;
  readonly logBytesMax: number;
  readonly bodyBytes: number;
  readonly documentBytes: number;
  readonly depth: number;
  readonly connections: number;
  readonly requestMs: number;
  readonly slowMs: number;
  readonly inflight: number;
  readonly lagMs: number;
  readonly requestsPerSecond: number;
  readonly drainMs: number;
  readonly scrubPerSecond: number;
  readonly staleHours: number;
  readonly compactSeconds: number;
  readonly log: LogLevel;
}

export type OptionName = keyof NodeOptions;
export type OptionKind = 'text' | 'switch' | 'integer' | 'listen' | 'url' | 'urls' | 'origins' | 'hosts' | 'log-level';

export interface OptionDefinition {
  readonly name: OptionName;
  /** Key in the file, and the flag without its dashes. */
  readonly key: string;
  readonly kind: OptionKind;
  /** As it would be written; absent = none. */
  readonly default?: string;
  readonly unit?: string;
  readonly min?: number;
  readonly max?: number;
  /** Shown in help as `--key PLACEHOLDER`. */
  readonly placeholder?: string;
  readonly description: string;
}

export const OPTIONS: readonly OptionDefinition[] = [
  {
    name: 'data',
    key: 'data',
    kind: 'text',
    placeholder: 'DIR',
    description: 'Directory of this node; created if missing. Required.',
  },
  {
    name: 'listen',
    key: 'listen',
    kind: 'listen',
    default: '127.0.0.1:7400',
    placeholder: 'HOST:PORT',
    description: 'Address for HTTP and websockets; port 0 picks a free one.',
  },
  {
    name: 'name',
    key: 'name',
    kind: 'text',
    placeholder: 'NAME',
    description: 'Name shown to people. Default: from the node id.',
  },
  {
    name: 'advertise',
    key: 'advertise',
    kind: 'url',
    placeholder: 'URL',
    description: 'The only address other nodes are told. Without it, nobody dials this node.',
  },
  {
    name: 'join',
    key: 'join',
    kind: 'urls',
    placeholder: 'URL',
    description: 'A member to keep a link to; may be repeated.',
  },
  {
    name: 'joinToken',
    key: 'join-token',
    kind: 'text',
    placeholder: 'TOKEN',
    description:
      'Admits this node at its first start, without the secret: see atoll cluster token. Ignored afterwards.',
  },
  {
    name: 'clusterSecretFile',
    key: 'cluster-secret-file',
    kind: 'text',
    placeholder: 'FILE',
    description: 'File with the secret all members share, at least 16 bytes.',
  },
  {
    name: 'adminTokenFile',
    key: 'admin-token-file',
    kind: 'text',
    placeholder: 'FILE',
    description: 'File with the token every client has to send. Without it, only clients of this machine are served.',
  },
  {
    name: 'tlsCert',
    key: 'tls-cert',
    kind: 'text',
    placeholder: 'FILE',
    description: 'Certificate chain, PEM. Needs --tls-key.',
  },
  {
    name: 'tlsKey',
    key: 'tls-key',
    kind: 'text',
    placeholder: 'FILE',
    description: 'Private key, PEM. Needs --tls-cert.',
  },
  {
    name: 'tlsCa',
    key: 'tls-ca',
    kind: 'text',
    placeholder: 'FILE',
    description: 'Certificates, PEM, that vouch for members, instead of those the system trusts.',
  },
  {
    name: 'mutualTls',
    key: 'mutual-tls',
    kind: 'switch',
    default: 'false',
    description: 'Members must show a certificate that --tls-ca vouches for, besides knowing the secret.',
  },
  {
    name: 'insecure',
    key: 'insecure',
    kind: 'switch',
    default: 'false',
    description: 'Allow an address beyond this machine without tokens or TLS. Shows in the status of the cluster.',
  },
  {
    name: 'allowOrigin',
    key: 'allow-origin',
    kind: 'origins',
    placeholder: 'ORIGIN',
    description: 'Pages of this origin may use the node from a browser, e.g. https://app.example; may be repeated.',
  },
  {
    name: 'allowHost',
    key: 'allow-host',
    kind: 'hosts',
    placeholder: 'NAME',
    description: 'A host name by which clients reach a node that has no tokens, e.g. through a proxy; may be repeated.',
  },
  {
    name: 'cacheBytes',
    key: 'cache-bytes',
    kind: 'integer',
    default: '33554432',
    unit: 'bytes',
    min: 1_048_576,
    placeholder: 'N',
    description: 'Documents, again their JSON, and half as much of indexes, kept in memory per database.',
  },
  {
    name: 'logBytesMax',
    key: 'log-bytes-max',
    kind: 'integer',
    default: '1073741824',
    unit: 'bytes',
    min: 1_048_576,
    placeholder: 'N',
    description: 'History kept per database for members that are away. Who was away for longer gets documents.',
  },
  {
    name: 'bodyBytes',
    key: 'body-bytes',
    kind: 'integer',
    default: '1048576',
    unit: 'bytes',
    min: 1024,
    max: 67_108_864,
    placeholder: 'N',
    description: 'Largest request body; bulk requests have no bound.',
  },
  {
    name: 'documentBytes',
    key: 'document-bytes',
    kind: 'integer',
    default: '1048576',
    unit: 'bytes',
    min: 1024,
    max: 16_777_216,
    placeholder: 'N',
    description: 'Largest document, as canonical JSON.',
  },
  {
    name: 'depth',
    key: 'depth',
    kind: 'integer',
    default: '64',
    min: 1,
    max: 512,
    placeholder: 'N',
    description: 'Deepest nesting of a document.',
  },
  {
    name: 'connections',
    key: 'connections',
    kind: 'integer',
    default: '10000',
    min: 1,
    max: 1_000_000,
    placeholder: 'N',
    description: 'Open connections; more are closed at once.',
  },
  {
    name: 'requestsPerSecond',
    key: 'requests-per-second',
    kind: 'integer',
    default: '0',
    min: 0,
    max: 1_000_000,
    placeholder: 'N',
    description: 'Requests that each token may send, unless it has a rate of its own; 0 for any number.',
  },
  {
    name: 'inflight',
    key: 'inflight',
    kind: 'integer',
    default: '4096',
    min: 1,
    max: 1_000_000,
    placeholder: 'N',
    description: 'Requests served at a time; more are answered 503 at once. Feeds do not count.',
  },
  {
    name: 'lagMs',
    key: 'lag-ms',
    kind: 'integer',
    default: '1000',
    unit: 'milliseconds',
    min: 50,
    max: 60_000,
    placeholder: 'N',
    description: 'While the node is so late, requests are answered 503 at once.',
  },
  {
    name: 'slowMs',
    key: 'slow-ms',
    kind: 'integer',
    default: '1000',
    unit: 'milliseconds',
    min: 0,
    max: 3_600_000,
    placeholder: 'N',
    description: 'Requests that take longer are logged; 0 for none.',
  },
  {
    name: 'requestMs',
    key: 'request-ms',
    kind: 'integer',
    default: '30000',
    unit: 'milliseconds',
    min: 100,
    max: 3_600_000,
    placeholder: 'N',
    description: 'Time in which the head of a request, and its body, must arrive.',
  },
  {
    name: 'drainMs',
    key: 'drain-ms',
    kind: 'integer',
    default: '0',
    unit: 'milliseconds',
    min: 0,
    max: 600_000,
    placeholder: 'N',
    description: 'At shutdown, keep serving this long after readiness fails, so that load balancers notice.',
  },
  {
    name: 'compactSeconds',
    key: 'compact-after',
    kind: 'integer',
    default: '600',
    unit: 'seconds',
    min: 1,
    max: 31_536_000,
    placeholder: 'N',
    description: 'A document that nobody writes for so long leaves its history behind, if that is most of it.',
  },
  {
    name: 'staleHours',
    key: 'stale-hours',
    kind: 'integer',
    default: '168',
    unit: 'hours',
    min: 1,
    max: 87_600,
    placeholder: 'N',
    description: 'A member that nobody has seen for so long is not waited for any more.',
  },
  {
    name: 'scrubPerSecond',
    key: 'scrub-per-second',
    kind: 'integer',
    default: '20',
    unit: 'documents',
    min: 0,
    max: 100_000,
    placeholder: 'N',
    description: 'Stored documents read and checked per second in the background; 0 for none.',
  },
  {
    name: 'log',
    key: 'log',
    kind: 'log-level',
    default: 'info',
    placeholder: 'LEVEL',
    description: `One of ${LOG_LEVELS.join(', ')}.`,
  },
];

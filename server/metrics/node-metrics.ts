/**
 * @module
 * Owns what a node tells Prometheus: one registry, read when it is scraped, so that between scrapes it costs the counters of requests
 * and nothing else. Labels are names of peers, databases and routes; documents never appear. SPEC.md OB1, OB2.
 */
import { statfs } from 'node:fs/promises';
import { Counter, Gauge, Registry, type LabelValues } from 'prom-client';
import {
  describeCloseCode,
  measureReplica,
  type PeersEvent,
  type Replica,
  type ReplicaMeasures,
  type ReplicaStatus,
  watchArrivals,
} from '../../sync/index.ts';
import type { Health } from '../http/health.ts';
import type { StoreStatistics } from '../storage/store-statistics.ts';
import { systemClock } from '../system-ports.ts';
import { ATOLL_VERSION } from '../version.ts';
import { addEngineMetrics } from './engine-metrics.ts';
import type { EventLoop } from './event-loop.ts';
import { formatLabels, header, Histogram } from './histogram.ts';
import type { RequestMetrics } from './request-metrics.ts';

export interface NodeMetricsParts {
  readonly replica: Replica;
  readonly health: Health;
  readonly loop: EventLoop;
  readonly requests: RequestMetrics;
  /** Time of synchronous writes, which every acknowledgement waits for. */
  readonly syncs: Histogram;
  /** Open sockets. */
  readonly connections: () => number;
  /** Leaves that are connected. */
  readonly leaves: () => number;
  /** Of which free space is told; null = none. */
  readonly directory: string | null;
  readonly statistics: () => StoreStatistics | null;
}

/** Codes of links that were closed because of what the peer sent. */
const REJECTIONS: ReadonlySet<string> = new Set([
  'FRAME_MALFORMED',
  'FRAME_TOO_LARGE',
  'MESSAGE_UNEXPECTED',
  'BATCH_REFUSED',
  'CHAIN_FORKED',
]);

/** What a scrape looks at, gathered once. */
export interface Scrape {
  readonly status: ReplicaStatus;
  readonly measures: ReplicaMeasures;
  /** Null when the store does not say, or is closed. */
  readonly store: StoreStatistics | null;
  readonly free: number | null;
}

export class NodeMetrics {
  readonly #parts: NodeMetricsParts;
  readonly #registry = new Registry();
  readonly #gauges: ((scrape: Scrape) => void)[] = [];
  readonly #arrivals = new Histogram();
  readonly #rejected = new Map<string, number>();
  readonly #startedMs = Date.now();

  constructor(parts: NodeMetricsParts) {
    this.#parts = parts;
    watchArrivals(parts.replica, systemClock, (seconds) => this.#arrivals.observe(seconds));
    this.#addProcess();
    this.#addPeers();
    this.#addStorage();
    addEngineMetrics((...metric) => this.#add(...metric));
  }

  /** Counts links that were closed because of what came over them. */
  handlePeerEvent(event: PeersEvent): void {
    if (event.type !== 'closed') return;
    const reason = describeCloseCode(event.code);
    if (REJECTIONS.has(reason)) this.#rejected.set(reason, (this.#rejected.get(reason) ?? 0) + 1);
  }

  /** Everything, in the text format of Prometheus. */
  async expose(): Promise<string> {
    const { replica, directory, requests, statistics } = this.#parts;
    const free = directory === null ? null : await freeBytes(directory);
    const scrape = { status: replica.status(), measures: measureReplica(replica), store: statistics(), free };
    for (const gauge of this.#gauges) gauge(scrape);
    const gauges = await this.#registry.metrics();
    return `${gauges}\n${requests.expose()}${this.#exposeOwn()}`;
  }

  #exposeOwn(): string {
    const syncs = 'atoll_wal_sync_seconds';
    const arrivals = 'atoll_convergence_seconds';
    const rejected = 'atoll_decode_rejected_total';
    return [
      ...header(syncs, 'histogram', 'Time of a write to disk with fsync.'),
      ...this.#parts.syncs.lines(syncs, {}),
      ...header(arrivals, 'histogram', 'Time from a commit on another node until it is durable here, by their clocks.'),
      ...this.#arrivals.lines(arrivals, {}),
      ...header(rejected, 'counter', 'Links closed because of what the peer sent, by reason.'),
      ...[...this.#rejected].map(([reason, count]) => `${rejected}{${formatLabels({ reason })}} ${count}`),
      '',
    ].join('\n');
  }

  #addProcess(): void {
    const { health, replica, loop, connections, leaves } = this.#parts;
    this.#add('atoll_build_info', 'What runs here; always 1.', ['version', 'node', 'name'], (gauge) => {
      gauge.set({ version: ATOLL_VERSION, node: process.version, name: replica.name }, 1);
    });
    this.#add('atoll_ready', 'Whether this node takes requests.', [], (gauge) => {
      const isFailed = (health.failure ?? replica.failure ?? replica.removal) !== null;
      gauge.set(isFailed || health.isDraining ? 0 : 1);
    });
    this.#add(
      'atoll_event_loop_lag_seconds',
      'How late the event loop was since the last scrape.',
      ['quantile'],
      (gauge) => {
        const { p50, p99, max } = loop.takeDelay();
        gauge.set({ quantile: '0.5' }, p50);
        gauge.set({ quantile: '0.99' }, p99);
        gauge.set({ quantile: '1' }, max);
      },
    );
    this.#add('atoll_http_requests_in_flight', 'Requests being served.', [], (gauge) => gauge.set(health.inflight));
    this.#add('atoll_http_connections', 'Open connections, websockets included.', [], (gauge) =>
      gauge.set(connections()),
    );
    this.#add('atoll_leaf_connections', 'Leaves that are connected.', [], (gauge) => gauge.set(leaves()));
    this.#add('atoll_process_memory_bytes', 'Memory of the process, by kind.', ['kind'], (gauge) => {
      const { rss, heapUsed, heapTotal, external, arrayBuffers } = process.memoryUsage();
      const kinds = {
        resident: rss,
        heap_used: heapUsed,
        heap_total: heapTotal,
        external,
        array_buffers: arrayBuffers,
      };
      for (const [kind, bytes] of Object.entries(kinds)) gauge.set({ kind }, bytes);
    });
    this.#add('atoll_process_cpu_seconds_total', 'Processor time used.', ['mode'], (gauge) => {
      const { user, system } = process.cpuUsage();
      gauge.set({ mode: 'user' }, user / 1e6);
      gauge.set({ mode: 'system' }, system / 1e6);
    });
    this.#add('atoll_process_start_time_seconds', 'When this node was opened, since the Unix epoch.', [], (gauge) => {
      gauge.set(this.#startedMs / 1000);
    });
  }

  #addPeers(): void {
    const perPeer = (name: string, help: string, value: (member: ReplicaStatus['members'][number]) => number): void =>
      this.#add(name, help, ['peer', 'name'], (gauge, { status }) => {
        for (const member of status.members) {
          if (!member.self && member.state !== 'removed')
            gauge.set({ peer: member.node, name: member.name }, value(member));
        }
      });
    perPeer('atoll_peer_connected', 'Whether a link to the member lives.', ({ linked }) => (linked ? 1 : 0));
    perPeer('atoll_peer_lag_ops', 'Changes that the member is not known to hold.', ({ lag }) => lag?.entries ?? 0);
    perPeer('atoll_peer_lag_bytes', 'Their size, about.', ({ lag }) => lag?.bytes ?? 0);
    perPeer('atoll_peer_lag_seconds', 'Age of the oldest of them.', ({ lag }) => lag?.seconds ?? 0);
    this.#add('atoll_link_held_bytes', 'Memory held because of a peer.', ['peer'], (gauge, { status }) => {
      for (const { node, heldBytes } of status.links) if (node !== null) gauge.set({ peer: node }, heldBytes);
    });
    this.#add(
      'atoll_link_bytes_total',
      'Bytes of the living link to a peer.',
      ['peer', 'direction'],
      (gauge, { status }) => {
        for (const { node, sentBytes, receivedBytes } of status.links) {
          if (node === null) continue;
          gauge.set({ peer: node, direction: 'sent' }, sentBytes);
          gauge.set({ peer: node, direction: 'received' }, receivedBytes);
        }
      },
    );
    this.#add('atoll_peer_round_trip_seconds', 'Round trip to a peer.', ['peer'], (gauge, { status }) => {
      for (const { node, roundTripMs } of status.links) {
        if (node !== null && roundTripMs !== null) gauge.set({ peer: node }, roundTripMs / 1000);
      }
    });
    this.#add('atoll_peer_clock_skew_seconds', 'Clock of a peer minus ours.', ['peer'], (gauge, { status }) => {
      for (const { node, clockSkewMs } of status.links) {
        if (node !== null && clockSkewMs !== null) gauge.set({ peer: node }, clockSkewMs / 1000);
      }
    });
  }

  #addStorage(): void {
    const perDatabase = (
      name: string,
      help: string,
      value: (database: ReplicaStatus['databases'][number]) => number,
    ): void =>
      this.#add(name, help, ['database'], (gauge, { status }) => {
        for (const database of status.databases) gauge.set({ database: database.name }, value(database));
      });
    perDatabase('atoll_database_documents', 'Documents.', ({ documents }) => documents);
    perDatabase('atoll_database_bytes', 'Bytes of the JSON of all documents.', ({ bytes }) => bytes);
    perDatabase('atoll_log_bytes', 'Bytes of history kept for peers.', ({ logBytes }) => logBytes);
    perDatabase(
      'atoll_horizon_ops',
      'Changes that some member is not known to hold.',
      ({ horizon }) => horizon.entries,
    );
    perDatabase(
      'atoll_grown_documents',
      'Documents that are much larger than what they show.',
      ({ compaction }) => compaction.grown,
    );
    perDatabase(
      'atoll_compactions_total',
      'Documents that this node let leave their history behind since its start.',
      ({ compaction }) => compaction.compacted,
    );
    perDatabase(
      'atoll_compaction_saved_bytes_total',
      'Bytes by which they shrank.',
      ({ compaction }) => compaction.savedBytes,
    );
    this.#add(
      'atoll_divergent_documents',
      'Documents found to differ between replicas and not put right.',
      [],
      (gauge, { status }) => {
        const differing = status.alarms.filter(({ kind }) => kind === 'difference' || kind === 'content');
        gauge.set(differing.reduce((sum, { documents, repaired }) => sum + Math.max(0, documents - repaired), 0));
      },
    );
    this.#add(
      'atoll_quarantined_documents',
      'Documents out of use because they cannot be read.',
      [],
      (gauge, { status }) => gauge.set(status.quarantined),
    );
    this.#add('atoll_alarms_total', 'Alarms about stored documents since the start.', [], (gauge) =>
      gauge.set(this.#parts.replica.doctor().alarmsTotal),
    );
    this.#add('atoll_storage_free_bytes', 'Free space where the documents are.', [], (gauge, { free }) => {
      if (free !== null) gauge.set(free);
    });
  }

  /** What only grows is a counter, by its name; its value is known from elsewhere, too. */
  #add<L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    collect: (value: Settable<L>, scrape: Scrape) => void,
  ): void {
    const definition = { name, help, labelNames: [...labelNames], registers: [this.#registry] };
    const metric = name.endsWith('_total') ? new Counter<L>(definition) : new Gauge<L>(definition);
    const value = { set: (labels: LabelValues<L> | number, amount?: number) => setValue(metric, labels, amount) };
    this.#gauges.push((scrape) => {
      // A peer or database that is gone has no value any more.
      metric.reset();
      collect(value, scrape);
    });
  }
}

/** Registers a metric, which is filled at each scrape. */
export type AddMetric = <L extends string>(
  name: string,
  help: string,
  labelNames: readonly L[],
  collect: (value: Settable<L>, scrape: Scrape) => void,
) => void;

export interface Settable<L extends string> {
  set(labels: LabelValues<L> | number, value?: number): void;
}

function setValue<L extends string>(
  metric: Counter<L> | Gauge<L>,
  labels: LabelValues<L> | number,
  value: number | undefined,
): void {
  if (typeof labels === 'number') metric.inc(labels);
  else metric.inc(labels, value ?? 0);
}

async function freeBytes(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}

/**
 * @module
 * Owns closed-loop load: a fixed number of connections, each sending its next request when its last one is answered.
 */
import { HttpConnection, type RawAnswer } from './http-connection.ts';
import { NodeConnection } from './node-connection.ts';
import { percentile } from './statistic.ts';

export type LoadClient = 'cheap' | 'ordinary';

interface Connection {
  request(bytes: Buffer): Promise<RawAnswer>;
  close(): void;
}

export interface LoadOptions {
  readonly server: { readonly port: number; cpuSeconds(): number };
  readonly connections: number;
  /** What sends the requests. Default `cheap`: as little as possible is taken from the server. */
  readonly client?: LoadClient;
  readonly durationMs: number;
  /** Makes the bytes of the next request of a connection, whose last answer it is told. */
  readonly next: (last: RawAnswer | null) => Buffer;
}

export interface LoadResult {
  readonly requests: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Processor time of the server, all threads. Says the truth even when other programs take the processor. */
  readonly cpuMicrosecondsEach: number;
}

/** @throws Error at the first answer that is not 2xx: a rate that contains errors is no rate. */
export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  const { server, connections, client: kind = 'cheap', durationMs, next } = options;
  const open = (): Promise<Connection> =>
    kind === 'cheap' ? HttpConnection.open(server.port) : NodeConnection.open(server.port);
  const clients = await Promise.all(Array.from({ length: connections }, open));
  const latencies: number[] = [];
  const startCpuSeconds = server.cpuSeconds();
  const startMs = performance.now();
  const deadlineMs = startMs + durationMs;
  const drive = async (client: Connection): Promise<void> => {
    let last: RawAnswer | null = null;
    for (let sentMs = performance.now(); sentMs < deadlineMs;) {
      last = await client.request(next(last));
      const { status, head, body } = last;
      if (status < 200 || status > 299) throw new Error(`unexpected answer:\n${head}\n${body.toString()}`);
      const nowMs = performance.now();
      latencies.push(nowMs - sentMs);
      sentMs = nowMs;
    }
  };
  try {
    await Promise.all(clients.map(drive));
  } finally {
    for (const client of clients) client.close();
  }
  const seconds = (performance.now() - startMs) / 1000;
  latencies.sort((a, b) => a - b);
  return {
    requests: latencies.length,
    perSecond: latencies.length / seconds,
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
    cpuMicrosecondsEach: ((server.cpuSeconds() - startCpuSeconds) * 1e6) / latencies.length,
  };
}

/**
 * @module
 * Owns the ports of nodes in tests. They lie below the range from which systems take ports by themselves, so that nobody has a node's port when
 * it starts again, and every worker has some of its own, so that files can run at one time.
 */
import { createServer } from 'node:net';

const FIRST = 20_000;
const PORTS_PER_WORKER = 100;
const SHARES = 120;

// Workers of one run differ in their last digit; other runs on this machine nearly always in the rest.
const worker = Number(process.env['VITEST_POOL_ID'] ?? 0);
const first = FIRST + ((process.pid * 2 + (worker % 2)) % SHARES) * PORTS_PER_WORKER;
let used = 0;

/** Consecutive ports that nobody listens on, and that this worker gave to nobody else before it ran through its share. */
export async function freePorts(count: number): Promise<readonly number[]> {
  for (let tries = 0; tries < PORTS_PER_WORKER; tries++) {
    if (used + count > PORTS_PER_WORKER) used = 0;
    const ports = Array.from({ length: count }, (_, index) => first + used + index);
    used += count;
    const free = await Promise.all(ports.map(isFree));
    if (free.every(Boolean)) return ports;
  }
  throw new Error(`no ${count} free ports from ${first} on`);
}

export async function freePort(): Promise<number> {
  const [port] = await freePorts(1);
  return port as number;
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

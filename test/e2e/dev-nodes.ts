/**
 * @module
 * Owns three real nodes whose links can be cut and which can be killed, and plain requests to them.
 */
import { freePorts } from '../helper/port.ts';
import { type Leftovers, type LineProcess, eventually } from './cli-process.ts';

export interface DevNodes {
  readonly process: LineProcess;
  readonly urls: readonly string[];
  /** `cut n1 n2`, `heal n1 n2`, `kill n1`, `start n1`, `pause n1`, `resume n1` */
  command(line: string): Promise<void>;
  /** Resolves when every node knows the database. */
  ready(): Promise<void>;
}

export async function startDevNodes(leftovers: Leftovers): Promise<DevNodes> {
  const [port] = await freePorts(3);
  const process = leftovers.spawn(['dev', '--json', '--port', String(port), '--nodes', '3']);
  const { nodes } = await process.next<{ readonly nodes: readonly { readonly url: string }[] }>();
  const urls = nodes.map(({ url }) => url);
  return {
    process,
    urls,
    command: async (line) => void (await process.ask(line)),
    ready: async () => {
      for (const url of urls) await eventually(async () => (await request(url, 'GET', '/v1/app')).status === 200);
    },
  };
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

/** JSON in and out; a body goes as `application/json` unless the headers say otherwise. */
export async function request(
  url: string,
  method: string,
  path: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const answer = await fetch(`${url}${path}`, {
    method,
    headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, body: text === '' ? null : JSON.parse(text) };
}

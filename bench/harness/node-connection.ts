/**
 * @module
 * Owns an ordinary HTTP client: Node's own, with one keep-alive connection. It costs the machine about what the clients of
 * applications and the usual load generators do, and takes the same ready-made requests as the cheap one.
 */
import { Agent, request as sendRequest } from 'node:http';
import type { RawAnswer } from './http-connection.ts';

export class NodeConnection {
  readonly #port: number;
  readonly #agent: Agent = new Agent({ keepAlive: true, maxSockets: 1 });

  private constructor(port: number) {
    this.#port = port;
  }

  static open(port: number): Promise<NodeConnection> {
    return Promise.resolve(new NodeConnection(port));
  }

  request(bytes: Buffer): Promise<RawAnswer> {
    const headBytes = bytes.indexOf('\r\n\r\n');
    const [line = '', ...fields] = bytes.toString('latin1', 0, headBytes).split('\r\n');
    const [method = '', path = ''] = line.split(' ');
    const headers = Object.fromEntries(fields.map((field) => field.split(': ', 2) as [string, string]));
    return new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port: this.#port, agent: this.#agent, method, path, headers };
      const request = sendRequest(options, (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('error', reject);
        answer.on('end', () => {
          const status = answer.statusCode ?? 0;
          const token = answer.headers['session-token'];
          const head = `${status} ${answer.statusMessage}\r\nsession-token: ${String(token ?? '')}\r\n`;
          resolve({ status, head, body: Buffer.concat(chunks) });
        });
      });
      request.on('error', reject);
      request.end(bytes.subarray(headBytes + 4));
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

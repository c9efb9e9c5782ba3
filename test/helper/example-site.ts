/**
 * @module
 * Owns serving a page of `cli/examples` as a developer's tools would: its script bundled, the rest as it is.
 */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { build } from 'esbuild';

export interface ExampleSite {
  readonly origin: string;
  close(): void;
}

export const EXAMPLES: string = new URL('../../cli/examples', import.meta.url).pathname;

export async function serveExample(name: string): Promise<ExampleSite> {
  const html = await readFile(join(EXAMPLES, name, 'index.html'));
  const script = `${name}.js`;
  const { outputFiles } = await build({
    entryPoints: [join(EXAMPLES, name, script)],
    bundle: true,
    format: 'esm',
    platform: 'browser',
    write: false,
  });
  const server = createServer((request, response) => {
    const isScript = request.url === `/${script}`;
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html; charset=utf-8');
    response.end(isScript ? outputFiles[0]!.text : html);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { origin: `http://127.0.0.1:${port}`, close: () => server.close() };
}

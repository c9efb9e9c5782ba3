/**
 * @module
 * Owns serving a page whose script is bundled as a developer's tools would.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { build, type BuildOptions } from 'esbuild';

export interface PageSite {
  readonly origin: string;
  close(): void;
}

/**
 * @param input - What is bundled.
 * @param path - Where the page finds it, e.g. `/page.js`. Everything else is the page.
 */
export async function servePage(
  input: Pick<BuildOptions, 'entryPoints' | 'stdin'>,
  path: string,
  html: string | Uint8Array,
): Promise<PageSite> {
  const { outputFiles } = await build({ ...input, bundle: true, format: 'esm', platform: 'browser', write: false });
  const server = createServer((request, response) => {
    const isScript = request.url === path;
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html; charset=utf-8');
    response.end(isScript ? outputFiles[0]!.text : html);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { origin: `http://127.0.0.1:${port}`, close: () => server.close() };
}

/** A page that is nothing but a script. */
export function serveScript(contents: string): Promise<PageSite> {
  const html = '<script type="module" src="/page.js"></script>';
  return servePage({ stdin: { contents, resolveDir: process.cwd() } }, '/page.js', html);
}

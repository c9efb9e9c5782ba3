/**
 * @module
 * Owns serving a page of `cli/examples`: its script bundled, the rest as it is.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { servePage, type PageSite } from './page-site.ts';

export const EXAMPLES: string = new URL('../../cli/examples', import.meta.url).pathname;

export async function serveExample(name: string): Promise<PageSite> {
  const html = await readFile(join(EXAMPLES, name, 'index.html'));
  const script = `${name}.js`;
  return servePage({ entryPoints: [join(EXAMPLES, name, script)] }, `/${script}`, html);
}

/**
 * @module
 * Owns letting every answer that an end-to-end test gets by `fetch` be checked against the description of the API. Loaded before the
 * tests of that project.
 */
import { ApiCheck } from './api-check.ts';
import { openTestApp } from './http-app.ts';

const plainFetch = globalThis.fetch;
let check: Promise<ApiCheck> | null = null;

async function makeCheck(): Promise<ApiCheck> {
  const { app, close } = await openTestApp();
  const made = new ApiCheck(app);
  await close();
  return made;
}

globalThis.fetch = async (input, init) => {
  const response = await plainFetch(input, init);
  const contentType = response.headers.get('content-type') ?? '';
  // Every answer of a node bears an id; streams are not held back to be looked at.
  const isWhole = contentType === '' || /^application\/(?:problem\+)?json\b/.test(contentType);
  if (response.headers.get('x-request-id') === null || !isWhole) return response;
  const { pathname, search } = new URL(response.url);
  const method = init?.method ?? (input instanceof Request ? input.method : 'GET');
  check ??= makeCheck();
  const fault = (await check).faultOf({
    method: method.toUpperCase(),
    url: pathname + search,
    status: response.status,
    contentType,
    body: await response.clone().text(),
  });
  if (fault !== null) throw new Error(`the description of the API does not hold: ${fault}`);
  return response;
};

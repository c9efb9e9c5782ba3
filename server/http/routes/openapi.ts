/**
 * @module
 * Owns the routes that describe all others. They hold no secret and are open: a page cannot send a token. SPEC.md OA1, OA2.
 */
import type { FastifyInstance } from 'fastify';
import { describeApi } from '../../openapi/description.ts';
import { PAGE_POLICY, renderPage } from '../../openapi/page.ts';
import { registeredRoutes } from '../route-policy.ts';

export function openApiRoutes(app: FastifyInstance): void {
  let made: { readonly json: Buffer; readonly page: Buffer } | null = null;
  // Made when somebody asks: by then all routes are there.
  const make = (): { readonly json: Buffer; readonly page: Buffer } => {
    const api = describeApi(registeredRoutes(app));
    return { json: Buffer.from(JSON.stringify(api)), page: Buffer.from(renderPage(api)) };
  };

  app.get('/openapi.json', { config: { access: 'open' } }, async (_request, reply) =>
    reply.header('content-type', 'application/json; charset=utf-8').send((made ??= make()).json),
  );

  app.get('/docs', { config: { access: 'open' } }, async (_request, reply) =>
    reply
      .header('content-type', 'text/html; charset=utf-8')
      .header('content-security-policy', PAGE_POLICY)
      .header('x-content-type-options', 'nosniff')
      .header('referrer-policy', 'no-referrer')
      .send((made ??= make()).page),
  );
}

import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { registeredRoutes } from '../../../../server/http/route-policy.ts';
import { ROUTE_DOCS } from '../../../../server/openapi/description.ts';
import { ApiCheck } from '../../../helper/api-check.ts';
import { openTestApp, type TestApp } from '../../../helper/http-app.ts';

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app.close());

interface Described {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, unknown>> };
}
interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly parameters: readonly { readonly name: string; readonly in: string; readonly description: string }[];
  readonly requestBody?: { readonly content: object };
  readonly responses: Readonly<Record<string, { readonly description: string }>>;
}

const describedApi = async (): Promise<Described> => (await app.send('GET', '/openapi.json')).json();

describe('the description of the API', () => {
  test('[OA1] it is valid OpenAPI 3.1', async () => {
    const result = await new Validator().validate((await app.send('GET', '/openapi.json')).json());
    expect(result.errors).toBeUndefined();
    expect(result.valid).toBe(true);
    expect((await describedApi()).openapi).toBe('3.1.0');
  });

  test('[OA1] every route is described in the tables beside server/openapi/description.ts, and nothing else is', () => {
    const routes = registeredRoutes(app.app)
      .filter(({ method }) => method !== 'HEAD')
      .map(({ method, url }) => `${String(method)} ${url}`);
    const described = Object.keys(ROUTE_DOCS);
    expect({
      routesWithoutDescription: routes.filter((route) => !described.includes(route)),
      descriptionsWithoutRoute: described.filter((route) => !routes.includes(route)),
    }).toEqual({ routesWithoutDescription: [], descriptionsWithoutRoute: [] });
  });

  test('[OA1] every operation has a summary, parameters, bodies where it takes them, answers and problems', async () => {
    const { paths, components } = await describedApi();
    const ids = new Set<string>();
    let count = 0;
    for (const [path, methods] of Object.entries(paths)) {
      for (const [method, operation] of Object.entries(methods)) {
        const where = `${method} ${path}`;
        count++;
        ids.add(operation.operationId);
        expect([where, operation.summary.length > 5]).toEqual([where, true]);
        const names = operation.parameters.filter(({ in: place }) => place === 'path').map(({ name }) => `{${name}}`);
        expect([where, names]).toEqual([where, path.match(/\{[a-z]+\}/g) ?? []]);
        for (const parameter of operation.parameters) expect(parameter.description, where).not.toBe('');
        expect([where, Object.keys(operation.responses).some((status) => /^[123]/.test(status))]).toEqual([
          where,
          true,
        ]);
        expect(operation.responses['default'], where).toMatchObject({ content: { 'application/problem+json': {} } });
        if (method === 'patch') expect(Object.keys(operation.requestBody!.content)).toHaveLength(3);
      }
    }
    expect(ids.size).toBe(count);
    const text = JSON.stringify(paths);
    const named = [...text.matchAll(/#\/components\/schemas\/(\w+)/g)].map(([, name]) => name!);
    for (const name of named) expect(Object.keys(components.schemas)).toContain(name);
  });

  test('[OA2] the page needs nothing from elsewhere and runs no script', async () => {
    const answer = await app.send('GET', '/docs');
    expect([answer.statusCode, answer.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    expect(answer.headers['content-security-policy']).toMatch(/^default-src 'none'; style-src 'sha256-[\w+/=]+'; /);
    expect(answer.body).not.toMatch(/<script|<link|<img|<iframe|https?:\/\/|javascript:| on\w+=/i);
    for (const path of Object.keys((await describedApi()).paths)) expect(answer.body).toContain(`>${path}<`);
    expect(answer.body).not.toMatch(/\bundefined\b|\[object/);
  });
});

describe('checking answers', () => {
  const check = (): ApiCheck => new ApiCheck(app.app);
  const json = 'application/json; charset=utf-8';

  test('[OA3] an answer as described passes, and each way of parting from the description is found', () => {
    const good = {
      method: 'GET',
      url: '/v1?x=1',
      status: 200,
      contentType: json,
      body: '{"databases":[{"name":"a"}]}',
    };
    const problem = { ...good, status: 404, contentType: 'application/problem+json', body: '{"type":"urn:x"}' };
    const checker = check();
    expect(checker.faultOf(good)).toBeNull();
    expect(checker.faultOf({ ...good, body: '{"databases":[{"name":1}]}' })).toContain('must be string');
    expect(checker.faultOf({ ...good, body: '{"databases":[],"more":1}' })).toContain('additional');
    expect(checker.faultOf({ ...good, body: '' })).toContain('JSON');
    expect(checker.faultOf({ ...good, status: 299 })).toContain('not described');
    expect(checker.faultOf({ ...good, contentType: 'text/plain' })).toContain('text/plain');
    expect(checker.faultOf({ ...good, url: '/v2' })).toContain('path is not described');
    expect(checker.faultOf({ ...good, method: 'PATCH' })).toContain('method is not described');
    expect(checker.faultOf(problem)).toContain('title');
    expect(checker.faultOf({ ...problem, contentType: json })).toContain('not as a problem');
    expect(
      checker.faultOf({ ...good, method: 'DELETE', url: '/v1/app', status: 204, contentType: '', body: '' }),
    ).toBeNull();
  });
});

/**
 * @module
 * Owns checking answers of nodes against the description of the API: the status must be described, the body must be as described,
 * and every error must be a problem. Tests of HTTP do it with every answer they get. SPEC.md OA3.
 */
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import type { FastifyInstance } from 'fastify';
import type { JsonObject } from '../../crdt/index.ts';
import { describeApi } from '../../server/openapi/description.ts';
import { registeredRoutes } from '../../server/http/route-policy.ts';

export interface GivenAnswer {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

interface Operation {
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, unknown>> }>>;
}

export class ApiCheck {
  readonly api: JsonObject;
  readonly #ajv = new Ajv2020({ strict: false });
  readonly #validators = new Map<string, ValidateFunction>();
  readonly #paths: readonly { readonly template: string; readonly segments: readonly string[] }[];

  constructor(app: FastifyInstance) {
    this.api = describeApi(registeredRoutes(app));
    (formats as unknown as (ajv: Ajv2020) => void)(this.#ajv);
    this.#ajv.addSchema(this.api, 'api');
    this.#paths = Object.keys(this.api['paths'] as object)
      .map((template) => ({ template, segments: template.split('/') }))
      // As the router does, fixed segments go before parameters.
      .sort((a, b) => a.template.split('{').length - b.template.split('{').length);
  }

  /** What is wrong with an answer; null = nothing. */
  faultOf({ method, url, status, contentType, body }: GivenAnswer): string | null {
    const where = `${method} ${url} answered ${status}`;
    const type = contentType.split(';', 1)[0]!.trim();
    if (status >= 400) {
      if (type !== 'application/problem+json') return `${where} as ${type}, not as a problem`;
      if (method === 'HEAD') return null;
      const fault = this.#faultOfJson('api#/components/schemas/Problem', body);
      return fault === null ? null : `${where} with a problem that is not of its form: ${fault}`;
    }
    const path = this.#templateOf(url);
    if (path === null) return `${where}, but the path is not described`;
    const operation = this.#operation(path, method === 'HEAD' ? 'get' : method.toLowerCase());
    if (operation === undefined) return method === 'OPTIONS' ? null : `${where}, but the method is not described`;
    const answer = operation.responses[status];
    if (answer === undefined) return `${where}, which is not described`;
    if (method === 'HEAD') return null;
    if (answer.content === undefined) return body === '' ? null : `${where} with a body that is not described`;
    if (!(type in answer.content)) return `${where} as ${type || 'nothing'}, which is not described`;
    if (type !== 'application/json') return null;
    const steps = ['paths', path, method.toLowerCase(), 'responses', String(status), 'content', type, 'schema'];
    const pointer = steps.map((step) => encodeURIComponent(step.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/');
    const fault = this.#faultOfJson(`api#/${pointer}`, body);
    return fault === null ? null : `${where} with a body that is not as described: ${fault}`;
  }

  #operation(path: string, method: string): Operation | undefined {
    return (this.api['paths'] as unknown as Record<string, Record<string, Operation>>)[path]?.[method];
  }

  #templateOf(url: string): string | null {
    const segments = url.split(/[?#]/, 1)[0]!.split('/');
    const found = this.#paths.find(
      (path) =>
        path.segments.length === segments.length &&
        path.segments.every((part, index) => part.startsWith('{') || part === segments[index]),
    );
    return found?.template ?? null;
  }

  #faultOfJson(schema: string, body: string): string | null {
    let validate = this.#validators.get(schema);
    if (validate === undefined) {
      validate = this.#ajv.compile({ $ref: schema });
      this.#validators.set(schema, validate);
    }
    let value: unknown;
    try {
      value = JSON.parse(body);
    } catch (error) {
      return `${(error as Error).message} in ${body.slice(0, 100)}`;
    }
    return validate(value) ? null : `${this.#ajv.errorsText(validate.errors)} in ${body.slice(0, 300)}`;
  }
}

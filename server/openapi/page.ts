/**
 * @module
 * Owns the page `/docs`: the description of the API for people. It is made here, once, so it needs no script; its style is part of
 * it, and nothing is loaded from elsewhere. SPEC.md OA2.
 */
import { createHash } from 'node:crypto';
import type { JsonObject, JsonValue } from '../../crdt/index.ts';

const STYLE = `
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code, pre, .path { font-family: ui-monospace, monospace; font-size: 0.9em; }
details { border: 1px solid #8884; border-radius: 6px; margin: 0.5rem 0; }
summary { cursor: pointer; padding: 0.5rem 0.8rem; }
details > div { padding: 0 0.8rem 0.8rem; overflow-x: auto; }
.method { display: inline-block; min-width: 4.5em; font-weight: 600; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: 0.2rem 0.8rem 0.2rem 0; border-top: 1px solid #8884; }
h3 { margin: 0.8rem 0 0.2rem; font-size: 1em; }
`;

/** For the header Content-Security-Policy: this style, and nothing else of any kind. */
export const PAGE_POLICY: string =
  `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; ` +
  `base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

export function renderPage(api: JsonObject): string {
  const { title, version, description } = api['info'] as Record<string, string>;
  const operations = Object.entries(api['paths'] as Record<string, Record<string, JsonObject>>).flatMap(
    ([path, methods]) => Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  const tags = [...new Set(operations.map(({ operation }) => tagOf(operation)))];
  const sections = tags.map((tag) => {
    const own = operations.filter(({ operation }) => tagOf(operation) === tag);
    return `<h2>${escape(tag)}</h2>${own.map(({ path, method, operation }) => renderOperation(path, method, operation)).join('')}`;
  });
  const { schemas } = api['components'] as { schemas: Record<string, JsonValue> };
  return [
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${escape(title!)} API</title>`,
    `<meta name="viewport" content="width=device-width, initial-scale=1"><style>${STYLE}</style></head><body>`,
    `<h1>${escape(title!)} ${escape(version!)}</h1><p>${escape(description!)}</p>`,
    '<p>The same for programs: <a href="/openapi.json">/openapi.json</a> (OpenAPI 3.1).</p>',
    ...sections,
    '<h2>Schemas</h2>',
    ...Object.entries(schemas).map(
      ([name, schema]) =>
        `<details id="${escape(name)}"><summary><code>${escape(name)}</code></summary><div>${renderJson(schema)}</div></details>`,
    ),
    '</body></html>',
  ].join('\n');
}

function tagOf(operation: JsonObject): string {
  return (operation['tags'] as readonly string[])[0]!;
}

function renderOperation(path: string, method: string, operation: JsonObject): string {
  const { summary, description, parameters, requestBody, responses } = operation as {
    summary: string;
    description: string;
    parameters: { name: string; in: string; description: string }[];
    requestBody?: { content: Record<string, { schema: JsonValue }> };
    responses: Record<string, { description: string; content?: Record<string, { schema: JsonValue }> }>;
  };
  const body = requestBody === undefined ? '' : `<h3>Body</h3>${renderContent(requestBody.content)}`;
  const taken = parameters.map(({ name, in: place, description: text }) => [code(name), escape(place), markdown(text)]);
  const given = Object.entries(responses).map(([status, answer]) => [
    code(status),
    markdown(answer.description),
    status.startsWith('2') && answer.content !== undefined ? renderContent(answer.content) : '',
  ]);
  return (
    `<details><summary><span class="method">${method.toUpperCase()}</span> <span class="path">${escape(path)}</span>` +
    ` &ndash; ${escape(summary)}</summary><div><p>${markdown(description)}</p>` +
    `${taken.length === 0 ? '' : `<h3>Parameters</h3>${table(taken)}`}${body}<h3>Answers</h3>${table(given)}</div></details>`
  );
}

function renderContent(content: Record<string, { schema: JsonValue }>): string {
  return Object.entries(content)
    .map(([type, { schema }]) => `<p>${code(type)}</p>${renderJson(schema)}`)
    .join('');
}

function renderJson(schema: JsonValue): string {
  const text = escape(JSON.stringify(schema, null, 2));
  // The only links are those to schemas on this page.
  return `<pre>${text.replaceAll(/#\/components\/schemas\/(\w+)/g, '<a href="#$1">$1</a>')}</pre>`;
}

function table(rows: readonly (readonly string[])[]): string {
  return `<table>${rows.map((row) => `<tr>${row.map((cell) => `<td>${cell}</td>`).join('')}</tr>`).join('')}</table>`;
}

function code(text: string): string {
  return `<code>${escape(text)}</code>`;
}

/** Of Markdown, what the descriptions use. */
function markdown(text: string): string {
  return escape(text).replaceAll(/`([^`]+)`/g, '<code>$1</code>');
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

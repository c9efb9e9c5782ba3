/**
 * @module
 * Owns the proof that the fences between folders stand: the linter, run on a small tree with one trespass per line, reports each
 * of them and none of the allowed lines beside them.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

/** file → [line of code, rule that must report it, or null when it is allowed]. */
const tree: Record<string, [code: string, rule: string | null][]> = {
  'crdt/trespass.ts': [
    ["import 'yjs';", null],
    ["import 'lib0/decoding';", null],
    ["import './errors.ts';", null],
    ["import 'node:fs';", 'no-restricted-imports'],
    ["import '../sync/index.ts';", 'no-restricted-imports'],
    ["import '@noble/hashes/sha2.js';", 'no-restricted-imports'],
    ["export const lazy = () => import('ws');", 'no-restricted-imports'],
    ['export const now = () => Date.now();', 'no-restricted-properties'],
    ['export const random = () => Math.random();', 'no-restricted-properties'],
    ['export const uuid = () => crypto.randomUUID();', 'no-restricted-properties'],
    ['export const later = () => setTimeout(() => {}, 1);', 'no-restricted-globals'],
    ['export const often = () => setInterval(() => {}, 1);', 'no-restricted-globals'],
    ["export const say = () => console.log('');", 'no-console'],
    ['export default function () {}', 'no-default-export'],
  ],
  'sync/trespass.ts': [
    ["import '../crdt/index.ts';", null],
    ["import './link/link.ts';", null],
    ["import '@noble/hashes/sha2.js';", null],
    ["import '../crdt/document.ts';", 'no-restricted-imports'],
    ["import '../server/index.ts';", 'no-restricted-imports'],
    ["import 'ws';", 'no-restricted-imports'],
    ["import 'yjs';", 'no-restricted-imports'],
    ["import 'node:crypto';", 'no-restricted-imports'],
    ['export const now = () => Date.now();', 'no-restricted-properties'],
  ],
  'sync/link/trespass.ts': [
    ["import '../../crdt/index.ts';", null],
    ["import '../port.ts';", null],
    ["import '../../crdt/document.ts';", 'no-restricted-imports'],
    ["import '../../server/index.ts';", 'no-restricted-imports'],
    ["import 'ws';", 'no-restricted-imports'],
  ],
  'sync/transport/websocket.ts': [
    ["import 'ws';", null],
    ['export const later = () => setTimeout(() => {}, 1);', null],
    ["import 'node:net';", 'no-restricted-imports'],
  ],
  'server/http/trespass.ts': [
    ["import '../../sync/index.ts';", null],
    ["import 'fastify';", null],
    ["import '../../sync/replica.ts';", 'no-restricted-imports'],
    ["import '../../crdt/document.ts';", 'no-restricted-imports'],
    ["import '../../cli/client.ts';", 'no-restricted-imports'],
    ["import 'yjs';", 'no-restricted-imports'],
  ],
  'cli/command/trespass.ts': [
    ["import type {} from '../../server/api/index.ts';", null],
    ["import '../../crdt/errors.ts';", null],
    ["import { x } from '../../server/api/index.ts'; export { x };", 'no-restricted-imports'],
    ["import '../../server/index.ts';", 'no-restricted-imports'],
    ["import '../../sync/index.ts';", 'no-restricted-imports'],
  ],
  'cli/command/start.ts': [
    ["export const load = () => import('../../server/index.ts');", null],
    ["export const store = () => import('../../server/storage/rocksdb-store.ts');", 'no-restricted-imports'],
  ],
  'bench/suite/trespass.ts': [
    ["import '../../sync/index.ts';", null],
    ["import '../../sync/replica.ts';", 'no-restricted-imports'],
    ["import '../../server/storage/rocksdb-store.ts';", 'no-restricted-imports'],
  ],
  'sync/ring-a.ts': [["export * from './ring-b.ts';", 'no-cycle']],
  'sync/ring-b.ts': [["export * from './ring-a.ts';", 'no-cycle']],
  'server/careless.ts': [
    ['async function write(): Promise<void> {}', null],
    ['export function forget(): void { write(); }', 'no-floating-promises'],
    [
      "export function name(kind: 'a' | 'b'): string { switch (kind) { case 'a': return 'x'; } return ''; }",
      'switch-exhaustiveness-check',
    ],
    ["import { forget as Kind } from './careless-type.ts'; export type K = typeof Kind;", 'consistent-type-imports'],
    ['export const loose = (value: any): unknown => value;', 'no-explicit-any'],
  ],
  'server/careless-type.ts': [['export function forget(): void {}', null]],
  'server/long.ts': [[Array.from({ length: 501 }, (_, n) => `export const line${n} = ${n};`).join('\n'), 'max-lines']],
  'server/long-function.ts': [
    [`export function long(): void {\n${'  void 0;\n'.repeat(71)}}`, 'max-lines-per-function'],
  ],
  'test/unit/relaxed.test.ts': [
    ["import '../../sync/replica.ts';", null],
    [`export function long(): void {\n${'  void 0;\n'.repeat(71)}}`, null],
  ],
};

interface Finding {
  readonly code?: string;
  readonly filename: string;
  readonly labels: readonly { readonly span: { readonly line: number } }[];
}

let root: string;
let findings: readonly Finding[];

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'atoll-fence-'));
  for (const [file, lines] of Object.entries(tree)) {
    mkdirSync(join(root, dirname(file)), { recursive: true });
    writeFileSync(join(root, file), lines.map(([code]) => `${code}\n`).join(''));
  }
  const config = JSON.parse(readFileSync('.oxlintrc.json', 'utf8')) as Record<string, unknown>;
  writeFileSync(join(root, '.oxlintrc.json'), JSON.stringify({ ...config, $schema: undefined }));
  copyFileSync('tsconfig.json', join(root, 'tsconfig.json'));
  symlinkSync(resolve('node_modules'), join(root, 'node_modules'));
  const oxlint = resolve('node_modules/.bin/oxlint');
  const { stdout } = spawnSync(oxlint, ['--format', 'json'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  findings = (JSON.parse(stdout) as { diagnostics: readonly Finding[] }).diagnostics;
});

afterAll(() => rmSync(root, { recursive: true, force: true }));

for (const [file, lines] of Object.entries(tree)) {
  test(`the linter reports the trespasses in ${file} and nothing else`, () => {
    const reported = findings.filter(({ filename }) => filename.endsWith(file));
    const ruleOf = ({ code }: Finding): string => /\(([\w-]+)\)/.exec(code ?? '')?.[1] ?? 'unknown';
    let line = 1;
    for (const [code, rule] of lines) {
      const height = code.split('\n').length;
      const rules = reported
        .filter(({ labels }) => labels.some(({ span }) => span.line >= line && span.line < line + height))
        .map(ruleOf);
      expect(new Set(rules), code.slice(0, 100)).toEqual(new Set(rule === null ? [] : [rule]));
      line += height;
    }
  });
}

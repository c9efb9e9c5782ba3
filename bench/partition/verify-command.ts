/**
 * @module
 * Owns running `atoll verify` as an operator would.
 */
import { execFile } from 'node:child_process';
import type { NodeProcess } from '../harness/node-process.ts';
import { ATOLL_PROGRAM } from '../harness/project.ts';
import { DATABASE } from './plan.ts';

export interface VerifyResult {
  readonly exitCode: number;
  readonly equal: boolean;
  /** One per node, in order. */
  readonly nodes: readonly { readonly node: string; readonly digest: string; readonly documents: number }[];
}

interface VerifyAnswer {
  readonly equal: boolean;
  readonly nodes: readonly { readonly name: string }[];
  readonly databases: readonly {
    readonly database: string;
    readonly nodes: readonly ({ readonly digest: string; readonly documents: number } | null)[];
  }[];
}

export async function runVerify(nodes: readonly NodeProcess[]): Promise<VerifyResult> {
  const args = [ATOLL_PROGRAM, 'verify', '--json', ...nodes.flatMap(({ url }) => ['--url', url])];
  const { exitCode, stdout } = await new Promise<{ exitCode: number; stdout: string }>((resolve) => {
    const child = execFile(process.execPath, args, (error, output) =>
      resolve({ exitCode: child.exitCode ?? (error ? 1 : 0), stdout: output }),
    );
  });
  const answer = JSON.parse(stdout) as VerifyAnswer;
  const found = answer.databases.find(({ database }) => database === DATABASE);
  return {
    exitCode,
    equal: answer.equal,
    nodes: nodes.map(({ name }, at) => ({
      node: name,
      digest: found?.nodes[at]?.digest ?? 'none',
      documents: found?.nodes[at]?.documents ?? 0,
    })),
  };
}

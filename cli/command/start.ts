/**
 * @module
 * Owns `atoll start`: one node in this process, from its configuration to its drained end. The only command that loads the
 * server. SPEC.md CL4.
 */
import type { OptionDefinition } from '../../server/index.ts';
import type { CommandContext } from '../context.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { StopRequest } from '../stop-request.ts';

/** A failed storage must not keep the process from ending. */
const CLOSE_AFTER_FAILURE_MS_MAX = 5_000;

export interface StartOptions {
  /** By option key, e.g. `tls-cert`. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly config?: string | undefined;
  /** Stop when the process that started this one ends. */
  readonly exitWithParent: boolean;
}

export type { OptionDefinition };

/** The server's table of options: flags, environment, file and help are all made from it. */
export async function loadStartOptions(): Promise<readonly OptionDefinition[]> {
  return (await import('../../server/index.ts')).OPTIONS;
}

export async function startNode(
  context: CommandContext,
  { flags, config, exitWithParent }: StartOptions,
): Promise<ExitCode> {
  const { openNode, resolveConfig } = await import('../../server/index.ts');
  const options = resolveConfig({ flags, env: context.io.env, ...(config === undefined ? {} : { file: config }) });
  // From here on a signal drains; one that comes while the node opens is honoured once it is open.
  const stop = new StopRequest(() => process.exit(EXIT.error));
  if (exitWithParent) {
    if (process.connected) process.once('disconnect', stop.request);
    else stop.request();
  }
  try {
    const node = await openNode(options);
    if (node.firstToken !== null) {
      context.output.raw(
        `This cluster has no token yet. Here is its first one, for everything. It is shown only now:\n\n  ${node.firstToken}\n`,
      );
    }
    await context.output.write(`${JSON.stringify({ ready: true, url: node.url, node: node.node })}\n`);
    const failure = await Promise.race([stop.requested.then(() => null), node.failed]);
    if (failure === null) {
      await node.close();
      return EXIT.ok;
    }
    context.output.failure(failure);
    setTimeout(() => process.exit(EXIT.error), CLOSE_AFTER_FAILURE_MS_MAX).unref();
    await node.close().catch(() => undefined);
    return EXIT.error;
  } finally {
    stop.dispose();
    // An open channel to the parent would keep this process alive.
    if (process.connected) process.disconnect();
  }
}

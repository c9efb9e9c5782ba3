/**
 * @module
 * Owns `atoll context`: names for clusters, with their addresses and tokens. SPEC.md CL24.
 */
import { AtollClient } from '../client.ts';
import type { CommandContext } from '../context.ts';
import { CliError } from '../exit-code.ts';
import {
  contextsPath,
  findContext,
  isExposed,
  readContexts,
  requireContextName,
  writeContexts,
  type SavedContext,
} from '../saved-contexts.ts';

export async function saveContext(context: CommandContext, name: string): Promise<void> {
  const { env } = context.io;
  requireContextName(name);
  const { urls, token } = context.given;
  if (urls.length === 0)
    throw new CliError('CLI_USAGE', `say which nodes ${name} stands for: atoll context save ${name} --url URL`);
  // Addresses are checked before they are kept.
  const { endpoints } = new AtollClient({ endpoints: urls });
  const saved = readContexts(env);
  const value: SavedContext = { urls: endpoints, ...(token !== null && { token }) };
  const current = saved.current ?? name;
  writeContexts(env, { current, contexts: { ...saved.contexts, [name]: value } });
  await context.output.result(shown(name, value, current), () => `${name} saved`);
  if (current === name) context.output.message(`commands go to ${name} unless told otherwise`);
  else context.output.message(`use it with: atoll context use ${name}    or once: --context ${name}`);
}

export async function listContexts(context: CommandContext): Promise<void> {
  const { env } = context.io;
  const { current, contexts } = readContexts(env);
  if (isExposed(env)) context.output.warning(`other users can read ${contextsPath(env)}: run chmod 600 on it`);
  const items = Object.entries(contexts)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => shown(name, value, current));
  await context.output.result(items, () => {
    if (items.length === 0)
      context.output.message('no contexts yet; make one with: atoll context save prod --url https://db1:7400');
    const rows = items.map(({ name, urls, hasToken, isCurrent }) => [
      isCurrent ? '*' : '',
      name,
      urls.join(', '),
      hasToken ? 'yes' : 'no',
    ]);
    return context.output.table({ columns: ['', 'NAME', 'NODES', 'TOKEN'], rows });
  });
}

export async function showContext(context: CommandContext, name: string | undefined): Promise<void> {
  const saved = readContexts(context.io.env);
  const wanted = name ?? saved.current;
  if (wanted === null)
    throw new CliError('CLI_USAGE', 'no context is in use; name one, or choose one with: atoll context use NAME');
  const value = shown(wanted, findContext(saved, wanted), saved.current);
  await context.output.result(value, () =>
    [
      `name   ${value.name}${value.isCurrent ? ' (in use)' : ''}`,
      ...value.urls.map((url) => `node   ${url}`),
      `token  ${value.hasToken ? 'saved, not shown' : 'none'}`,
    ].join('\n'),
  );
}

export async function selectContext(context: CommandContext, name: string): Promise<void> {
  const { env } = context.io;
  const saved = readContexts(env);
  const value = findContext(saved, name);
  writeContexts(env, { ...saved, current: name });
  await context.output.result(shown(name, value, name), () => `commands go to ${name} now`);
}

export async function removeContext(context: CommandContext, name: string): Promise<void> {
  const { env } = context.io;
  const saved = readContexts(env);
  const { [name]: removed, ...contexts } = saved.contexts;
  findContext(saved, name);
  await context.confirm(`forget the context ${name}${removed?.token === undefined ? '' : ' with its token'}`, name);
  writeContexts(env, { current: saved.current === name ? null : saved.current, contexts });
  await context.output.result({ name, removed: true }, () => `${name} removed`);
}

/** Tokens are never shown. */
function shown(
  name: string,
  { urls, token }: SavedContext,
  current: string | null,
): { name: string; urls: readonly string[]; hasToken: boolean; isCurrent: boolean } {
  return { name, urls, hasToken: token !== undefined, isCurrent: name === current };
}

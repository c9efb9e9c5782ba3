/**
 * @module
 * Owns `atoll token`: who may do what, as tokens that are made and revoked while nodes run. SPEC.md CL27.
 */
import type { AccessRoleName, AccessTokenAnswer } from '../client.ts';
import type { CommandContext } from '../context.ts';

export interface TokenOptions {
  readonly role: AccessRoleName;
  readonly db?: readonly string[];
  readonly name?: string;
  /** Seconds. */
  readonly expires?: number;
  /** Requests per second. */
  readonly rate?: number;
}

/** The token is data, so that it can be redirected into a file; what it may do is a message. */
export async function createToken(context: CommandContext, options: TokenOptions): Promise<void> {
  const { role, db, name, expires, rate } = options;
  const made = await context.client().tokens.create({
    role,
    ...(db !== undefined && { databases: db }),
    ...(name !== undefined && { name }),
    ...(expires !== undefined && { expiresSeconds: expires }),
    ...(rate !== undefined && { requestsPerSecond: rate }),
  });
  await context.output.result(made, () => made.token);
  const until = made.expiresAt === null ? 'until it is revoked' : `until ${made.expiresAt}`;
  context.output.message(`${role} token ${made.id} for ${scopeOf(made)}, ${until}; it is shown only now`);
}

export async function listTokens(context: CommandContext): Promise<void> {
  const tokens = await context.client().tokens.list();
  await context.output.result({ tokens }, () => {
    if (tokens.length === 0)
      context.output.message('no tokens; the first one turns access control on: atoll token create --role admin');
    const rows = tokens.map((token) => [
      token.id,
      token.role,
      scopeOf(token),
      token.state,
      token.expiresAt ?? 'never',
      token.name,
    ]);
    return context.output.table({ columns: ['ID', 'ROLE', 'DATABASES', 'STATE', 'EXPIRES', 'NAME'], rows });
  });
}

export async function revokeToken(context: CommandContext, id: string): Promise<void> {
  const client = context.client();
  const known = (await client.tokens.list()).find((token) => token.id === id);
  // One that is not known is refused by the node, which says so best.
  const who = known === undefined || known.name === '' ? '' : ` (${known.name})`;
  await context.confirm(`revoke token ${id}${who} for ever; whoever uses it is refused`, id);
  await client.tokens.revoke(id);
  await context.output.result({ id, revoked: true }, () => `${id} revoked`);
}

function scopeOf({ databases }: AccessTokenAnswer): string {
  return databases === null ? 'all databases' : databases.join(', ');
}

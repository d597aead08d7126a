/** The `bridge` and `auth` parts of a servers file: what ad-hoc calls may start, and who may call. */
import { nearest } from './nearest.ts';
import type { AUTH_KEYS, BRIDGE_KEYS } from './server-keys.ts';
import type { BridgePolicy, JwtAuth, NamedToken } from './settings.ts';
import type { Reader } from './shape.ts';
import type { Fields } from './table.ts';

export const closedBridge: BridgePolicy = { allow: [], env: [], urls: [] };

/** `allow: any` hands the machine to every caller: never in production, and never without a word. */
export function readBridge(
  fields: Fields<typeof BRIDGE_KEYS> | undefined,
  { reader, production }: { reader: Reader; production: boolean },
): BridgePolicy {
  if (fields === undefined) return closedBridge;
  const { allow = [], env = [], urls = [] } = fields.values;
  if (allow === 'any' && production) {
    reader.fault(
      fields.where('allow'),
      'bridge.allow',
      'found "any"',
      'allowed in production: a list of argument vectors',
    );
  } else if (allow === 'any') {
    reader.note('bridge.allow is any: whoever may call POST /bridge can run every program of this machine.');
  }
  return { allow, env, urls };
}

/** Named tokens and the JWT issuer. Names and tokens must be unlike each other and unlike `accessTokens`. */
export function readAuth(
  fields: Fields<typeof AUTH_KEYS> | undefined,
  {
    reader,
    servers,
    accessTokens,
  }: { reader: Reader; servers: ReadonlySet<string>; accessTokens: readonly string[] },
): { tokens: readonly NamedToken[]; jwt?: JwtAuth } {
  const names = new Set<string>();
  const secrets = new Set(accessTokens);
  const tokens: NamedToken[] = [];
  for (const [index, one] of (fields?.values.tokens ?? []).entries()) {
    const key = `auth.tokens[${index}]`;
    const { name, token, servers: only, tools, bridge = true } = one.values;
    for (const server of only ?? []) {
      if (servers.has(server)) continue;
      const meant = nearest(server, servers);
      const hint =
        meant === undefined
          ? `allowed: ${[...servers].join(', ') || 'none, since no server is named'}`
          : `did you mean "${meant}"?`;
      reader.fault(
        one.where('servers'),
        `${key}.servers`,
        `found the unknown server ${JSON.stringify(server)}`,
        hint,
      );
    }
    if (name !== undefined && names.has(name)) {
      reader.fault(
        one.where('name'),
        `${key}.name`,
        `found ${JSON.stringify(name)} twice`,
        'allowed: a name of its own',
      );
    }
    if (token !== undefined && secrets.has(token)) {
      reader.fault(
        one.where('token'),
        `${key}.token`,
        'found a token that is in use already',
        'allowed: a token of its own',
      );
    }
    if (name === undefined || token === undefined) continue;
    names.add(name);
    secrets.add(token);
    tokens.push({ name, token, ...(only && { servers: only }), tools: tools?.values ?? {}, bridge });
  }
  const { issuer, audience, jwksUri } = fields?.values.jwt?.values ?? {};
  const complete = issuer !== undefined && audience !== undefined && jwksUri !== undefined;
  return { tokens, ...(complete && { jwt: { issuer, audience, jwksUri } }) };
}

/** Whether `auth` means to let anyone in, faulty or not: what it says wrongly is reported by itself. */
export function namesAnyone({ values, has }: Fields<typeof AUTH_KEYS>): boolean {
  return has('jwt') || (has('tokens') && values.tokens?.length !== 0);
}

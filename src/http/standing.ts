/** Whether somebody who was let in before would be let in now: asked of open sessions when access has changed. */
import type { Settings } from '../config/settings.ts';

export type AccessSettings = Pick<Settings, 'accessTokens' | 'tokens' | 'jwt'>;

export const accessOf = ({ accessTokens, tokens, jwt }: Settings): unknown => [accessTokens, tokens, jwt];

/**
 * `principal` is a Principal's key. Of a JWT only the issuer is known here: its claims, and its end, are looked at
 * again with each request.
 */
export function mayStillUse(
  { accessTokens, tokens, jwt }: AccessSettings,
  principal: string,
  server: string,
): boolean {
  if (principal === 'access-token') return accessTokens.length > 0;
  if (principal.startsWith('jwt:')) return jwt !== undefined && principal.startsWith(`jwt:${jwt.issuer}|`);
  const entry = tokens.find(({ name }) => principal === `token:${name}`);
  return entry !== undefined && (entry.servers === undefined || entry.servers.includes(server));
}

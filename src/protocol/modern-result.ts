/**
 * What a legacy server answered, in the shape of MCP 2026-07-28. Members are put in front of the server's own, so
 * that its text passes as it is; only a result that has one of them already is built anew.
 *
 * MCP 2026-07-28, schema: Result, CacheableResult, DiscoverResult.
 */
import type { Chunk } from '../http/engine.ts';
import { memberSpans } from './json-text.ts';
import { type Message, payloadOf } from './message.ts';
import { inner } from './message-edit.ts';
import { SERVER_INFO_KEY } from './modern-keys.ts';
import { textOf } from './utf8.ts';
import { MODERN_VERSIONS } from './versions.ts';

/** Their results may be cached, and say for how long. */
const CACHEABLE = new Set([
  'server/discover',
  'prompts/list',
  'resources/list',
  'resources/templates/list',
  'resources/read',
  'tools/list',
]);

/** Members that the bridge adds. */
const ADDED = ['resultType', 'ttlMs', 'cacheScope', '_meta'];

/** The result object of an answer to `method`, as JSON text. */
export function modernResult(method: string, answer: Message, serverInfo: unknown): readonly Chunk[] {
  const payload = payloadOf(answer) ?? '{}';
  const text = typeof payload === 'string' ? payload : textOf(payload);
  const present = memberSpans(text, 0, ADDED);
  if (typeof present !== 'string' && present.every((span) => span === undefined)) {
    const isEmpty = /^\{\s*\}$/.test(text);
    return [`{${membersText(method, serverInfo)}${isEmpty ? '' : ','}`, text.slice(1)];
  }
  return [madeResult(method, JSON.parse(text) as Record<string, unknown>, serverInfo)];
}

/** The same from an object; of `_meta` what the server said stays. */
export function madeResult(method: string, own: Record<string, unknown>, serverInfo: unknown): string {
  const { _meta: ownMeta, ...rest } = own;
  const added = members(method, serverInfo);
  const meta = { ...(ownMeta as object | undefined), ...added._meta };
  return JSON.stringify({ ...rest, ...added, _meta: meta });
}

/** What a legacy `initialize` told, as the answer to `server/discover`. */
export function discoverResult(facts: {
  readonly capabilities: Readonly<Record<string, unknown>>;
  readonly serverInfo: unknown;
  readonly instructions?: string;
}): string {
  const { tasks: _tasks, ...capabilities } = facts.capabilities;
  const instructions = facts.instructions === undefined ? {} : { instructions: facts.instructions };
  return madeResult(
    'server/discover',
    { supportedVersions: MODERN_VERSIONS, capabilities, ...instructions },
    facts.serverInfo,
  );
}

function members(method: string, serverInfo: unknown) {
  const caching = CACHEABLE.has(method) ? { ttlMs: 0, cacheScope: 'private' } : {};
  return { resultType: 'complete', ...caching, _meta: { [SERVER_INFO_KEY]: serverInfo } };
}

/** What `members` are as text, without braces: by a server's own object, of what may be cached and of the rest. */
const texts = new WeakMap<object, Map<boolean, string>>();

function membersText(method: string, serverInfo: unknown): string {
  if (typeof serverInfo !== 'object' || serverInfo === null) return inner(members(method, serverInfo));
  const isCacheable = CACHEABLE.has(method);
  const known = texts.get(serverInfo)?.get(isCacheable);
  if (known !== undefined) return known;
  const text = inner(members(method, serverInfo));
  texts.set(serverInfo, new Map(texts.get(serverInfo)).set(isCacheable, text));
  return text;
}

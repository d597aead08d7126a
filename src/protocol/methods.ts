/**
 * What the legacy revisions say of methods: which need a session, which nobody may send to a shared child, which
 * client capability a server's question needs. MCP 2024-11-05 to 2025-11-25, schema.
 */

/** Requests that make no sense without a session: their effect is on what comes later. */
const NEEDS_SESSION = new Set(['logging/setLevel', 'resources/subscribe', 'resources/unsubscribe']);

export const needsSession = (method: string): boolean => NEEDS_SESSION.has(method);

/** They belong to the revision without sessions; asked in an earlier one they are unknown. */
const MODERN_ONLY = new Set(['server/discover', 'subscriptions/listen']);

export const isModernOnly = (method: string): boolean => MODERN_ONLY.has(method);

/** Tasks live in one child and belong to one client; a shared child offers none. */
export const needsOwnChild = (method: string): boolean => method.startsWith('tasks/');

/** The client capability that a server's request needs; undefined for those that need none. */
const CAPABILITY_OF: ReadonlyMap<string, string> = new Map([
  ['sampling/createMessage', 'sampling'],
  ['elicitation/create', 'elicitation'],
  ['roots/list', 'roots'],
]);

export const capabilityFor = (method: string): string | undefined => CAPABILITY_OF.get(method);

/** RFC 5424 severities, least severe first. MCP utilities, "Logging". */
const LOG_LEVELS = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'];

/** Higher is more severe; -1 for what is no level. */
export const severityOf = (level: unknown): number => LOG_LEVELS.indexOf(String(level));

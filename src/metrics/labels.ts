/**
 * What may become a label value. A label value that a client can choose is memory that a client can fill, so
 * everything a client names is first looked up here and is `other` when nobody knows it.
 */

/** Requests and notifications of MCP 2024-11-05 to 2026-07-28, with the tasks extension. */
const MCP_METHODS: ReadonlySet<string> = new Set([
  'completion/complete',
  'elicitation/create',
  'initialize',
  'logging/setLevel',
  'notifications/cancelled',
  'notifications/elicitation/complete',
  'notifications/initialized',
  'notifications/message',
  'notifications/progress',
  'notifications/prompts/list_changed',
  'notifications/resources/list_changed',
  'notifications/resources/updated',
  'notifications/roots/list_changed',
  'notifications/subscriptions/acknowledged',
  'notifications/tasks/status',
  'notifications/tools/list_changed',
  'ping',
  'prompts/get',
  'prompts/list',
  'resources/list',
  'resources/read',
  'resources/subscribe',
  'resources/templates/list',
  'resources/unsubscribe',
  'roots/list',
  'sampling/createMessage',
  'server/discover',
  'subscriptions/listen',
  'tasks/cancel',
  'tasks/get',
  'tasks/list',
  'tasks/result',
  'tasks/update',
  'tools/call',
  'tools/list',
]);

/** The methods of RFC 9110, section 9, and RFC 5789. */
const HTTP_METHODS: ReadonlySet<string> = new Set([
  'CONNECT',
  'DELETE',
  'GET',
  'HEAD',
  'OPTIONS',
  'PATCH',
  'POST',
  'PUT',
  'TRACE',
]);

/** The label `method` of upstream metrics. */
export const methodLabel = (method: string): string => (MCP_METHODS.has(method) ? method : 'other');

/** The label `method` of HTTP metrics. */
export const httpMethodLabel = (method: string): string => (HTTP_METHODS.has(method) ? method : 'other');

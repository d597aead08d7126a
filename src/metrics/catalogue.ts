/**
 * Every metric of the bridge, in one table: a new metric is one more line here. Where it is counted is not this
 * file's business. Names get the prefix `mcp_bridge_`; docs/metrics.md is checked against this table.
 */

const PREFIX = 'mcp_bridge_';

/** How the same series of two processes become one. */
export type Aggregator = 'sum' | 'first' | 'max';

export interface Description {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
  readonly aggregator: Aggregator;
  /** Upper bounds in seconds, ascending, without +Inf; empty unless a histogram. */
  readonly buckets: readonly number[];
}

/** From a cached answer of a fast server (some 100 microseconds) to a tool that runs for a minute. */
const REQUEST_SECONDS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
];
/** From a script that starts at once to an `npx` that downloads first. */
const START_SECONDS = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** What each worker counts; the sums over all workers are shown. */
export const WORKER_METRICS = {
  httpRequests: counter('http_requests_total', 'HTTP requests answered.', ['route', 'method', 'status']),
  httpRequestDuration: histogram(
    'http_request_duration_seconds',
    'Time from the head of a request to the end of its answer.',
    ['route'],
    REQUEST_SECONDS,
  ),
  upstreamRequests: counter('upstream_requests_total', 'Requests sent to MCP servers, by how they ended.', [
    'server',
    'method',
    'outcome',
  ]),
  upstreamRequestDuration: histogram(
    'upstream_request_duration_seconds',
    'Time an MCP server took to answer a request.',
    ['server', 'method'],
    REQUEST_SECONDS,
  ),
  upstreamQueue: histogram(
    'upstream_queue_seconds',
    'Time requests waited until a connection to their MCP server had room.',
    ['server'],
    REQUEST_SECONDS,
  ),
  upstreamChildren: gauge('upstream_children', 'Connections to MCP servers (children of stdio ones).', [
    'server',
    'state',
  ]),
  upstreamRestarts: counter(
    'upstream_restarts_total',
    'Ends of an MCP server that nobody asked for; it is started again when it is needed.',
    ['server', 'reason'],
  ),
  upstreamStart: histogram(
    'upstream_start_seconds',
    'Time from the start of an MCP server until it was initialized.',
    ['server'],
    START_SECONDS,
  ),
  upstreamMemory: gauge('upstream_memory_bytes', 'Resident memory of the children of an MCP server.', [
    'server',
  ]),
  upstreamBreaker: gauge('upstream_breaker', 'Workers whose breaker for an MCP server is in this state.', [
    'server',
    'state',
  ]),
  sessions: gauge('sessions', 'Open sessions.', ['server', 'era']),
  sessionsClosed: counter('sessions_closed_total', 'Sessions that ended, by reason.', ['server', 'reason']),
  forwarded: counter('forwarded_total', 'Requests that made the hop between two workers.', ['direction']),
  rateLimited: counter('rate_limited_total', 'Requests refused by the rate limit.', []),
  authFailures: counter('auth_failures_total', 'Requests refused for their credentials.', ['reason']),
  eventLoopLag: gauge(
    'worker_event_loop_lag_seconds',
    'The longest delay of the event loop within the last 15 to 30 seconds.',
    ['slot'],
    'max',
  ),
  buildInfo: gauge(
    'build_info',
    'Always 1; its labels say what runs (the primary has the engine "none").',
    ['version', 'node', 'engine'],
    'first',
  ),
} as const satisfies Record<string, Description>;

/** What only the primary knows. */
export const PRIMARY_METRICS = {
  workers: gauge('workers', 'Worker slots by state.', ['state']),
  workerRestarts: counter('worker_restarts_total', 'Workers started to replace one that ended, by reason.', [
    'slot',
    'reason',
  ]),
  buildInfo: WORKER_METRICS.buildInfo,
} as const satisfies Record<string, Description>;

function counter<const L extends readonly string[]>(name: string, help: string, labels: L) {
  return { name: PREFIX + name, type: 'counter', help, labels, aggregator: 'sum', buckets: [] } as const;
}

function gauge<const L extends readonly string[]>(
  name: string,
  help: string,
  labels: L,
  aggregator: Aggregator = 'sum',
) {
  return { name: PREFIX + name, type: 'gauge', help, labels, aggregator, buckets: [] } as const;
}

function histogram<const L extends readonly string[]>(
  name: string,
  help: string,
  labels: L,
  buckets: readonly number[],
) {
  return { name: PREFIX + name, type: 'histogram', help, labels, aggregator: 'sum', buckets } as const;
}

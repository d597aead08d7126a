/** What the dashboard shows: its sections, panels and queries. `generate.ts` writes mcp-bridge.json from it. */
import {
  type Dashboard,
  DashboardCursorSync,
  VariableHide,
  VariableRefresh,
  VariableSort,
} from '@grafana/schema';
import { DATASOURCE, lines, number, placed, type Section } from './panels.ts';

/** Of the chosen bridges; of the chosen servers. */
const I = 'instance=~"$instance"';
const S = `${I}, server=~"$server"`;
const RATE = '$__rate_interval';

const rate = (metric: string, by: string, labels: string): string =>
  `sum by (${by}) (rate(mcp_bridge_${metric}{${labels}}[${RATE}]))`;

const quantile = (q: number, histogram: string, by: string, labels: string): string =>
  `histogram_quantile(${q}, sum by (${by}, le) (rate(mcp_bridge_${histogram}_bucket{${labels}}[${RATE}])))`;

const sum = (metric: string, by: string, labels: string): string =>
  `sum by (${by}) (mcp_bridge_${metric}{${labels}})`;

const failed = `sum(rate(mcp_bridge_http_requests_total{${I}, status=~"5.."}[${RATE}]))`;
const all = `sum(rate(mcp_bridge_http_requests_total{${I}}[${RATE}]))`;

const overview: Section = {
  title: 'Overview',
  panels: [
    number({
      title: 'Requests',
      description: 'HTTP requests answered per second.',
      unit: 'reqps',
      queries: [{ expr: all, legend: 'requests' }],
    }),
    number(
      {
        title: 'Failed',
        description: 'Share of the answers that are 5xx.',
        unit: 'percentunit',
        queries: [{ expr: `(${failed} or vector(0)) / ${all}`, legend: 'failed' }],
      },
      0.05,
    ),
    number({
      title: 'Sessions',
      description: 'Open sessions.',
      unit: 'short',
      queries: [{ expr: `sum(mcp_bridge_sessions{${I}})`, legend: 'sessions' }],
    }),
    number({
      title: 'Children',
      description: 'Connections to MCP servers; of stdio servers, processes.',
      unit: 'short',
      queries: [{ expr: `sum(mcp_bridge_upstream_children{${I}})`, legend: 'children' }],
    }),
    number(
      {
        title: 'Workers away',
        description: 'Workers that do not take traffic.',
        unit: 'short',
        queries: [{ expr: `sum(mcp_bridge_workers{${I}, state!="ready"})`, legend: 'away' }],
      },
      1,
    ),
    number(
      {
        title: 'Servers that do not start',
        description: 'Servers with an open breaker.',
        unit: 'short',
        queries: [
          {
            expr: `count(${sum('upstream_breaker', 'server', `${I}, state=~"open|half_open"`)} > 0) or vector(0)`,
            legend: 'servers',
          },
        ],
      },
      1,
    ),
  ],
};

const traffic: Section = {
  title: 'Traffic',
  panels: [
    lines(
      {
        title: 'Requests by route',
        description: 'HTTP requests answered per second.',
        unit: 'reqps',
        queries: [{ expr: rate('http_requests_total', 'route', I), legend: '{{route}}' }],
      },
      true,
    ),
    lines(
      {
        title: 'Answers by status',
        description: 'HTTP requests answered per second.',
        unit: 'reqps',
        queries: [{ expr: rate('http_requests_total', 'status', I), legend: '{{status}}' }],
      },
      true,
    ),
    lines({
      title: 'Refused',
      description: 'Refused for their credentials, or by the rate limit.',
      unit: 'reqps',
      queries: [
        { expr: rate('auth_failures_total', 'reason', I), legend: '{{reason}}' },
        { expr: `sum(rate(mcp_bridge_rate_limited_total{${I}}[${RATE}]))`, legend: 'rate limit' },
      ],
    }),
    lines(
      {
        title: 'Requests to servers',
        description: 'Requests sent to MCP servers per second.',
        unit: 'reqps',
        queries: [{ expr: rate('upstream_requests_total', 'server', S), legend: '{{server}}' }],
      },
      true,
    ),
    lines({
      title: 'How they ended',
      description: 'Everything but a result, per second.',
      unit: 'reqps',
      queries: [
        {
          expr: rate('upstream_requests_total', 'server, outcome', `${S}, outcome!="ok"`),
          legend: '{{server}} {{outcome}}',
        },
      ],
    }),
    lines({
      title: 'Hops between workers',
      description: 'Requests that another worker of the same bridge carried out, per second.',
      unit: 'reqps',
      queries: [{ expr: rate('forwarded_total', 'direction', I), legend: '{{direction}}' }],
    }),
  ],
};

const latency: Section = {
  title: 'Latency',
  panels: [
    lines({
      title: 'Answers by route, 99th percentile',
      description:
        'From the head of a request to the end of its answer; of an event stream, as long as it is open.',
      unit: 's',
      queries: [{ expr: quantile(0.99, 'http_request_duration_seconds', 'route', I), legend: '{{route}}' }],
    }),
    lines({
      title: 'Servers, median and 99th percentile',
      description: 'What MCP servers take to answer.',
      unit: 's',
      queries: [
        { expr: quantile(0.5, 'upstream_request_duration_seconds', 'server', S), legend: '{{server}} p50' },
        { expr: quantile(0.99, 'upstream_request_duration_seconds', 'server', S), legend: '{{server}} p99' },
      ],
    }),
    lines({
      title: 'Servers by method, 99th percentile',
      description: 'What MCP servers take to answer.',
      unit: 's',
      queries: [
        {
          expr: quantile(0.99, 'upstream_request_duration_seconds', 'server, method', S),
          legend: '{{server}} {{method}}',
        },
      ],
    }),
    lines({
      title: 'Waiting for a server, 95th percentile',
      description: 'Until a connection had room: raise maxConcurrent or instances where it grows.',
      unit: 's',
      queries: [{ expr: quantile(0.95, 'upstream_queue_seconds', 'server', S), legend: '{{server}}' }],
    }),
    lines({
      title: 'Start of servers, 95th percentile',
      description: 'From the start of a server until it is initialized: prewarm hides it.',
      unit: 's',
      queries: [{ expr: quantile(0.95, 'upstream_start_seconds', 'server', S), legend: '{{server}}' }],
    }),
    lines({
      title: 'Event loop lag',
      description: 'The longest delay within 15 to 30 seconds.',
      unit: 's',
      queries: [
        {
          expr: `max by (instance, slot) (mcp_bridge_worker_event_loop_lag_seconds{${I}})`,
          legend: '{{instance}} {{slot}}',
        },
      ],
    }),
  ],
};

const workers: Section = {
  title: 'Workers',
  panels: [
    lines(
      {
        title: 'Workers by state',
        description: 'Slots of the fleet.',
        unit: 'short',
        queries: [{ expr: sum('workers', 'state', I), legend: '{{state}}' }],
      },
      true,
    ),
    lines({
      title: 'Restarts of workers',
      description: 'Within the last 5 minutes, by reason.',
      unit: 'short',
      queries: [
        {
          expr: `sum by (reason) (increase(mcp_bridge_worker_restarts_total{${I}}[5m]))`,
          legend: '{{reason}}',
        },
      ],
    }),
    lines({
      title: 'Processor',
      description: 'Of the workers and the primary; 100 % is one CPU. Their children are not in it.',
      unit: 'percentunit',
      queries: [
        {
          expr: `sum by (instance, slot) (rate(process_cpu_seconds_total{job="mcp-bridge", ${I}}[${RATE}]))`,
          legend: '{{instance}} {{slot}}',
        },
      ],
    }),
    lines({
      title: 'Memory',
      description: 'Resident memory of the workers and the primary.',
      unit: 'bytes',
      queries: [
        {
          expr: `sum by (instance, slot) (process_resident_memory_bytes{job="mcp-bridge", ${I}})`,
          legend: '{{instance}} {{slot}}',
        },
      ],
    }),
    lines({
      title: 'File descriptors',
      description: 'Share of the limit in use.',
      unit: 'percentunit',
      queries: [
        {
          expr: `max by (instance, slot) (process_open_fds{job="mcp-bridge", ${I}} / process_max_fds{job="mcp-bridge", ${I}})`,
          legend: '{{instance}} {{slot}}',
        },
      ],
    }),
    lines({
      title: 'Versions',
      description: 'Processes by what runs; the primary has no HTTP engine.',
      unit: 'short',
      queries: [
        {
          expr: `count by (version, node, engine) (mcp_bridge_build_info{${I}})`,
          legend: '{{version}} on Node {{node}}, {{engine}}',
        },
      ],
    }),
  ],
};

const pools: Section = {
  title: 'Pools and children',
  panels: [
    lines(
      {
        title: 'Children by state',
        description: 'Connections to MCP servers; of stdio servers, processes.',
        unit: 'short',
        queries: [{ expr: sum('upstream_children', 'state', S), legend: '{{state}}' }],
      },
      true,
    ),
    lines(
      {
        title: 'Children by server',
        description: 'Connections to MCP servers; of stdio servers, processes.',
        unit: 'short',
        queries: [{ expr: sum('upstream_children', 'server', S), legend: '{{server}}' }],
      },
      true,
    ),
    lines(
      {
        title: 'Memory of children',
        description: 'Resident memory of stdio servers, without what they start themselves.',
        unit: 'bytes',
        queries: [{ expr: sum('upstream_memory_bytes', 'server', S), legend: '{{server}}' }],
      },
      true,
    ),
    lines({
      title: 'Restarts of servers',
      description: 'Within the last 5 minutes, by reason.',
      unit: 'short',
      queries: [
        {
          expr: `sum by (server, reason) (increase(mcp_bridge_upstream_restarts_total{${S}}[5m]))`,
          legend: '{{server}} {{reason}}',
        },
      ],
    }),
    lines({
      title: 'Breakers that are not closed',
      description: 'Workers in which a server does not start.',
      unit: 'short',
      queries: [
        {
          expr: sum('upstream_breaker', 'server, state', `${S}, state!="closed"`),
          legend: '{{server}} {{state}}',
        },
      ],
    }),
  ],
};

const sessions: Section = {
  title: 'Sessions',
  panels: [
    lines(
      {
        title: 'Sessions by server',
        description: 'Open sessions.',
        unit: 'short',
        queries: [{ expr: sum('sessions', 'server', S), legend: '{{server}}' }],
      },
      true,
    ),
    lines(
      {
        title: 'Sessions by era',
        description: 'Open sessions; clients of 2026-07-28 and later have none.',
        unit: 'short',
        queries: [{ expr: sum('sessions', 'era', S), legend: '{{era}}' }],
      },
      true,
    ),
    lines({
      title: 'Sessions that ended',
      description: 'Per second, by reason.',
      unit: 'reqps',
      queries: [{ expr: rate('sessions_closed_total', 'reason', S), legend: '{{reason}}' }],
    }),
  ],
};

export const SECTIONS: readonly Section[] = [overview, traffic, latency, workers, pools, sessions];

const choice = (name: string, metric: string) => ({
  type: 'query' as const,
  name,
  label: name,
  datasource: DATASOURCE,
  query: { query: `label_values(${metric}, ${name})`, refId: name },
  refresh: VariableRefresh.onTimeRangeChanged,
  sort: VariableSort.alphabeticalAsc,
  multi: true,
  includeAll: true,
  allValue: '.*',
  current: { text: 'All', value: '$__all' },
  hide: VariableHide.dontHide,
  skipUrlSync: false,
});

export const dashboard: Dashboard = {
  uid: 'mcp-bridge',
  title: 'MCP Bridge',
  description: 'Traffic, latency, workers, pools, children and sessions of MCP Bridge.',
  tags: ['mcp'],
  schemaVersion: 41,
  editable: true,
  graphTooltip: DashboardCursorSync.Crosshair,
  refresh: '30s',
  time: { from: 'now-1h', to: 'now' },
  timezone: 'browser',
  templating: {
    list: [
      {
        type: 'datasource',
        name: 'datasource',
        label: 'data source',
        query: 'prometheus',
        hide: VariableHide.dontHide,
        skipUrlSync: false,
      },
      choice('instance', 'mcp_bridge_build_info'),
      choice('server', 'mcp_bridge_upstream_children'),
    ],
  },
  panels: placed(SECTIONS),
};

/** The text of mcp-bridge.json. */
export const dashboardText = (): string => `${JSON.stringify(dashboard, undefined, 2)}\n`;

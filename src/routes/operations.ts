/**
 * What operators ask: /health, /ready, /servers, /metrics. Whichever worker is asked speaks for the whole bridge,
 * except that /health is about this process alone.
 */
import type { Settings } from '../config/settings.ts';
import { BridgeError } from '../errors.ts';
import type { Gate } from '../http/gate.ts';
import { JSON_HEADERS, type Reply } from '../http/reply.ts';
import type { Fleet } from '../ipc/fleet.ts';
import { renderMetrics } from '../metrics/merge.ts';
import { BRIDGE_VERSION } from '../protocol/versions.ts';
import type { Roster } from '../shard/roster.ts';
import { whenKnown } from './admission.ts';
import type { Route } from './router.ts';
import { type ServerSummary, summarise } from './server-report.ts';

export interface OperationsDeps {
  /** Those of this moment. */
  readonly settings: () => Settings;
  readonly gate: Gate;
  readonly fleet: Fleet;
  readonly roster: Roster;
  readonly engine: string;
  readonly isDraining: () => boolean;
}

const METRICS_HEADERS = [['Content-Type', 'text/plain; version=0.0.4; charset=utf-8']] as const;

export function operationsRoutes(deps: OperationsDeps): readonly Route[] {
  const { settings, gate, fleet, roster } = deps;

  const summaries = async (): Promise<ServerSummary[]> => {
    const parts = await fleet.gather('servers');
    return settings().servers.map((server) => summarise(server, parts));
  };

  const health: Route = {
    label: '/health',
    methods: ['GET', 'HEAD'],
    shape: 'http',
    handle(exchange) {
      sendJson(exchange, 200, {
        status: 'ok',
        version: BRIDGE_VERSION,
        engine: deps.engine,
        slot: fleet.slot,
        pid: process.pid,
        uptimeSeconds: Math.floor(process.uptime()),
      });
    },
  };

  const ready: Route = {
    label: '/ready',
    methods: ['GET', 'HEAD'],
    shape: 'http',
    async handle(exchange) {
      const wanted = new URLSearchParams(exchange.request.query).get('server');
      const workers = roster.countByState();
      if (deps.isDraining()) throw new BridgeError('draining', 'This worker is draining.');
      if (workers.ready === 0) throw new BridgeError('starting', 'No worker takes traffic yet.');
      const servers = await summaries();
      const degraded = servers.filter(({ state }) => state === 'backing_off').map(({ name }) => name);
      if (wanted !== null) checkServer(wanted, servers);
      sendJson(exchange, 200, { status: 'ready', workers, degraded });
    },
  };

  const servers: Route = {
    label: '/servers',
    methods: ['GET', 'HEAD'],
    shape: 'http',
    handle(exchange) {
      return whenKnown(gate.authenticate(exchange.request), async ({ servers: allowed }) => {
        const all = await summaries();
        const visible = all.filter(({ name }) => allowed === undefined || allowed.has(name));
        sendJson(exchange, 200, { servers: visible });
      });
    },
  };

  const metrics: Route = {
    label: '/metrics',
    methods: ['GET', 'HEAD'],
    shape: 'http',
    async handle(exchange) {
      gate.authorizeMetrics(exchange.request);
      const parts = await fleet.gather('metrics');
      exchange.send(200, METRICS_HEADERS, await renderMetrics(parts.map(({ value }) => value)));
    },
  };

  return [health, ready, servers, metrics];
}

/** Throws `unknown_server`, and `server_backing_off` while it cannot be served. What it printed is not for strangers. */
function checkServer(name: string, servers: readonly ServerSummary[]): void {
  const server = servers.find((each) => each.name === name);
  if (server === undefined || server.state === 'disabled') {
    throw new BridgeError('unknown_server', `There is no server "${name}" in the configuration.`);
  }
  if (server.state !== 'backing_off') return;
  throw new BridgeError('server_backing_off', `Server "${name}" does not start; GET /servers says why.`);
}

function sendJson(reply: Reply, status: number, value: unknown): void {
  reply.send(status, JSON_HEADERS, `${JSON.stringify(value)}\n`);
}

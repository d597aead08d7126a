/**
 * What a worker says of its servers, and how the words of all workers become one: for /servers and /ready.
 */
import type { ServerDefinition } from '../config/settings.ts';
import type { GatheredPart } from '../ipc/messages.ts';
import type { Pool } from '../pool/pool.ts';
import type { ServerStatus } from '../pool/starts.ts';
import type { SessionStore } from '../sessions/store.ts';

/** One worker's view of one server. */
export interface ServerReport extends ServerStatus {
  readonly name: string;
  readonly sessions: number;
}

/** This worker's part of a gather. */
export function reportServers(pool: Pool, store: SessionStore): readonly ServerReport[] {
  const sessions = new Map<string, number>();
  for (const { facts } of store.all()) sessions.set(facts.server, (sessions.get(facts.server) ?? 0) + 1);
  const reports = [...pool.all()].map((each) => {
    const { name } = each.server;
    const status = each.status();
    // One that was replaced counts with its children, but says nothing of how the server does now.
    if (each.isRetired)
      return { name, sessions: 0, ...status, breaker: 'closed', lastError: undefined } as const;
    return { name, sessions: 0, ...status };
  });
  const counted = new Set<string>();
  return reports.map((report) => {
    if (counted.has(report.name)) return report;
    counted.add(report.name);
    return { ...report, sessions: sessions.get(report.name) ?? 0 };
  });
}

type ServerState = 'disabled' | 'backing_off' | 'starting' | 'ready' | 'idle';

/** As GET /servers shows it. `idle`: nothing runs, the next call starts it. */
export interface ServerSummary {
  readonly name: string;
  readonly transport: string;
  readonly isolation: string;
  readonly state: ServerState;
  readonly children: { readonly starting: number; readonly ready: number; readonly closing: number };
  readonly sessions: number;
  readonly lastError: string | null;
}

export function summarise(server: ServerDefinition, parts: readonly GatheredPart[]): ServerSummary {
  const reports = parts
    .flatMap(({ value }) => value as readonly ServerReport[])
    .filter(({ name }) => name === server.name);
  const sum = (pick: (report: ServerReport) => number): number =>
    reports.reduce((total, report) => total + pick(report), 0);
  const children = {
    starting: sum((report) => report.children.starting),
    ready: sum((report) => report.children.ready),
    closing: sum((report) => report.children.closing),
  };
  return {
    name: server.name,
    transport: server.kind === 'stdio' ? 'stdio' : server.transport,
    isolation: server.isolation,
    state: stateOf(server, children, reports),
    children,
    sessions: sum(({ sessions }) => sessions),
    lastError: reports.find(({ lastError }) => lastError !== undefined)?.lastError ?? null,
  };
}

function stateOf(
  { disabled }: ServerDefinition,
  children: ServerSummary['children'],
  reports: readonly ServerReport[],
): ServerState {
  if (disabled) return 'disabled';
  if (children.ready > 0) return 'ready';
  if (reports.some(({ breaker }) => breaker !== 'closed')) return 'backing_off';
  return children.starting > 0 ? 'starting' : 'idle';
}

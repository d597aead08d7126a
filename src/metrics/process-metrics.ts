/**
 * What prom-client knows about this process (CPU, memory, descriptors, garbage collection, event loop), by slot.
 * Owns when it is read, not what: its names and texts are prom-client's, so that dashboards for Node.js fit.
 */
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Family } from './tally.ts';

/** prom-client answers asynchronously and a snapshot is synchronous: it shows what was read at most this long ago. */
const REFRESH_MS = 2000;

/** Gauges named like counters (promtool objects), walks over every open handle, and a minimum that is always the timer's own step. */
const LEFT_OUT = [
  'nodejs_active_handles',
  'nodejs_active_handles_total',
  'nodejs_active_requests',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
  'nodejs_eventloop_lag_min_seconds',
];

export interface ProcessMetrics {
  snapshot(): readonly Family[];
  close(): void;
}

/** `onError` hears of a failed reading; the last one that worked stays in use. */
export function createProcessMetrics(slot: string, onError: (error: unknown) => void): ProcessMetrics {
  const register = new Registry();
  collectDefaultMetrics({ register, labels: { slot } });
  for (const name of LEFT_OUT) register.removeSingleMetric(name);

  let latest: readonly Family[] = [];
  const refresh = (): void => {
    register.getMetricsAsJSON().then((families) => {
      latest = (families as unknown as Family[]).map(presentable);
    }, onError);
  };
  refresh();
  const timer = setInterval(refresh, REFRESH_MS);
  timer.unref();
  return { snapshot: () => latest, close: () => clearInterval(timer) };
}

/**
 * One process has one start time, so prom-client drops it from every sum; with the slot as a label it can stay, and
 * where two processes share a slot the younger one is shown. The mean of no measurement is NaN, which JSON lacks.
 */
function presentable(family: Family): Family {
  const values = family.values
    .filter(({ value }) => Number.isFinite(value))
    .map(({ value, labels, metricName }) => ({
      value,
      labels,
      ...(metricName === undefined ? {} : { metricName }),
    }));
  return {
    name: family.name,
    help: family.help,
    type: family.type,
    aggregator: family.name === 'process_start_time_seconds' ? 'max' : family.aggregator,
    values,
  };
}

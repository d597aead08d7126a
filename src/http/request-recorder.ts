/**
 * Counts answered requests: one map lookup and two increments each.
 */
import type { Metrics } from '../metrics/metrics.ts';

export type RecordRequest = (route: string, method: string, status: number, seconds: number) => void;

const METHODS = new Set(['GET', 'POST', 'DELETE', 'OPTIONS', 'HEAD', 'PUT', 'PATCH']);

export function createRequestRecorder(metrics: Metrics): RecordRequest {
  const counters = new Map<string, Map<number, { add(): void }>>();
  const durations = new Map<string, { observe(seconds: number): void }>();
  return (route, method, status, seconds) => {
    const key = `${method} ${route}`;
    let byStatus = counters.get(key);
    if (byStatus === undefined) {
      byStatus = new Map();
      if (METHODS.has(method)) counters.set(key, byStatus);
    }
    let counter = byStatus.get(status);
    if (counter === undefined) {
      counter = metrics.httpRequests.child(route, METHODS.has(method) ? method : 'other', status);
      byStatus.set(status, counter);
    }
    counter.add();
    let duration = durations.get(route);
    if (duration === undefined) {
      duration = metrics.httpRequestDuration.child(route);
      durations.set(route, duration);
    }
    duration.observe(seconds);
  };
}

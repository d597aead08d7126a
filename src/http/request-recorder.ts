/**
 * Counts answered requests: a few lookups by values that are there already, and two increments.
 */

import type { Metrics } from '../metrics/metrics.ts';
import type { CounterChild, HistogramChild } from '../metrics/tally.ts';

export type RecordRequest = (route: string, method: string, status: number, seconds: number) => void;

const METHODS = new Set(['GET', 'POST', 'DELETE', 'OPTIONS', 'HEAD', 'PUT', 'PATCH']);

export function createRequestRecorder(metrics: Metrics): RecordRequest {
  const routes = new Map<string, RouteRecorder>();
  return (route, method, status, seconds) => {
    let recorder = routes.get(route);
    if (recorder === undefined) {
      recorder = new RouteRecorder(metrics, route);
      routes.set(route, recorder);
    }
    recorder.record(METHODS.has(method) ? method : 'other', status, seconds);
  };
}

class RouteRecorder {
  readonly #metrics: Metrics;
  readonly #route: string;
  readonly #duration: HistogramChild;
  readonly #counters = new Map<string, Map<number, CounterChild>>();

  constructor(metrics: Metrics, route: string) {
    this.#metrics = metrics;
    this.#route = route;
    this.#duration = metrics.httpRequestDuration.child(route);
  }

  record(method: string, status: number, seconds: number): void {
    this.#duration.observe(seconds);
    (this.#counters.get(method)?.get(status) ?? this.#counter(method, status)).add();
  }

  #counter(method: string, status: number): CounterChild {
    const counter = this.#metrics.httpRequests.child(this.#route, method, status);
    const byStatus = this.#counters.get(method) ?? new Map<number, CounterChild>();
    this.#counters.set(method, byStatus.set(status, counter));
    return counter;
  }
}

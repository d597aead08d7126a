/**
 * Counts answered requests: a few lookups by values that are there already, and two increments.
 */
import { httpMethodLabel } from '../metrics/labels.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { CounterChild, HistogramChild } from '../metrics/tally.ts';

export type RecordRequest = (route: string, method: string, status: number, seconds: number) => void;

export function createRequestRecorder(metrics: Metrics): RecordRequest {
  const routes = new Map<string, RouteRecorder>();
  return (route, method, status, seconds) => {
    let recorder = routes.get(route);
    if (recorder === undefined) {
      recorder = new RouteRecorder(metrics, route);
      routes.set(route, recorder);
    }
    recorder.record(method, status, seconds);
  };
}

class RouteRecorder {
  readonly #metrics: Metrics;
  readonly #route: string;
  readonly #duration: HistogramChild;
  /** What was counted last, which is nearly always what is counted next. */
  #last: { readonly method: string; readonly status: number; readonly counter: CounterChild } | undefined;

  constructor(metrics: Metrics, route: string) {
    this.#metrics = metrics;
    this.#route = route;
    this.#duration = metrics.httpRequestDuration.child(route);
  }

  record(method: string, status: number, seconds: number): void {
    this.#duration.observe(seconds);
    if (this.#last?.method !== method || this.#last.status !== status) {
      const counter = this.#metrics.httpRequests.child(this.#route, httpMethodLabel(method), status);
      this.#last = { method, status, counter };
    }
    this.#last.counter.add();
  }
}

/**
 * The metrics of one server, with their label lookups done once: a request costs two increments.
 */
import { methodLabel } from '../metrics/labels.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { CounterChild, HistogramChild } from '../metrics/tally.ts';
import type { Outcome } from '../upstream/connection.ts';

export interface Recorder {
  readonly finished: (method: string, outcome: Outcome, seconds: number) => void;
  readonly queued: (seconds: number) => void;
  readonly started: (seconds: number) => void;
  readonly restarted: (reason: string) => void;
}

/** `label` is the configured name, or `adhoc`. */
export function createRecorder(metrics: Metrics, label: string): Recorder {
  const methods = new Map<string, MethodRecorder>();
  const queue = metrics.upstreamQueue.child(label);
  const start = metrics.upstreamStart.child(label);
  return {
    finished(method, outcome, seconds) {
      let recorder = methods.get(method);
      if (recorder === undefined) {
        recorder = new MethodRecorder(metrics, label, methodLabel(method));
        // Unknown methods share one label and are not worth an entry each: a client could invent them for ever.
        if (methodLabel(method) === method) methods.set(method, recorder);
      }
      recorder.finished(outcome, seconds);
    },
    queued: (seconds) => queue.observe(seconds),
    started: (seconds) => start.observe(seconds),
    restarted: (reason) => metrics.upstreamRestarts.child(label, reason).add(),
  };
}

class MethodRecorder {
  readonly #metrics: Metrics;
  readonly #labels: readonly [server: string, method: string];
  readonly #ok: CounterChild;
  readonly #duration: HistogramChild;

  constructor(metrics: Metrics, server: string, method: string) {
    this.#metrics = metrics;
    this.#labels = [server, method];
    this.#ok = metrics.upstreamRequests.child(server, method, 'ok');
    this.#duration = metrics.upstreamRequestDuration.child(server, method);
  }

  finished(outcome: Outcome, seconds: number): void {
    if (outcome === 'ok') this.#ok.add();
    else this.#metrics.upstreamRequests.child(...this.#labels, outcome).add();
    if (outcome !== 'refused') this.#duration.observe(seconds);
  }
}

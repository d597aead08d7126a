/**
 * Counters, histograms and gauges as plain numbers: counting is an increment, and everything else (label objects,
 * cumulative buckets) is made when somebody asks. A caller on the hot path keeps its child instead of looking it
 * up per request. Whoever names a label value answers for there being few of them (labels.ts).
 */
import type { Aggregator, Description } from './catalogue.ts';

/** One series in the shape of prom-client's getMetricsAsJSON. */
export interface Sample {
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number>>;
  /** The series' own name where it is not the metric's: `…_bucket`, `…_sum`, `…_count`. */
  readonly metricName?: string;
}

/** One metric in the shape of prom-client's getMetricsAsJSON. */
export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly aggregator: Aggregator | 'min' | 'average' | 'omit';
  readonly values: readonly Sample[];
}

type LabelValue = string | number;
/** One value per label name, in the catalogue's order. */
type LabelValues<L extends readonly string[]> = { readonly [I in keyof L]: LabelValue };

export interface CounterChild {
  /** Adds `n` (1 when left out); what is not above 0 and finite is ignored, because a counter never goes back. */
  add(n?: number): void;
}

export interface HistogramChild {
  /** Counts one duration; one that is negative or not finite is ignored. */
  observe(seconds: number): void;
}

export interface Counter<L extends readonly string[]> {
  child(...labels: LabelValues<L>): CounterChild;
  snapshot(): Family;
}

export interface Histogram<L extends readonly string[]> {
  child(...labels: LabelValues<L>): HistogramChild;
  snapshot(): Family;
}

/** Called at every snapshot. The same labels set twice, by one or several callbacks, add up. */
type GaugeCallback<L extends readonly string[]> = (
  set: (value: number, ...labels: LabelValues<L>) => void,
) => void;

export interface Gauge<L extends readonly string[]> {
  collect(callback: GaugeCallback<L>): void;
  snapshot(): Family;
}

class Count implements CounterChild {
  readonly labels: readonly LabelValue[];
  value = 0;

  constructor(labels: readonly LabelValue[]) {
    this.labels = labels;
  }

  add(n = 1): void {
    if (n > 0 && n < Infinity) this.value += n;
  }
}

class Distribution implements HistogramChild {
  readonly labels: readonly LabelValue[];
  readonly #bounds: readonly number[];
  /** One per bound, not cumulative, and one more for +Inf. */
  readonly counts: Float64Array;
  sum = 0;

  constructor(labels: readonly LabelValue[], bounds: readonly number[]) {
    this.labels = labels;
    this.#bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  observe(seconds: number): void {
    if (!(seconds >= 0 && seconds < Infinity)) return;
    const bounds = this.#bounds;
    let i = 0;
    while (i < bounds.length && seconds > (bounds[i] as number)) i++;
    (this.counts[i] as number) += 1;
    this.sum += seconds;
  }
}

/** Children by label values. No value holds a NUL, so a joined key is unambiguous. */
function children<C>(make: (labels: readonly LabelValue[]) => C, unlabelled: boolean) {
  const byKey = new Map<LabelValue, C>();
  const child = (...labels: readonly LabelValue[]): C => {
    const key = labels.length === 1 ? String(labels[0]) : labels.join('\0');
    let found = byKey.get(key);
    if (found === undefined) {
      found = make(labels);
      byKey.set(key, found);
    }
    return found;
  };
  // A metric without labels is shown from the start: a rate over its first increment needs the 0 before it.
  if (unlabelled) child();
  return { child, all: () => byKey.values() };
}

export function createCounter<L extends readonly string[]>(of: Description & { labels: L }): Counter<L> {
  const { child, all } = children((labels) => new Count(labels), of.labels.length === 0);
  return {
    child,
    snapshot: () =>
      family(
        of,
        Array.from(all(), ({ labels, value }) => ({ value, labels: named(of.labels, labels) })),
      ),
  };
}

export function createHistogram<L extends readonly string[]>(of: Description & { labels: L }): Histogram<L> {
  const { child, all } = children((labels) => new Distribution(labels, of.buckets), of.labels.length === 0);
  const samples = ({ labels, counts, sum }: Distribution): Sample[] => {
    const base = named(of.labels, labels);
    let count = 0;
    const buckets = Array.from(counts, (inBucket, i) => {
      count += inBucket;
      return {
        value: count,
        labels: { le: of.buckets[i] ?? '+Inf', ...base },
        metricName: `${of.name}_bucket`,
      };
    });
    return [
      ...buckets,
      { value: sum, labels: base, metricName: `${of.name}_sum` },
      { value: count, labels: base, metricName: `${of.name}_count` },
    ];
  };
  return { child, snapshot: () => family(of, Array.from(all(), samples).flat()) };
}

export function createGauge<L extends readonly string[]>(of: Description & { labels: L }): Gauge<L> {
  const callbacks: GaugeCallback<L>[] = [];
  return {
    collect: (callback) => void callbacks.push(callback),
    snapshot: () => {
      const { child, all } = children((labels) => ({ labels, value: 0 }), false);
      for (const callback of callbacks) {
        callback((value, ...labels) => {
          if (Number.isFinite(value)) child(...labels).value += value;
        });
      }
      return family(
        of,
        Array.from(all(), ({ labels, value }) => ({ value, labels: named(of.labels, labels) })),
      );
    },
  };
}

function family({ name, help, type, aggregator }: Description, values: readonly Sample[]): Family {
  return { name, help, type, values, aggregator };
}

function named(names: readonly string[], values: readonly LabelValue[]): Record<string, LabelValue> {
  return Object.fromEntries(names.map((name, i) => [name, values[i] ?? '']));
}

/**
 * Many snapshots become one: for a scrape as text, and for a worker that is gone as a total that its successor
 * adds to. Snapshots come from other processes, perhaps of another version, perhaps from a half-written file:
 * one that is malformed is left out, never fatal.
 */
import { AggregatorRegistry } from 'prom-client';
import type { Family } from './tally.ts';

/** Prometheus text (version 0.0.4) of all parts together; each metric says itself how it is aggregated. */
export async function renderMetrics(parts: readonly unknown[]): Promise<string> {
  return aggregate(parts).metrics();
}

/**
 * `total` with the last snapshot of a worker that is gone folded in; `undefined` starts a new total. Only what
 * counts upwards is kept: a gauge ends with its process. Process counters keep their slot, so they go on from
 * there under the slot's next process: `process_cpu_seconds_total{slot="0"}` is the CPU time of all the
 * processes that slot 0 ever had.
 */
export function retire(total: unknown, last: unknown): unknown {
  const counting = [total, last]
    .filter(isSnapshot)
    .map((families) => families.filter(({ type }) => type === 'counter' || type === 'histogram'));
  return aggregate(counting)
    .getMetricsAsArray()
    .map((metric) => {
      const { name, help, type, aggregator, values } = metric as unknown as Family;
      return { name, help, type, aggregator, values } satisfies Family;
    });
}

function aggregate(parts: readonly unknown[]) {
  const types = new Map<string, string>();
  // Two versions may disagree on what a name is: the first one wins, sums across types would be nonsense.
  const agrees = ({ name, type }: Family): boolean => {
    const known = types.get(name);
    if (known === undefined) types.set(name, type);
    return known === undefined || known === type;
  };
  return AggregatorRegistry.aggregate(parts.filter(isSnapshot).map((families) => families.filter(agrees)));
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const TYPES: readonly unknown[] = ['counter', 'gauge', 'histogram', 'summary'];
const AGGREGATORS: readonly unknown[] = ['sum', 'first', 'max', 'min', 'average', 'omit'];

function isSnapshot(part: unknown): part is readonly Family[] {
  return Array.isArray(part) && part.every(isFamily);
}

function isFamily(value: unknown): boolean {
  return (
    isObject(value) &&
    isName(value['name']) &&
    typeof value['help'] === 'string' &&
    TYPES.includes(value['type']) &&
    AGGREGATORS.includes(value['aggregator']) &&
    Array.isArray(value['values']) &&
    value['values'].every(isSample)
  );
}

function isSample(value: unknown): boolean {
  return (
    isObject(value) &&
    Number.isFinite(value['value']) &&
    (value['metricName'] === undefined || isName(value['metricName'])) &&
    isObject(value['labels']) &&
    Object.entries(value['labels']).every(
      ([name, label]) => NAME.test(name) && (typeof label === 'string' || typeof label === 'number'),
    )
  );
}

const isName = (value: unknown): boolean => typeof value === 'string' && NAME.test(value);

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

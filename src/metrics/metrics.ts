/**
 * The metrics of one process, made from the catalogue: a property for each, and a snapshot of them all as plain
 * JSON that merge.ts puts together with those of the other processes.
 */
import { type Description, PRIMARY_METRICS, WORKER_METRICS } from './catalogue.ts';
import { createLoopLag } from './loop-lag.ts';
import { createProcessMetrics } from './process-metrics.ts';
import {
  type Counter,
  createCounter,
  createGauge,
  createHistogram,
  type Family,
  type Gauge,
  type Histogram,
} from './tally.ts';

type Instrument<D extends Description> = D['type'] extends 'counter'
  ? Counter<D['labels']>
  : D['type'] extends 'histogram'
    ? Histogram<D['labels']>
    : Gauge<D['labels']>;

type Instruments<T extends Readonly<Record<string, Description>>> = {
  readonly [K in keyof T]: Instrument<T[K]>;
};

interface Snapshots {
  /** Plain JSON in the shape of prom-client's getMetricsAsJSON. Values about the process are up to two seconds old. */
  snapshot(): unknown;
  /** Stops the timers (which keep no process alive). */
  close(): void;
}

export type Metrics = Instruments<typeof WORKER_METRICS> & Snapshots;
export type PrimaryMetrics = Instruments<typeof PRIMARY_METRICS> & Snapshots;

export interface MetricsOptions {
  readonly slot: number;
  readonly version: string;
  /** Name of the HTTP engine. */
  readonly engine: string;
  /** Hears of process metrics that could not be read. */
  readonly onError?: (error: unknown) => void;
}

/** The metrics of one worker. */
export function createMetrics({ slot, version, engine, onError }: MetricsOptions): Metrics {
  const instruments = create(WORKER_METRICS);
  const processMetrics = createProcessMetrics(String(slot), onError ?? ignore);
  const lag = createLoopLag();
  instruments.eventLoopLag.collect((set) => set(lag.seconds(), slot));
  instruments.buildInfo.collect((set) => set(1, version, process.version, engine));
  return {
    ...instruments,
    snapshot: () => [...families(instruments), ...processMetrics.snapshot()],
    close: () => {
      lag.close();
      processMetrics.close();
    },
  };
}

/** The metrics of the primary; its process metrics have the slot `primary`. */
export function createPrimaryMetrics({
  version,
  onError,
}: Pick<MetricsOptions, 'version' | 'onError'>): PrimaryMetrics {
  const instruments = create(PRIMARY_METRICS);
  const processMetrics = createProcessMetrics('primary', onError ?? ignore);
  instruments.buildInfo.collect((set) => set(1, version, process.version, 'none'));
  return {
    ...instruments,
    snapshot: () => [...families(instruments), ...processMetrics.snapshot()],
    close: () => processMetrics.close(),
  };
}

function create<const T extends Readonly<Record<string, Description>>>(table: T): Instruments<T> {
  const make = (of: Description): unknown => {
    if (of.type === 'counter') return createCounter(of);
    return of.type === 'histogram' ? createHistogram(of) : createGauge(of);
  };
  return Object.fromEntries(Object.entries(table).map(([key, of]) => [key, make(of)])) as Instruments<T>;
}

function families(instruments: Readonly<Record<string, { snapshot(): Family }>>): Family[] {
  return Object.values(instruments).map((instrument) => instrument.snapshot());
}

/** The last values that could be read stay in use, so nothing is lost by not looking. */
const ignore = (): void => undefined;

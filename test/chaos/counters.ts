/** /metrics as a client sees it: counters that must never go back, and gauges to be read at the end. */
import { headersOf } from './session-client.ts';
import type { Subject } from './subject.ts';

const SCRAPE_MS = 4_000;
const COUNTER = /_(?:total|count|sum|bucket)$/;

/** Series with their labels, by text; undefined when whoever was asked did not answer. */
export async function scrape({ port, token }: Subject): Promise<ReadonlyMap<string, number> | undefined> {
  let text: string;
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/metrics`, {
      headers: { ...headersOf(token), Connection: 'close' },
      signal: AbortSignal.timeout(SCRAPE_MS),
    });
    text = await answer.text();
    if (answer.status !== 200) return undefined;
  } catch {
    return undefined; // it died or was stopped; the next scrape will tell
  }
  const series = new Map<string, number>();
  for (const line of text.split('\n')) {
    const space = line.lastIndexOf(' ');
    if (space > 0 && !line.startsWith('#')) series.set(line.slice(0, space), Number(line.slice(space + 1)));
  }
  return series;
}

/** The sum of a metric over all its labels. */
export function total(series: ReadonlyMap<string, number>, name: string): number {
  let sum = 0;
  for (const [key, value] of series) if (nameOf(key) === name) sum += value;
  return sum;
}

export interface CounterWatch {
  /** Counters that were seen lower than before, by their text. */
  readonly wentBack: ReadonlySet<string>;
  readonly scrapes: number;
  stop(): void;
}

/** Watches the bridge's own counters. Those of prom-client tell of one process and begin again with it. */
export function watchCounters(subject: Subject, everyMs: number): CounterWatch {
  const highest = new Map<string, number>();
  const wentBack = new Set<string>();
  let scrapes = 0;
  let isBusy = false;
  const timer = setInterval(async () => {
    if (isBusy) return;
    isBusy = true;
    const series = await scrape(subject);
    isBusy = false;
    if (series === undefined) return;
    scrapes++;
    for (const [key, value] of series) {
      const name = nameOf(key);
      if (!name.startsWith('mcp_bridge_') || !COUNTER.test(name)) continue;
      const before = highest.get(key);
      // Sums of seconds are added up in another order when workers change.
      if (before !== undefined && value < before - 1e-6) wentBack.add(`${key}: ${before}, then ${value}`);
      highest.set(key, Math.max(value, before ?? 0));
    }
    // A series that is not there any more has gone back too.
    for (const key of highest.keys()) if (!series.has(key)) wentBack.add(`${key}: gone`);
  }, everyMs);
  return {
    wentBack,
    get scrapes() {
      return scrapes;
    },
    stop: () => clearInterval(timer),
  };
}

const nameOf = (key: string): string => key.split('{', 1)[0] ?? key;

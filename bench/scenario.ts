/**
 * A scenario and what it yields: figures of its contenders, single numbers, and verdicts on the targets.
 */
import type { Lab } from './lab.ts';
import type { Figures } from './measure.ts';

export interface Verdict {
  readonly measure: string;
  readonly target: string;
  readonly seen: string;
  readonly met: boolean;
}

export interface Findings {
  readonly figures: readonly Figures[];
  readonly verdicts: readonly Verdict[];
  /** What is no load figure, each as a sentence. */
  readonly notes: readonly string[];
}

export interface Scenario {
  readonly name: string;
  readonly title: string;
  run(lab: Lab): Promise<Findings>;
}

/** The connections of the published numbers. */
export const CONNECTIONS = 32;

export const atLeast = (measure: string, seen: number, limit: number, unit = ''): Verdict => ({
  measure,
  target: `>= ${limit}${unit}`,
  seen: `${show(seen)}${unit}`,
  met: seen >= limit,
});

export const atMost = (measure: string, seen: number, limit: number, unit = ''): Verdict => ({
  measure,
  target: `<= ${limit}${unit}`,
  seen: `${show(seen)}${unit}`,
  met: seen <= limit,
});

/** Three significant digits, and whole numbers from 100 on. */
const show = (value: number): string => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3));

/** The figures named `name`. */
export function pick(figures: readonly Figures[], name: string): Figures {
  const found = figures.find((one) => one.name === name);
  if (found === undefined) throw new Error(`No figures named "${name}".`);
  return found;
}

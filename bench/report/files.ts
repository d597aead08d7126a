/**
 * The result files: JSON with the machine's facts, and the chart beside it.
 */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Facts } from '../facts.ts';
import type { Findings } from '../scenario.ts';

export interface ScenarioReport extends Findings {
  readonly name: string;
  readonly title: string;
  /** Why there are no figures; undefined when the scenario ran to its end. */
  readonly failure?: string;
}

export interface Report {
  readonly facts: Facts;
  readonly secondsPerRun: number;
  readonly rounds: number;
  readonly scenarios: readonly ScenarioReport[];
}

export const writeReport = (path: string, report: Report): void =>
  writeWhole(path, `${JSON.stringify(report, rounded, 2)}\n`);

/** Never leaves half a file behind. */
export function writeWhole(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.tmp`, text);
  renameSync(`${path}.tmp`, path);
}

/** Digits beyond these are noise. */
const rounded = (_key: string, value: unknown): unknown =>
  typeof value === 'number' ? Math.round(value * 100) / 100 : value;

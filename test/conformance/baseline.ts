/**
 * Compares what the suite found with what is known to fail. An unlisted failure is a regression; a listed check
 * that does not fail any more is stale. Both fail a run, so that the list stays true.
 */
import type { ScenarioResult } from './suite.ts';

/** `scenario:check` to the reason why it cannot pass. */
export type Baseline = Readonly<Record<string, string>>;

export interface Verdict {
  readonly scenario: string;
  readonly outcome: 'pass' | 'known' | 'FAIL' | 'STALE' | 'unscored';
  /** Why it is not a pass, one line each. */
  readonly details: readonly string[];
}

export const isBad = ({ outcome }: Verdict): boolean => outcome === 'FAIL' || outcome === 'STALE';

/** One verdict per scenario; `partial`: not all scenarios ran, so that an entry of another one is not stale. */
export function judge(
  results: readonly ScenarioResult[],
  baseline: Baseline,
  { partial = false } = {},
): readonly Verdict[] {
  const verdicts = results.map((result) => judgeOne(result, baseline));
  if (partial) return verdicts;
  const ran = new Set(results.map(({ scenario }) => scenario));
  const missing = Object.keys(baseline).filter((check) => !ran.has(scenarioOf(check)));
  return [
    ...verdicts,
    ...missing.map((check): Verdict => {
      const details = [`${check} is in the baseline; no such scenario ran.`];
      return { scenario: scenarioOf(check), outcome: 'STALE', details };
    }),
  ];
}

function judgeOne({ scenario, required, failures }: ScenarioResult, baseline: Baseline): Verdict {
  if (!required) return { scenario, outcome: 'unscored', details: [] };
  const unlisted = failures.filter(({ check }) => baseline[check] === undefined);
  if (unlisted.length > 0) {
    const details = unlisted.map(({ check, message }) => `${check}: ${message}`);
    return { scenario, outcome: 'FAIL', details };
  }
  const failed = new Set(failures.map(({ check }) => check));
  const listed = Object.keys(baseline).filter((check) => scenarioOf(check) === scenario);
  const stale = listed.filter((check) => !failed.has(check));
  if (stale.length > 0) {
    const details = stale.map((check) => `${check} is in the baseline; it does not fail any more.`);
    return { scenario, outcome: 'STALE', details };
  }
  const details = listed.map((check) => `${check}: ${baseline[check]}`);
  return { scenario, outcome: listed.length === 0 ? 'pass' : 'known', details };
}

const scenarioOf = (check: string): string => check.slice(0, check.indexOf(':'));

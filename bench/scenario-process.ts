/**
 * Each scenario runs in a process of its own: some of the load comes from that process, and would be slower for what
 * ran in it before. Here is what both sides of it do; the process is the benchmark's own entry, forked.
 */
import { fork } from 'node:child_process';
import { Lab } from './lab.ts';
import type { Options } from './options.ts';
import type { ScenarioReport } from './report/files.ts';
import type { Progress } from './report/progress.ts';
import type { Scenario } from './scenario.ts';

/** What the process says: each step as it begins, the report at the end. */
type Told = { readonly step: string } | { readonly report: ScenarioReport };

/** Whether this process was forked for a scenario. */
export const isScenarioProcess = (): boolean => process.connected === true;

/** Runs `scenario` in this process, which was forked for it, and tells the one that did. */
export async function tellScenario(scenario: Scenario, options: Options): Promise<void> {
  const tell = (told: Told): void => void process.send?.(told);
  const lab = new Lab(options, { step: (step) => tell({ step }) });
  const interrupted = (): void => {
    lab.close().finally(() => process.exit(130));
  };
  for (const event of ['SIGINT', 'SIGTERM', 'disconnect']) process.once(event, interrupted);
  const report = await runScenario(scenario, lab);
  await lab.close();
  process.off('disconnect', interrupted);
  process.send?.({ report } satisfies Told, () => process.disconnect());
}

/** The report of `scenario`, run in a process forked for it, which a stop signal to this one ends. */
export function runApart(
  { name, title }: Scenario,
  options: Options,
  progress: Progress,
): Promise<ScenarioReport> {
  const { seconds, rounds } = options;
  const child = fork(
    process.argv[1] ?? '',
    [name, '--seconds', `${seconds}`, '--rounds', `${rounds}`],
    // Figures may be no number.
    { serialization: 'advanced' },
  );
  const interrupted = (): void => void child.kill('SIGTERM');
  process.once('SIGINT', interrupted);
  process.once('SIGTERM', interrupted);
  return new Promise((resolve, reject) => {
    let report: ScenarioReport | undefined;
    child.on('message', (told: Told) => {
      if ('step' in told) progress.step(told.step);
      else report = told.report;
    });
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      process.off('SIGINT', interrupted);
      process.off('SIGTERM', interrupted);
      if (code === 130) process.exit(130);
      const failure = `Its process ended with ${signal ?? code} before it had anything to report.`;
      resolve(report ?? { name, title, figures: [], verdicts: [], notes: [], failure });
    });
  });
}

async function runScenario(scenario: Scenario, lab: Lab): Promise<ScenarioReport> {
  const { name, title } = scenario;
  const nothing = { figures: [], verdicts: [], notes: [] };
  let report: ScenarioReport;
  try {
    report = { name, title, ...(await scenario.run(lab)) };
  } catch (error) {
    const failure = `${(error as Error).message}\n${lab.logTails()}`;
    report = { name, title, ...nothing, failure };
  }
  try {
    await lab.clear();
  } catch (error) {
    report = { ...report, failure: (error as Error).message };
  }
  return report;
}

/**
 * One benchmark run: scenarios one after the other, tables as they finish, the files at the end.
 */
import { join } from 'node:path';
import { factsLine, gatherFacts } from './facts.ts';
import { findGenerator } from './load/generator.ts';
import { type Options, readOptions } from './options.ts';
import { barChart } from './report/chart.ts';
import { type Report, type ScenarioReport, writeReport, writeWhole } from './report/files.ts';
import { progressOn } from './report/progress.ts';
import { updateDocuments } from './report/readme.ts';
import { figuresTable, verdictsTable } from './report/table.ts';
import type { Scenario } from './scenario.ts';
import { isScenarioProcess, runApart, tellScenario } from './scenario-process.ts';

export interface Benchmark {
  /** Name of the result file. */
  readonly name: string;
  readonly scenarios: readonly Scenario[];
  readonly chartTitle: string;
  /** The scenarios whose figures the chart shows. */
  readonly charted: readonly string[];
}

/** Runs what the command line asks for; returns the exit code: 1 when a scenario failed or an answer was wrong. */
export async function runBenchmark(benchmark: Benchmark, argv: readonly string[]): Promise<number> {
  const { scenarios } = benchmark;
  let options: Options;
  try {
    options = readOptions(
      argv,
      scenarios.map(({ name }) => name),
    );
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    return 2;
  }
  const chosen =
    options.names.length === 0 ? scenarios : scenarios.filter(({ name }) => options.names.includes(name));
  const [only] = chosen;
  if (isScenarioProcess() && only !== undefined) {
    await tellScenario(only, options);
    return 0;
  }
  const progress = progressOn(process.stderr);
  const facts = gatherFacts(findGenerator('').name);
  process.stdout.write(`${factsLine(facts)}\n`);
  const reports: ScenarioReport[] = [];
  for (const scenario of chosen) {
    progress.scenario(scenario.name);
    const report = await runApart(scenario, options, progress);
    progress.clear();
    process.stdout.write(describe(report));
    reports.push(report);
  }
  const verdicts = reports.flatMap((report) => report.verdicts);
  if (verdicts.length > 0) process.stdout.write(`\nAll targets\n${verdictsTable(verdicts)}`);
  const { seconds, rounds } = options;
  writeFiles(benchmark, options, { facts, secondsPerRun: seconds, rounds, scenarios: reports });
  return reports.every(({ failure, figures }) => failure === undefined && figures.every(isClean)) ? 0 : 1;
}

const isClean = ({ errors }: { readonly errors: number }): boolean => errors === 0;

function describe({ name, title, figures, verdicts, notes, failure }: ScenarioReport): string {
  const samples = figures
    .filter(({ sample }) => sample !== '')
    .map((one) => `  first wrong answer of ${one.name}: ${one.sample}\n`);
  return [
    `\n${title} (${name})\n`,
    figures.length > 0 ? figuresTable(figures) : '',
    ...samples,
    ...notes.map((note) => `  ${note}\n`),
    verdicts.length > 0 ? verdictsTable(verdicts) : '',
    failure === undefined ? '' : `  FAILED: ${failure}\n`,
  ].join('');
}

/** A run of everything replaces the published files; a part of it is written only where `--out` says. */
function writeFiles(benchmark: Benchmark, options: Options, report: Report): void {
  const published = join(import.meta.dirname, 'results', `${benchmark.name}.json`);
  const path = options.out ?? (options.names.length === 0 ? published : undefined);
  if (path === undefined) {
    process.stdout.write('\nNo file written: only some scenarios ran, and --out was not given.\n');
    return;
  }
  writeReport(path, report);
  const charted = report.scenarios.filter(({ name }) => benchmark.charted.includes(name));
  const bars = new Map(charted.flatMap(({ figures }) => figures).map((one) => [one.name, one]));
  const chart = path.replace(/(\.json)?$/, '.svg');
  if (bars.size > 0) {
    const { cpu, cores, node, date } = report.facts;
    const facts = `${cpu}, ${cores} cores, Node ${node}, 32 connections, ${date.slice(0, 10)}; CPU without the stdio server's`;
    writeWhole(chart, barChart(benchmark.chartTitle, [...bars.values()], facts));
  }
  if (path === published) updateDocuments();
  process.stdout.write(`\nWritten: ${path}${bars.size > 0 ? `, ${chart}` : ''}\n`);
}

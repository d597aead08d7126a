/**
 * `npm run soak [-- --minutes 10 --rate 100 --seed N]`: traffic with sessions opened and abandoned, while memory,
 * descriptors, children and sessions are sampled. Prints a table and draws docs/soak.svg (only for runs of ten
 * minutes and more). `--leak 30` makes each worker leak 30 KiB a second, to see it found. Linux only. Exit code: 0; 1
 * when something rises, or went wrong; 2 for a wrong command line.
 */
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { interrupted, readNumbers } from '../chaos/options.ts';
import { signed, soakChart } from './chart.ts';
import { SERIES, SERIES_NAMES, type SeriesName } from './samples.ts';
import { runSoak, type SoakOptions, type SoakResult } from './soak.ts';
import { type Trend, trendOf } from './trend.ts';

const CHART = 'docs/soak.svg';
const DRAWN_FROM_MINUTES = 10;

const options = readNumbers({ minutes: 10, rate: 100, seed: 1, leak: 0 });
const result = await runSoak({ ...options, stop: interrupted() });
process.exitCode = report(options, result) ? 0 : 1;

/** Whether all is well. */
function report({ minutes, rate, seed, leak }: SoakOptions, result: SoakResult): boolean {
  const { samples, tally, abandoned, exit, left } = result;
  const trends = new Map<SeriesName, Trend>(
    SERIES_NAMES.map((name) => [
      name,
      trendOf(
        samples.map((sample) => ({ atMs: sample.atMs, value: sample[name] })),
        SERIES[name].noise,
      ),
    ]),
  );
  const [processor] = cpus();
  const facts = `${minutes} minutes at ${rate} calls/s, seed ${seed}; ${processor?.model ?? 'unknown CPU'}, ${cpus().length} cores, Node ${process.versions.node}`;
  console.log(`${facts}\n\n${trendTable(trends)}\n`);
  const failed = [...tally.failures].map(([reason, count]) => `${count} ${reason}`).join(', ');
  console.log(
    `${tally.requests} requests, ${tally.answered} answered and checked, ${tally.left} left on purpose, ${tally.failed} failed${failed && ` (${failed})`}, ${tally.wrong} wrong, ${tally.hung} hung`,
  );
  console.log(
    `${tally.opened} sessions opened, ${abandoned} abandoned; ${samples.length} samples; the bridge ended with ${exit ?? 'a kill'}, ${left} processes left`,
  );
  for (const example of tally.examples) console.log(example);
  if (minutes >= DRAWN_FROM_MINUTES && leak === 0) {
    writeFileSync(CHART, soakChart({ title: 'Soak: what could grow', facts, samples, trends }));
    console.log(`drawn: ${CHART}`);
  }
  const rises = [...trends.values()].some((trend) => trend.rises);
  return !rises && tally.wrong + tally.hung + tally.unexpected + left === 0 && exit === 0;
}

function trendTable(trends: ReadonlyMap<SeriesName, Trend>): string {
  const rows = [...trends].map(([name, { mean, perMinute, gain, allowed, rises }]) => {
    const { title, unit } = SERIES[name];
    const cells = [mean.toFixed(1), signed(perMinute), signed(gain), allowed.toFixed(1)];
    return [unit === '' ? title : `${title}, ${unit}`, ...cells, rises ? 'YES' : 'no'];
  });
  const head = ['second half', 'mean', 'per minute', 'gained', 'noise', 'rises'];
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join(' | ')} |`;
  const rule = `| ${widths.map((width, i) => (i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`;
  return [line(head), rule, ...rows.map(line)].join('\n');
}

/**
 * The numbers of the README, in every language: written from the result files, between two marks.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Figures } from '../measure.ts';
import type { Verdict } from '../scenario.ts';
import { type Report, writeWhole } from './files.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const RESULTS = 'bench/results';
const DOCUMENTS = ['README.md', 'README.zh-CN.md'].map((name) => join(ROOT, name));
const BLOCK = /(<!-- numbers -->\n).*?(<!-- end -->)/s;

/** Whose figures are shown, of each result file. Numbers of two files are of two runs: no table mixes them. */
const SHOWN = {
  peers: ['peers-session', 'peers-stateless'],
  bridge: ['stateless-calls', 'session-calls', 'bridge-cached'],
} as const;

/** Brings the documents up to what the result files say. */
export function updateDocuments(): void {
  for (const path of DOCUMENTS) {
    const text = readFileSync(path, 'utf8');
    const updated = withNumbers(text);
    if (updated !== text) writeWhole(path, updated);
  }
}

/** `document` with the numbers of the result files between its marks. Throws when it has no marks. */
export function withNumbers(document: string): string {
  if (!BLOCK.test(document)) throw new Error('The document has no <!-- numbers --> and <!-- end -->.');
  const parts = Object.entries(SHOWN)
    .filter(([name]) => existsSync(join(ROOT, RESULTS, `${name}.json`)))
    .map(([name, scenarios]) => section(name, scenarios));
  return document.replace(BLOCK, (_all, start, end) => `${start}\n${parts.join('\n')}\n${end}`);
}

function section(name: string, shown: readonly string[]): string {
  const report = JSON.parse(readFileSync(join(ROOT, RESULTS, `${name}.json`), 'utf8')) as Report;
  const { cpu, cores, node, date, loadGenerator } = report.facts;
  const facts = [cpu, `${cores} cores`, `Node ${node}`, loadGenerator, date.slice(0, 10)].join(', ');
  const figures = report.scenarios.filter((one) => shown.includes(one.name)).flatMap((one) => one.figures);
  const byName = new Map(figures.map((one) => [one.name, one]));
  const verdicts = report.scenarios.flatMap((one) => one.verdicts);
  return [
    `![${name}](${RESULTS}/${name}.svg)\n`,
    `${facts} ([${name}.json](${RESULTS}/${name}.json)):\n`,
    figuresTable([...byName.values()]),
    verdictsTable(verdicts),
  ].join('\n');
}

function figuresTable(figures: readonly Figures[]): string {
  const rows = figures.map((one) => [
    one.name,
    whole(one.requestsPerSecond),
    whole(one.p50Us),
    whole(one.p99Us),
    one.cpuUsPerRequest.toFixed(1),
  ]);
  return table(['', 'requests/s', 'p50 us', 'p99 us', 'CPU us/request'], rows);
}

/** Folded away: whoever looks at the front page wants to know how many are met, and few of them which. */
function verdictsTable(verdicts: readonly Verdict[]): string {
  const rows = verdicts.map(({ measure, target, seen, met }) => [measure, target, seen, met ? 'yes' : 'no']);
  const met = verdicts.filter((one) => one.met).length;
  return [
    `<details><summary>Targets: ${met} of ${verdicts.length} met</summary>\n`,
    table(['measure', 'target', 'seen', 'met'], rows),
    '</details>\n',
  ].join('\n');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map((_, column) => (column === 0 ? '---' : '---:')), ...rows];
  return lines.map((cells) => `| ${cells.join(' | ')} |\n`).join('');
}

const whole = (value: number): string => Math.round(value).toLocaleString('en-US');

/**
 * Tables for the terminal.
 */
import type { Figures } from '../measure.ts';
import type { Verdict } from '../scenario.ts';

type Row = readonly string[];

/** The first column to the left, numbers to the right. */
export function figuresTable(figures: readonly Figures[]): string {
  const head = ['', 'requests/s', 'p50 us', 'p99 us', 'errors', 'CPU us/req', 'RSS MiB'];
  const rows = figures.map((one) => [
    one.name,
    whole(one.requestsPerSecond),
    whole(one.p50Us),
    whole(one.p99Us),
    whole(one.errors),
    one.cpuUsPerRequest.toFixed(1),
    whole(one.rssMib),
  ]);
  return layOut([head, ...rows], (column) => column > 0);
}

export function verdictsTable(verdicts: readonly Verdict[]): string {
  const rows = verdicts.map(({ measure, target, seen, met }) => [measure, target, seen, met ? 'yes' : 'NO']);
  return layOut([['measure', 'target', 'seen', 'met'], ...rows], () => false);
}

function layOut(rows: readonly Row[], alignsRight: (column: number) => boolean): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => {
          const width = widths[column] ?? 0;
          return alignsRight(column) ? cell.padStart(width) : cell.padEnd(width);
        })
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `  ${line}\n`)
    .join('');
}

const whole = (value: number): string => Math.round(value).toLocaleString('en-US');

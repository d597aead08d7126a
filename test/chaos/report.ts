/** The table of a chaos run, as Markdown: what docs show is what the terminal showed. */
import type { ChaosOptions, ChaosResult } from './chaos.ts';

type Row = readonly [what: string, value: string];

export function chaosReport({ minutes, rate, seed }: ChaosOptions, result: ChaosResult): string {
  const { tally, injected, missed, musts, memoryMib, recoveredAfterMs } = result;
  const failures = [...tally.failures].sort(([, a], [, b]) => b - a);
  return [
    `${minutes} minutes at ${rate} calls/s, seed ${seed}`,
    table('faults injected', [
      ...[...injected].map(([kind, count]): Row => [kind, whole(count)]),
      ['ordered while nobody was there to be hit', whole(missed)],
    ]),
    table('load', [
      ['requests', whole(tally.requests)],
      ['answered, each checked against its question', whole(tally.answered)],
      ['left by the client on purpose', whole(tally.left)],
      ['failed', whole(tally.failed)],
      ...failures.map(([reason, count]): Row => [`failed: ${reason}`, whole(count)]),
      ['held back by the load itself', whole(tally.heldBack)],
      ['sessions opened', whole(tally.opened)],
      ['sessions that went with their process', whole(tally.lost)],
    ]),
    table(
      'must be 0',
      musts.map(({ what, count }): Row => [what, count === 0 ? '0' : `${whole(count)} (broken)`]),
    ),
    table('afterwards', [
      [
        'serving, and idle, after',
        recoveredAfterMs === undefined ? 'never' : `${(recoveredAfterMs / 1000).toFixed(1)} s`,
      ],
      ['scrapes of /metrics compared', whole(result.scrapes)],
      ['memory at the start', `${whole(memoryMib.start)} MiB`],
      ['memory at the end', `${whole(memoryMib.end)} MiB`],
    ]),
    ...(result.notes.length > 0 ? [result.notes.join('\n')] : []),
  ].join('\n\n');
}

/** Both columns padded, so that it reads well unrendered too. */
export function table(title: string, rows: readonly Row[]): string {
  const all: readonly Row[] = [[title, ''], ...rows];
  const wide = (column: 0 | 1): number => Math.max(3, ...all.map((row) => row[column].length));
  const [left, right] = [wide(0), wide(1)];
  const line = ([what, value]: Row): string => `| ${what.padEnd(left)} | ${value.padStart(right)} |`;
  const [head, ...body] = all.map(line);
  return [head, `| ${'-'.repeat(left)} | ${'-'.repeat(right - 1)}: |`, ...body].join('\n');
}

const whole = (value: number): string => Math.round(value).toLocaleString('en-US');

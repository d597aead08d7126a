/** The tables of a run of the fuzzer, as Markdown. */
import { table } from '../chaos/report.ts';
import type { FuzzResult } from './fuzz.ts';

export function fuzzReport({ engine, sent, lines, honest, seconds, faults, memoryMib }: FuzzResult): string {
  const whole = (value: number): string => Math.round(value).toLocaleString('en-US');
  const rows = [...sent].map(([kind, outcomes]) => {
    const total = [...outcomes.values()].reduce((sum, count) => sum + count, 0);
    const parts = [...outcomes]
      .sort(([, a], [, b]) => b - a)
      .map(([outcome, count]) => `${outcome}: ${whole(count)}`);
    return [`${kind}, ${whole(total)}`, parts.join(', ')] as const;
  });
  return [
    table(`${engine === 'uws' ? 'uWebSockets.js' : 'node:http'}, ${whole(seconds)} s`, [
      ...rows,
      ['broken lines of the server', whole(lines)],
      ['honest calls between them', whole(honest)],
      ['memory of the workers after each quarter', `${memoryMib.join(', ')} MiB`],
      ['must be 0: faults', whole(faults.length)],
    ]),
    ...faults.map((fault) => `- ${fault}`),
  ].join('\n');
}

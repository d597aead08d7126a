/**
 * `npm run fuzz [-- --inputs 200000 --lines 200000 --seed N]`: so many inputs over HTTP to each engine, and half of the
 * lines from a server behind each. Exit code: 0; 1 when something that must not be was; 2 for a wrong command line.
 */
import { drawnSeed, interrupted, readNumbers } from '../chaos/options.ts';
import { type EngineName, uwsFailure } from '../harness/engines.ts';
import { fuzz } from './fuzz.ts';
import { fuzzReport } from './report.ts';

const { inputs, lines, seed } = readNumbers({ inputs: 200_000, lines: 200_000, seed: drawnSeed() });
console.log(`seed ${seed}: ${inputs} inputs to each engine, ${lines} lines from servers`);
const stop = interrupted();
const failure = uwsFailure();
if (failure) console.log(failure);
const engines: readonly EngineName[] = failure ? ['node'] : ['uws', 'node'];
for (const engine of engines) {
  const cleanups: (() => unknown)[] = [];
  try {
    const result = await fuzz(
      { after: (cleanup) => void cleanups.push(cleanup as () => unknown) },
      { engine, seed, inputs, lines: Math.ceil(lines / engines.length), progress: console.log, stop },
    );
    console.log(`\n${fuzzReport(result)}\n`);
    if (result.faults.length > 0) process.exitCode = 1;
  } finally {
    for (const cleanup of cleanups) await cleanup();
  }
}

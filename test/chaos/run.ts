/**
 * `npm run chaos [-- --minutes 2 --rate 500 --seed N]`: a bridge under load while its workers and children are
 * killed and stopped, its file changes, it is rolled, and clients leave. Linux only. Exit code: 0; 1 when something
 * that must not be was; 2 for a wrong command line.
 */
import { runChaos } from './chaos.ts';
import { drawnSeed, interrupted, readNumbers } from './options.ts';
import { chaosReport } from './report.ts';

const options = readNumbers({ minutes: 2, rate: 500, seed: drawnSeed() });
console.log(`seed ${options.seed}: ${options.minutes} minutes at ${options.rate} calls/s`);
const result = await runChaos({ ...options, stop: interrupted() });
console.log(`\n${chaosReport(options, result)}`);
process.exitCode = result.musts.every(({ count }) => count === 0) ? 0 : 1;

/**
 * `npm run chaos [-- --minutes 2 --rate 500 --seed N]`: a bridge under load while its workers and children are
 * killed and stopped, its file changes, it is rolled, and clients leave. Linux only. Exit code: 0; 1 when something
 * that must not be was; 2 for a wrong command line.
 */
import { runChaos } from './chaos.ts';
import { interrupted, readNumbers } from './options.ts';
import { chaosReport } from './report.ts';

const options = read();
if (options !== undefined) {
  console.log(`seed ${options.seed}: ${options.minutes} minutes at ${options.rate} calls/s`);
  const result = await runChaos({ ...options, stop: interrupted() });
  console.log(`\n${chaosReport(options, result)}`);
  process.exitCode = result.musts.every(({ count }) => count === 0) ? 0 : 1;
}

function read() {
  try {
    const drawn = 1 + Math.floor(Math.random() * 1_000_000);
    return readNumbers(process.argv.slice(2), { minutes: 2, rate: 500, seed: drawn });
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 2;
    return undefined;
  }
}

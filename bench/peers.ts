/**
 * npm run bench:peers: the bridge side by side with its peers, which are installed on demand.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { runBenchmark } from './bench.ts';
import { peersSession } from './scenarios/peers-session.ts';
import { peersStateless } from './scenarios/peers-stateless.ts';
import { peersAreInstalled } from './targets/peers.ts';

const INSTALL_MS = 300_000;

if (!peersAreInstalled()) {
  process.stderr.write('Installing the peers into bench/peers/node_modules (about 100 MB).\n');
  execFileSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: join(import.meta.dirname, 'peers'),
    stdio: ['ignore', 'ignore', 'inherit'],
    timeout: INSTALL_MS,
  });
}
process.exitCode = await runBenchmark(
  {
    name: 'peers',
    scenarios: [peersSession, peersStateless],
    chartTitle: 'tools/call over HTTP to a stdio server: requests per second',
    charted: ['peers-session', 'peers-stateless'],
  },
  process.argv.slice(2),
);

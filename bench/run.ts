/**
 * npm run bench: the bridge alone, against the floors and against itself.
 */
import { runBenchmark } from './bench.ts';
import { abusiveClient } from './scenarios/abusive-client.ts';
import { bridgeCached } from './scenarios/bridge-cached.ts';
import { concurrency } from './scenarios/concurrency.ts';
import { engines } from './scenarios/engines.ts';
import { hop } from './scenarios/hop.ts';
import { largeBesideSmall } from './scenarios/large-beside-small.ts';
import { manySessions } from './scenarios/many-sessions.ts';
import { opening } from './scenarios/opening.ts';
import { rateLimit } from './scenarios/rate-limit.ts';
import { sessionCalls } from './scenarios/session-calls.ts';
import { sseProgress } from './scenarios/sse-progress.ts';
import { start } from './scenarios/start.ts';
import { statelessCalls } from './scenarios/stateless-calls.ts';
import { workers } from './scenarios/workers.ts';

process.exitCode = await runBenchmark(
  {
    name: 'bridge',
    scenarios: [
      start,
      statelessCalls,
      sessionCalls,
      bridgeCached,
      hop,
      workers,
      engines,
      concurrency,
      manySessions,
      opening,
      sseProgress,
      largeBesideSmall,
      rateLimit,
      abusiveClient,
    ],
    chartTitle: 'tools/call: requests per second, one worker',
    charted: ['stateless-calls', 'session-calls', 'bridge-cached'],
  },
  process.argv.slice(2),
);

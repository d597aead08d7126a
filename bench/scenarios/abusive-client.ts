/**
 * One client that sends what hurts, beside 32 connections of honest calls: what it does to the others.
 */
import { HITS_PER_SECOND } from '../load/abuse.ts';
import { Apart } from '../load/apart.ts';
import { echoCalls } from '../load/calls.ts';
import type { LoadResult } from '../load/plan.ts';
import { alternate, type Contender, contender } from '../measure.ts';
import { atLeast, atMost, CONNECTIONS, pick, type Scenario } from '../scenario.ts';
import { startBridge } from '../targets/bridge.ts';

export const abusiveClient: Scenario = {
  name: 'abusive-client',
  title: 'an abusive client beside honest calls, 32 connections, 2 workers',
  async run(lab) {
    // What the abusive client leaves in hand holds up the end of the bridge, and not that of the benchmark.
    const bridge = await startBridge(lab, { workers: 2, env: { DRAIN_TIMEOUT_MS: '2000' } });
    const plan = { path: '/mcp/shared', asks: echoCalls(), connections: CONNECTIONS } as const;
    const alone = contender(lab, bridge, { ...plan, check: { kind: 'rpc' } });
    const abuser = await Apart.start(lab);
    const tally = { answered: 0, seconds: 0 };
    const beside: Contender = {
      ...alone,
      async drive(seconds): Promise<LoadResult> {
        const abuse = await abuser.begin('abuse', { port: bridge.port, headers: bridge.headers });
        const result = await alone.drive(seconds);
        const { answered, seconds: spent } = await abuse.end();
        tally.answered += answered;
        tally.seconds += spent;
        return result;
      },
    };
    const figures = await alternate(lab, [
      { ...alone, name: 'honest calls alone' },
      { ...beside, name: 'honest calls beside an abusive client' },
    ]);
    const ratio =
      pick(figures, 'honest calls beside an abusive client').p99Us /
      pick(figures, 'honest calls alone').p99Us;
    return {
      figures,
      verdicts: [
        atMost('honest calls beside an abusive client: p99 of alone', ratio, 3, 'x'),
        atLeast(
          'requests of the abusive client that were answered',
          tally.answered / tally.seconds,
          HITS_PER_SECOND * 0.95,
          '/s',
        ),
      ],
      notes: [],
    };
  },
};

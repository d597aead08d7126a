/**
 * One client that sends what hurts, beside 32 connections of honest calls: what it does to the others. The machine is
 * full, so whatever computes beside the honest calls makes them wait for a core; the same abuse of another bridge on
 * the same machine tells that from what the two have to do with each other in one bridge.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { HITS_PER_SECOND } from '../load/abuse.ts';
import { Apart } from '../load/apart.ts';
import { echoCalls } from '../load/calls.ts';
import type { LoadResult } from '../load/plan.ts';
import { alternate, type Contender, contender, named } from '../measure.ts';
import { atLeast, atMost, CONNECTIONS, pick, type Scenario } from '../scenario.ts';
import { startBridge } from '../targets/bridge.ts';
import type { Target } from '../targets/target.ts';

const ALONE = 'honest calls alone';
const SAME = 'beside an abusive client';
const OTHER = 'beside one of another bridge';

/** Until what the abusive client left in hand is gone: the next run would be measured with it. */
const SETTLE_MS = 2_000;

export const abusiveClient: Scenario = {
  name: 'abusive-client',
  title: 'an abusive client beside honest calls, 32 connections, 1 worker',
  async run(lab) {
    // What the abusive client leaves in hand holds up the end of the bridge, and not that of the benchmark.
    const start = (): Promise<Target> => startBridge(lab, { workers: 1, env: { DRAIN_TIMEOUT_MS: '2000' } });
    const [bridge, another] = [await start(), await start()];
    const asks = echoCalls();
    const plan = { path: '/mcp/shared', asks, connections: CONNECTIONS, check: { kind: 'rpc' } } as const;
    const alone = named(ALONE, contender(lab, bridge, plan));
    const abuser = await Apart.start(lab);
    const tally = { answered: 0, seconds: 0 };
    const beside = (name: string, { port, headers }: Target): Contender => ({
      ...alone,
      name,
      async drive(seconds): Promise<LoadResult> {
        const abuse = await abuser.begin('abuse', { port, headers });
        const result = await alone.drive(seconds);
        const { answered, seconds: spent } = await abuse.end();
        tally.answered += answered;
        tally.seconds += spent;
        await sleep(SETTLE_MS);
        return result;
      },
    });
    const figures = await alternate(lab, [alone, beside(SAME, bridge), beside(OTHER, another)]);
    const p99Of = (name: string): number => pick(figures, name).p99Us;
    const times = (name: string): string => `${(p99Of(name) / p99Of(ALONE)).toFixed(1)}x`;
    return {
      figures,
      verdicts: [
        atMost(
          'honest calls beside an abusive client: p99 of that beside one of another bridge',
          p99Of(SAME) / p99Of(OTHER),
          3,
          'x',
        ),
        atLeast(
          'requests of the abusive client that were answered',
          tally.answered / tally.seconds,
          HITS_PER_SECOND * 0.95,
          '/s',
        ),
      ],
      notes: [
        `Of the p99 alone it is ${times(SAME)}; with the same abuse of another bridge, for want of a core, ${times(OTHER)}.`,
      ],
    };
  },
};

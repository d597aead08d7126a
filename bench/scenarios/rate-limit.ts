/**
 * What counting every request over all workers costs: half of them are counted by the other worker.
 */
import { echoCalls } from '../load/calls.ts';
import { alternate, contender } from '../measure.ts';
import { CONNECTIONS, pick, type Scenario } from '../scenario.ts';
import { startBridge } from '../targets/bridge.ts';

const NEVER_REACHED = '1000000000';

export const rateLimit: Scenario = {
  name: 'rate-limit',
  title: 'tools/call without a session, counted or not, 32 connections, 2 workers',
  async run(lab) {
    const asks = echoCalls();
    const plan = { path: '/mcp/shared', asks, connections: CONNECTIONS, check: { kind: 'rpc' } } as const;
    const open = await startBridge(lab, { name: 'no limit', workers: 2 });
    const counted = await startBridge(lab, {
      name: 'RATE_LIMIT_MAX',
      workers: 2,
      env: { RATE_LIMIT_MAX: NEVER_REACHED },
    });
    const figures = await alternate(lab, [contender(lab, open, plan), contender(lab, counted, plan)]);
    const share =
      pick(figures, 'RATE_LIMIT_MAX').requestsPerSecond / pick(figures, 'no limit').requestsPerSecond;
    return {
      figures,
      verdicts: [],
      notes: [`With the count the bridge does ${share.toFixed(2)} of what it does without.`],
    };
  },
};

/**
 * POST /bridge with a client that is cached: one request, one result.
 */
import { bridgeCalls } from '../load/calls.ts';
import { alternate, contender, named } from '../measure.ts';
import { atLeast, CONNECTIONS, pick, type Scenario } from '../scenario.ts';
import { bareContender } from '../targets/bare.ts';
import { startBridge } from '../targets/bridge.ts';

export const bridgeCached: Scenario = {
  name: 'bridge-cached',
  title: 'POST /bridge, cached client, 32 connections, 1 worker',
  async run(lab) {
    const bridge = await startBridge(lab, { workers: 1 });
    const asks = bridgeCalls('shared');
    const plan = { path: '/bridge', asks, connections: CONNECTIONS, check: { kind: 'result' } } as const;
    const figures = await alternate(lab, [
      await bareContender(lab, 'uws'),
      named('bridge, POST /bridge', contender(lab, bridge, plan)),
    ]);
    const ours = pick(figures, 'bridge, POST /bridge').requestsPerSecond;
    const floor = pick(figures, 'bare uWebSockets.js').requestsPerSecond;
    const verdicts = [atLeast('/bridge, cached: requests/s of bare uWebSockets.js', ours / floor, 0.45)];
    return { figures, verdicts, notes: [] };
  },
};

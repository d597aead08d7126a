/**
 * One worker and two, on the shared server that has a child for each: what is lost when all share two cores.
 */
import { echoCalls } from '../load/calls.ts';
import { alternate, contender } from '../measure.ts';
import { atLeast, CONNECTIONS, pick, type Scenario } from '../scenario.ts';
import { startBridge } from '../targets/bridge.ts';

export const workers: Scenario = {
  name: 'workers',
  title: 'tools/call on a shared server, 32 connections, 1 worker and 2',
  async run(lab) {
    const asks = echoCalls();
    const plan = { path: '/mcp/shared', asks, connections: CONNECTIONS, check: { kind: 'rpc' } } as const;
    const figures = await alternate(lab, [
      contender(lab, await startBridge(lab, { workers: 1 }), plan),
      contender(lab, await startBridge(lab, { workers: 2 }), plan),
    ]);
    const ratio =
      pick(figures, 'bridge, 2 workers').requestsPerSecond /
      pick(figures, 'bridge, 1 worker').requestsPerSecond;
    return { figures, verdicts: [atLeast('2 workers: requests/s of 1 worker', ratio, 0.8)], notes: [] };
  },
};

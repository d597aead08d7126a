/**
 * Calls that report progress: the answer becomes an SSE stream of ten events and the result.
 */
import { progressCalls } from '../load/calls.ts';
import { alternate, contender, named } from '../measure.ts';
import { CONNECTIONS, pick, type Scenario } from '../scenario.ts';
import { startBridge } from '../targets/bridge.ts';

const STEPS = 10;

export const sseProgress: Scenario = {
  name: 'sse-progress',
  title: 'tools/call with ten progress events over SSE, 32 connections, 1 worker',
  async run(lab) {
    const bridge = await startBridge(lab, { workers: 1 });
    const asks = progressCalls(STEPS);
    const check = { kind: 'progress', steps: STEPS } as const;
    const plan = { path: '/mcp/shared', asks, connections: CONNECTIONS, check };
    const figures = await alternate(lab, [named('bridge, SSE', contender(lab, bridge, plan))]);
    const events = pick(figures, 'bridge, SSE').requestsPerSecond * (STEPS + 1);
    return { figures, verdicts: [], notes: [`${Math.round(events)} events/s.`] };
  },
};

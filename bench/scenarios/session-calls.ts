/**
 * Calls within one session that has a child of its own: what a desktop client does, at load.
 */
import { callsOn } from '../load/calls.ts';
import { alternate, contender, named } from '../measure.ts';
import { CONNECTIONS, pick, type Scenario } from '../scenario.ts';
import { bareContender } from '../targets/bare.ts';
import { startBridge } from '../targets/bridge.ts';
import { openSession } from '../targets/session.ts';

const PATH = '/mcp/own';

export const sessionCalls: Scenario = {
  name: 'session-calls',
  title: 'tools/call in one session with a child of its own, 32 connections, 1 worker',
  async run(lab) {
    const bridge = await startBridge(lab, { workers: 1 });
    const asks = callsOn([await openSession(bridge, PATH)]);
    const figures = await alternate(lab, [
      await bareContender(lab, 'uws'),
      await bareContender(lab, 'node'),
      named(
        'bridge, session',
        contender(lab, bridge, { path: PATH, asks, connections: CONNECTIONS, check: { kind: 'rpc' } }),
      ),
    ]);
    const ours = pick(figures, 'bridge, session').requestsPerSecond;
    const floor = pick(figures, 'bare uWebSockets.js').requestsPerSecond;
    const notes = [`The bridge does ${(ours / floor).toFixed(2)} of bare uWebSockets.js.`];
    return { figures, verdicts: [], notes };
  },
};

/**
 * Calls without a session on a shared server, by clients of both eras: the shortest way through the bridge.
 */
import { drivePipe } from '../baselines/direct-pipe.ts';
import { echoCalls, modernCalls } from '../load/calls.ts';
import { alternate, contender, named } from '../measure.ts';
import { atLeast, atMost, CONNECTIONS, pick, type Scenario } from '../scenario.ts';
import { bareContender } from '../targets/bare.ts';
import { startBridge } from '../targets/bridge.ts';

const PATH = '/mcp/shared';

export const statelessCalls: Scenario = {
  name: 'stateless-calls',
  title: 'tools/call without a session on a shared server, 32 connections, 1 worker',
  async run(lab) {
    const bridge = await startBridge(lab, { workers: 1 });
    const plan = { path: PATH, connections: CONNECTIONS, check: { kind: 'rpc' } } as const;
    const figures = await alternate(lab, [
      {
        name: 'direct pipe, no HTTP',
        pids: () => [process.pid],
        drive: (seconds) => drivePipe(CONNECTIONS, seconds),
      },
      await bareContender(lab, 'uws'),
      await bareContender(lab, 'node'),
      named('bridge, shared', contender(lab, bridge, { ...plan, asks: echoCalls() })),
      named('bridge, shared, 2026-07-28', contender(lab, bridge, { ...plan, asks: modernCalls() })),
    ]);
    const ours = pick(figures, 'bridge, shared');
    const floor = pick(figures, 'bare uWebSockets.js');
    return {
      figures,
      verdicts: [
        atLeast(
          'stateless tools/call: requests/s of bare uWebSockets.js',
          ours.requestsPerSecond / floor.requestsPerSecond,
          0.55,
        ),
        atMost(
          'stateless tools/call: CPU per request of bare uWebSockets.js',
          ours.cpuUsPerRequest / floor.cpuUsPerRequest,
          1.5,
          'x',
        ),
      ],
      notes: [],
    };
  },
};

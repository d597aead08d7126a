/**
 * Calls without a session on a shared server, by clients of both eras: the shortest way through the bridge.
 */
import { directPipe } from '../baselines/direct-pipe.ts';
import { echoCalls, modernCalls } from '../load/calls.ts';
import { alternate, contender, type Figures, named } from '../measure.ts';
import { atLeast, atMost, CONNECTIONS, pick, type Scenario } from '../scenario.ts';
import { bareContender, passThroughContender } from '../targets/bare.ts';
import { startBridge } from '../targets/bridge.ts';

const PATH = '/mcp/shared';

export const statelessCalls: Scenario = {
  name: 'stateless-calls',
  title: 'tools/call without a session on a shared server, 32 connections, 1 worker',
  async run(lab) {
    const bridge = await startBridge(lab, { workers: 1 });
    const plan = { path: PATH, connections: CONNECTIONS, check: { kind: 'rpc' } } as const;
    const figures = await alternate(lab, [
      directPipe('direct pipe, no HTTP', CONNECTIONS),
      await bareContender(lab, 'uws'),
      await bareContender(lab, 'node'),
      await passThroughContender(lab, CONNECTIONS),
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
      notes: [passThroughNote(figures, ours)],
    };
  },
};

/** What no bridge on this runtime can be below: part of what is asked for may be. */
function passThroughNote(figures: readonly Figures[], ours: Figures): string {
  const least = pick(figures, 'pass-through');
  const floor = pick(figures, 'bare uWebSockets.js');
  const ofFloor = (one: Figures): string =>
    `${(one.requestsPerSecond / floor.requestsPerSecond).toFixed(2)} of the requests/s and ` +
    `${(one.cpuUsPerRequest / floor.cpuUsPerRequest).toFixed(2)}x the CPU of bare uWebSockets.js`;
  return (
    `A pass-through that checks nothing does ${ofFloor(least)}; ` +
    `the bridge does ${(ours.requestsPerSecond / least.requestsPerSecond).toFixed(2)} of its requests/s.`
  );
}

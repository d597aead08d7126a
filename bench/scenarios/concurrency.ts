/**
 * From 1 to 256 connections, and what the bridge adds to a call when nothing else goes on.
 */
import { directPipe } from '../baselines/direct-pipe.ts';
import { echoCalls } from '../load/calls.ts';
import { alternate, type Contender, contender, named } from '../measure.ts';
import { atMost, pick, type Scenario } from '../scenario.ts';
import { passThroughContender } from '../targets/bare.ts';
import { startBridge } from '../targets/bridge.ts';

const LEVELS = [1, 4, 16, 32, 64, 128, 256];

const pipe = (inFlight: number): Contender => directPipe(`direct pipe, ${inFlight} in flight`, inFlight);

export const concurrency: Scenario = {
  name: 'concurrency',
  title: 'tools/call on a shared server with 1 to 256 connections, 1 worker',
  async run(lab) {
    const bridge = await startBridge(lab, { workers: 1 });
    const level = (connections: number): Contender => {
      const asks = echoCalls();
      const plan = { path: '/mcp/shared', asks, connections, check: { kind: 'rpc' } } as const;
      return named(`bridge, ${connections}`, contender(lab, bridge, plan));
    };
    const least = named('pass-through, 1', await passThroughContender(lab, 1));
    const figures = await alternate(lab, [pipe(1), pipe(32), least, ...LEVELS.map(level)]);
    const direct = pick(figures, 'direct pipe, 1 in flight').p50Us;
    const addedUs = pick(figures, 'bridge, 1').p50Us - direct;
    const leastUs = pick(figures, 'pass-through, 1').p50Us - direct;
    return {
      figures,
      verdicts: [atMost('latency added to the direct pipe at concurrency 1: p50', addedUs, 45, ' us')],
      notes: [`A pass-through that checks nothing adds ${leastUs.toFixed(0)} us.`],
    };
  },
};

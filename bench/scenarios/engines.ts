/**
 * Both HTTP engines, each with its own floor beside it.
 */
import { echoCalls } from '../load/calls.ts';
import { alternate, contender } from '../measure.ts';
import { CONNECTIONS, pick, type Scenario } from '../scenario.ts';
import { bareContender } from '../targets/bare.ts';
import { startBridge } from '../targets/bridge.ts';

export const engines: Scenario = {
  name: 'engines',
  title: 'tools/call on a shared server on uWebSockets.js and on node:http, 32 connections, 1 worker',
  async run(lab) {
    const asks = echoCalls();
    const plan = { path: '/mcp/shared', asks, connections: CONNECTIONS, check: { kind: 'rpc' } } as const;
    const uws = await startBridge(lab, { name: 'bridge, uws engine', workers: 1, engine: 'uws' });
    const node = await startBridge(lab, { name: 'bridge, node engine', workers: 1, engine: 'node' });
    const figures = await alternate(lab, [
      await bareContender(lab, 'uws'),
      contender(lab, uws, plan),
      await bareContender(lab, 'node'),
      contender(lab, node, plan),
    ]);
    const share = (ours: string, floor: string): string =>
      (pick(figures, ours).requestsPerSecond / pick(figures, floor).requestsPerSecond).toFixed(2);
    const notes = [
      `On uWebSockets.js ${share('bridge, uws engine', 'bare uWebSockets.js')} of the bare server, on node:http ` +
        `${share('bridge, node engine', 'bare node:http')}.`,
    ];
    return { figures, verdicts: [], notes };
  },
};

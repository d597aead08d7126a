/**
 * Calls without a session: the bridge on a shared server beside its peers.
 */
import { echoCalls } from '../load/calls.ts';
import { alternate, contender, named } from '../measure.ts';
import { CONNECTIONS, pick, type Scenario } from '../scenario.ts';
import { startBridge } from '../targets/bridge.ts';
import { MCP_PROXY_STATELESS, SUPERGATEWAY_STATELESS, startPeer } from '../targets/peers.ts';

const PEERS = [SUPERGATEWAY_STATELESS, MCP_PROXY_STATELESS];

export const peersStateless: Scenario = {
  name: 'peers-stateless',
  title: 'tools/call without a session, 32 connections, beside peers',
  async run(lab) {
    const plan = { asks: echoCalls(), connections: CONNECTIONS, check: { kind: 'rpc' } } as const;
    const bridge = await startBridge(lab, { workers: 1 });
    const contenders = [named('bridge, shared', contender(lab, bridge, { ...plan, path: '/mcp/shared' }))];
    for (const peer of PEERS) {
      contenders.push(contender(lab, await startPeer(lab, peer), { ...plan, path: '/mcp' }));
    }
    const figures = await alternate(lab, contenders);
    const ours = pick(figures, 'bridge, shared').requestsPerSecond;
    return {
      figures,
      verdicts: [],
      notes: PEERS.map(({ name, version, mode }) => {
        const times = (ours / pick(figures, name).requestsPerSecond).toFixed(1);
        return `${name} ${version}: ${mode}. The bridge does ${times}x its requests/s.`;
      }),
    };
  },
};

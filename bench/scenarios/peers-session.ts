/**
 * Calls within one session: the bridge beside its peers and the bare servers.
 */
import { callsOn } from '../load/calls.ts';
import { alternate, contender, named } from '../measure.ts';
import { atLeast, CONNECTIONS, pick, type Scenario } from '../scenario.ts';
import { bareContender } from '../targets/bare.ts';
import { startBridge } from '../targets/bridge.ts';
import { MCP_PROXY_STATEFUL, SUPERGATEWAY_STATEFUL, startPeer } from '../targets/peers.ts';
import { openSession } from '../targets/session.ts';

const PEERS = [SUPERGATEWAY_STATEFUL, MCP_PROXY_STATEFUL];

export const peersSession: Scenario = {
  name: 'peers-session',
  title: 'tools/call in one session, 32 connections, beside peers',
  async run(lab) {
    const plan = { connections: CONNECTIONS, check: { kind: 'rpc' } } as const;
    const bridge = await startBridge(lab, { workers: 1 });
    const ours = contender(lab, bridge, {
      ...plan,
      path: '/mcp/own',
      asks: callsOn([await openSession(bridge, '/mcp/own')]),
    });
    const contenders = [
      await bareContender(lab, 'uws'),
      await bareContender(lab, 'node'),
      named('bridge, session', ours),
    ];
    for (const peer of PEERS) {
      const target = await startPeer(lab, peer);
      const asks = callsOn([await openSession(target, '/mcp')]);
      contenders.push(contender(lab, target, { ...plan, path: '/mcp', asks }));
    }
    const figures = await alternate(lab, contenders);
    const against = (peer: string): number =>
      pick(figures, 'bridge, session').requestsPerSecond / pick(figures, peer).requestsPerSecond;
    return {
      figures,
      verdicts: [
        atLeast(
          'session tools/call: requests/s of supergateway stateful',
          against(SUPERGATEWAY_STATEFUL.name),
          18,
          'x',
        ),
        atLeast('session tools/call: requests/s of mcp-proxy', against(MCP_PROXY_STATEFUL.name), 15, 'x'),
      ],
      notes: PEERS.map(({ name, version, mode }) => `${name} ${version}: ${mode}`),
    };
  },
};

/**
 * Every request makes one hop to the other worker, against none that does: the same client, the same session, only
 * other connections. The bridge's own count says whether it was so.
 */
import { callsOn } from '../load/calls.ts';
import { pinnedLoad, sortConnections } from '../load/pinned.ts';
import type { LoadPlan } from '../load/plan.ts';
import type { Wire } from '../load/wire.ts';
import { alternate, type Contender } from '../measure.ts';
import { gatewayPids } from '../proc.ts';
import { atLeast, atMost, CONNECTIONS, pick, type Scenario } from '../scenario.ts';
import { readMetric, startBridge } from '../targets/bridge.ts';
import { openSession } from '../targets/session.ts';
import { CHILD_MARK } from '../targets/target.ts';

const PATH = '/mcp/own';

export const hop: Scenario = {
  name: 'hop',
  title: 'one hop for every request against none, 32 connections each, 2 workers',
  async run(lab) {
    const bridge = await startBridge(lab, { workers: 2 });
    const asks = callsOn([await openSession(bridge, PATH)]);
    const { port, headers } = bridge;
    const plan: LoadPlan = {
      port,
      headers,
      path: PATH,
      asks,
      connections: CONNECTIONS,
      check: { kind: 'rpc' },
    };
    // Each direction counts the same forwards once more.
    const forwards = async (): Promise<number> =>
      Math.max(0, ...(await readMetric(bridge, 'mcp_bridge_forwarded_total')));
    lab.progress.step('sorting connections by the worker that took them');
    const { owned, forwarded } = await sortConnections(plan, forwards);

    const shares = new Map<string, number>();
    const over = (name: string, wires: readonly Wire[]): Contender => ({
      name,
      pids: () => gatewayPids(bridge.pid, CHILD_MARK),
      async drive(seconds) {
        const before = await forwards();
        const result = await pinnedLoad(plan, wires, seconds);
        shares.set(name, ((await forwards()) - before) / result.requests);
        return result;
      },
    });
    const figures = await alternate(lab, [
      over('bridge, no hop', owned),
      over('bridge, every request hops', forwarded),
    ]);
    for (const wire of [...owned, ...forwarded]) wire.close();
    const without = pick(figures, 'bridge, no hop');
    const hopping = pick(figures, 'bridge, every request hops');
    const share = (name: string): number => shares.get(name) ?? Number.NaN;
    return {
      figures,
      verdicts: [
        atLeast(
          'every request hops: requests/s of no hop',
          hopping.requestsPerSecond / without.requestsPerSecond,
          0.65,
        ),
        atLeast('every request hops: share that was forwarded', share(hopping.name), 0.99),
        atMost('no hop: share that was forwarded', share(without.name), 0.01),
      ],
      notes: [
        'Load by a Node client over chosen connections: the kernel decides which worker takes one, and wrk cannot ' +
          'tell them apart. The client needs a core of its own; compare the CPU per request too.',
      ],
    };
  },
};

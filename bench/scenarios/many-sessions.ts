/**
 * 10,000 open sessions on a shared server: how fast they open, what each weighs, and whether calls get slower.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { callsOn } from '../load/calls.ts';
import { openMany } from '../load/open-sessions.ts';
import { alternate, contender, named } from '../measure.ts';
import { gatewayPids, rssMib } from '../proc.ts';
import { atLeast, atMost, CONNECTIONS, pick, type Scenario } from '../scenario.ts';
import { readMetric, startBridge } from '../targets/bridge.ts';
import { CHILD_MARK } from '../targets/target.ts';

const PATH = '/mcp/shared';
const SESSIONS = 10_000;
const SETTLE_MS = 2_000;

export const manySessions: Scenario = {
  name: 'many-sessions',
  title: '10,000 open sessions on a shared server, 1 worker',
  async run(lab) {
    const bridge = await startBridge(lab, {
      workers: 1,
      env: { MAX_SESSIONS: String(SESSIONS + 1) },
    });
    const to = { port: bridge.port, path: PATH, headers: bridge.headers };
    const rss = (): number => rssMib(gatewayPids(bridge.pid, CHILD_MARK));
    const plan = { path: PATH, connections: CONNECTIONS, check: { kind: 'rpc' } } as const;

    lab.progress.step('the first session');
    const first = await openMany(to, { count: 1, connections: 1 });
    const one = { ...plan, asks: callsOn(first.sessions, SESSIONS) };
    await sleep(SETTLE_MS);
    const rssBefore = rss();

    lab.progress.step(`opening ${SESSIONS} sessions`);
    const opened = await openMany(to, { count: SESSIONS, connections: CONNECTIONS });
    await sleep(SETTLE_MS);
    const open = (await readMetric(bridge, 'mcp_bridge_sessions')).reduce((sum, value) => sum + value, 0);
    const kibPerSession = ((rss() - rssBefore) * 1024) / SESSIONS;
    const opensPerSecond = SESSIONS / opened.seconds;

    const many = { ...plan, asks: callsOn(opened.sessions, SESSIONS) };
    const figures = await alternate(lab, [
      named('bridge, calls on one session', contender(lab, bridge, one)),
      named('bridge, calls on 10,000 sessions', contender(lab, bridge, many)),
    ]);
    const ratio =
      pick(figures, 'bridge, calls on 10,000 sessions').requestsPerSecond /
      pick(figures, 'bridge, calls on one session').requestsPerSecond;
    return {
      figures,
      verdicts: [
        atMost('10,000 sessions: resident memory of each', kibPerSession, 8, ' KiB'),
        atLeast('10,000 sessions: open by the metrics', open, SESSIONS),
        atLeast('10,000 sessions: opened', opensPerSecond, 3000, '/s'),
        atLeast('10,000 sessions: calls on them, of calls on one', ratio, 0.9),
      ],
      notes: [
        `Opening is initialize and notifications/initialized, over ${CONNECTIONS} connections, by a bridge just started. ` +
          'Its memory includes the heap growing to its working size: an upper bound.',
      ],
    };
  },
};

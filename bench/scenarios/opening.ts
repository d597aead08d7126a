/**
 * Opening sessions at a steady 20 a second on a server that boots in 500 ms, cold and with spares kept ready. Each is
 * opened, called once and deleted, so that spares are taken and replaced all the time.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lab } from '../lab.ts';
import { echoCalls } from '../load/calls.ts';
import { Latencies } from '../load/latencies.ts';
import { openOn } from '../load/open-sessions.ts';
import { isRight, wireRequest } from '../load/plan.ts';
import { Wire } from '../load/wire.ts';
import type { Figures } from '../measure.ts';
import { cpuSeconds, gatewayPids, rssMib } from '../proc.ts';
import { atMost, pick, type Scenario } from '../scenario.ts';
import { startBridge } from '../targets/bridge.ts';
import { closeSession, openSession } from '../targets/session.ts';
import { CHILD_MARK, type Target } from '../targets/target.ts';

const PER_SECOND = 20;
/** p99 of fewer opens would be the slowest of them. */
const MIN_SECONDS = 10;
/** For the spares to boot after the first session made the server known. */
const SPARES_MS = 3_000;

export const opening: Scenario = {
  name: 'opening',
  title: 'opening 20 sessions a second on a server that boots in 500 ms, 1 worker',
  async run(lab) {
    const bridge = await startBridge(lab, { workers: 1 });
    const figures = [
      await openSteadily(lab, bridge, { name: 'bridge, cold', path: '/mcp/cold' }),
      await openSteadily(lab, bridge, { name: 'bridge, prewarm: 16', path: '/mcp/warm' }),
    ];
    const p99Ms = pick(figures, 'bridge, prewarm: 16').p99Us / 1000;
    return {
      figures,
      verdicts: [atMost('opening a session, prewarmed: p99', p99Ms, 25, ' ms')],
      notes: ['A request here is one opening: initialize and notifications/initialized.'],
    };
  },
};

async function openSteadily(
  lab: Lab,
  bridge: Target,
  { name, path }: { readonly name: string; readonly path: string },
): Promise<Figures> {
  lab.progress.step(`warm-up: ${name}`);
  await closeSession(bridge, path, await openSession(bridge, path));
  await sleep(SPARES_MS);

  const seconds = Math.max(lab.seconds, MIN_SECONDS);
  lab.progress.step(`${name}, ${seconds} s`);
  const latencies = new Latencies();
  const [ask = { body: '' }] = echoCalls();
  const to = { port: bridge.port, path, headers: bridge.headers };
  const idle: Wire[] = [];
  let errors = 0;
  let sample = '';
  const useOnce = async (): Promise<void> => {
    const wire = idle.pop() ?? (await Wire.open(bridge.port));
    const startedAt = performance.now();
    const session = await openOn(wire, to);
    latencies.add((performance.now() - startedAt) * 1000);
    const headers = { 'Mcp-Session-Id': session };
    const { status, body } = await wire.ask(wireRequest(to, { ...ask, headers }));
    idle.push(wire);
    await closeSession(bridge, path, session);
    if (status !== 200 || !isRight({ kind: 'rpc' }, body)) throw new Error(`${status} ${body.slice(0, 200)}`);
  };
  const note = (error: Error): void => {
    errors++;
    if (sample === '') sample = error.message;
  };

  const pids = gatewayPids(bridge.pid, CHILD_MARK);
  const cpuBefore = cpuSeconds(pids);
  const started = performance.now();
  const uses: Promise<void>[] = [];
  for (let n = 0; n < seconds * PER_SECOND; n++) {
    await sleep(Math.max(0, started + (n * 1000) / PER_SECOND - performance.now()));
    uses.push(useOnce().catch(note));
  }
  await Promise.all(uses);
  for (const wire of idle) wire.close();
  const requests = latencies.count;
  return {
    name,
    requestsPerSecond: requests / ((performance.now() - started) / 1000),
    p50Us: latencies.percentile(0.5),
    p99Us: latencies.percentile(0.99),
    errors,
    requests,
    cpuUsPerRequest: ((cpuSeconds(pids) - cpuBefore) * 1e6) / requests,
    rssMib: rssMib(pids),
    sample,
  };
}
